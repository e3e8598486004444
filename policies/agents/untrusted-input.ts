import { allow, ask, type Call, parameter, policy } from "portcullis";
import { executes, opens, refuseAfter } from "portcullis/policies/shared/events.ts";

const downloads = parameter.texts("downloads", { default: ["downloads/**", "**/downloads/**"] });
const reviewer = parameter.texts("reviewer", { default: ["/usr/local/bin/human-approve"] });

const takesInput = opens(downloads);
const connects = (call: Call): boolean => call.name === "connect" && call.args.addr.kind === "ip";
const isUntrusted = (call: Call): boolean => connects(call) || takesInput(call);
const pushes = executes(["git", "**/git"], ["push"]);
const deploys = executes(["deploy*", "**/deploy*"]);
const isPrivileged = (call: Call): boolean => pushes(call) || deploys(call);

/**
 * After a process of the tree has connected to the internet or opened a download, `git push` and deploy programs ask a
 * person (docs/approvals.md), until the reviewer has been executed.
 *
 * Cost: a supervised call for each open, execution and connection.
 */
export default policy(
  {
    extends: [
      refuseAfter({
        event: isPrivileged,
        after: isUntrusted,
        until: executes(reviewer),
        verdict: ask("untrusted input was read before this"),
      }),
    ],
  },
  () => allow,
);
