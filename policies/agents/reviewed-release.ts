import { allow, ask, type Call, parameter, policy } from "portcullis";
import { connects, executes, opens, refuseAfter } from "portcullis/policies/shared/events.ts";

const artifacts = parameter.texts("artifacts", { default: ["dist/**", "**/dist/**"] });
const review = parameter.texts("review", { default: ["/usr/local/bin/review"] });

const releases = executes(["gh", "**/gh"], ["release"]);
const isPublication = (call: Call): boolean => releases(call) || connects(call);

/**
 * After a process of the tree has opened a release artifact, `gh release` and every connection to the internet ask a
 * person (docs/approvals.md), until the review has been executed.
 *
 * Cost: a supervised call for each open, execution and connection.
 */
export default policy(
  {
    extends: [
      refuseAfter({
        event: isPublication,
        after: opens(artifacts),
        until: executes(review),
        verdict: ask("a release artifact was read, and not reviewed"),
      }),
    ],
  },
  () => allow,
);
