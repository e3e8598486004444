import { allow, deny, parameter, policy } from "portcullis";
import { executes, refuse, writes } from "portcullis/policies/shared/events.ts";

const sources = parameter.texts("sources", { default: ["{src,test,tests}/**", "**/{src,test,tests}/**"] });
const tests = parameter.texts("tests", {
  default: ["/{bin,usr/bin,usr/local/bin}/{npm,pnpm,yarn,pytest,go,cargo,make}"],
});
const test = parameter.text("test", { default: "test" });

/**
 * No `git commit` and no `git push` unless the tests ran since the last change of a source file. The tests are one of the
 * programs `tests` with the word `test` among its arguments (`npm test`, `cargo test`, `make test`). How they end is not
 * known: a hook of git or a check on the server can require that.
 *
 * Cost: a supervised call for each execution, and for each file that is opened for writing.
 */
export default policy(
  {
    extends: [
      refuse({
        event: executes(["git", "**/git"], ["commit"]),
        unlessAfter: executes(tests, [test]),
        since: writes(sources),
        verdict: deny("EACCES", "a source file has changed since the tests ran: run them, then commit"),
      }),
      refuse({
        event: executes(["git", "**/git"], ["push"]),
        unlessAfter: executes(tests, [test]),
        since: writes(sources),
        verdict: deny("EACCES", "a source file has changed since the tests ran: run them, then push"),
      }),
    ],
  },
  () => allow,
);
