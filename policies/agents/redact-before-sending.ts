import { allow, deny, parameter, policy } from "portcullis";
import { connects, executes, opens, refuseAfter } from "portcullis/policies/shared/events.ts";

const secrets = parameter.texts("private", { default: [".env", "**/.env"] });
const redactor = parameter.texts("redactor", { default: ["/usr/local/bin/redact"] });

/**
 * After a process of the tree has opened a secret, none connects to the internet until the redactor has been executed.
 *
 * Cost: a supervised call for each open, execution and connection.
 */
export default policy(
  {
    extends: [
      refuseAfter({
        event: connects,
        after: opens(secrets),
        until: executes(redactor),
        verdict: deny("EACCES", "a secret was read before: redact it first"),
      }),
    ],
  },
  () => allow,
);
