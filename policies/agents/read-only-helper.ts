import { allow, deny, parameter, policy } from "portcullis";
import { executes, refuseWithin, writes } from "portcullis/policies/shared/events.ts";

const helper = parameter.texts("helper", { default: ["/usr/local/bin/helper"] });
const repository = parameter.texts("repository", { default: ["/repo/**"] });
const policies = parameter.texts("policies", { default: ["*.policy.ts", "**/*.policy.ts"] });

const changesPolicies = writes(policies);

/**
 * The files of policies are protected in the whole tree; a helper, and what it starts, cannot write to the repository
 * either. Each further policy of `extends` adds rules, and none removes one.
 *
 * Cost: a supervised call for each execution and each file that is opened for writing.
 */
export default policy(
  {
    extends: [
      refuseWithin({
        event: writes(repository),
        lineage: executes(helper),
        refuses: "inside",
        verdict: deny("EACCES", "a helper reads the repository"),
      }),
    ],
  },
  // accept P0502: the event is known by the text of a path, as policies/shared/events.ts says
  (call) => (changesPolicies(call) ? deny("EACCES", "the policy in force is protected") : allow),
);
