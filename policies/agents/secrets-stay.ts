import { allow, deny, parameter, policy } from "portcullis";
import noSecrets from "portcullis/policies/no-secrets.ts";
import { opens, refuseAfter, writes } from "portcullis/policies/shared/events.ts";

const secrets = parameter.texts("private", { default: [".env", "**/.env", "/etc/secrets/**"] });
const shared = parameter.texts("shared", { default: ["/shared/**"] });

/**
 * After a process of the tree has opened a secret, no process of it writes to the shared directories; and none connects,
 * if the secret looks like a credential (no-secrets) or is one of `private`.
 *
 * Cost: a supervised call for each open.
 */
export default policy(
  {
    extends: [
      noSecrets,
      refuseAfter({
        event: writes(shared),
        after: opens(secrets),
        verdict: deny("EACCES", "a secret was read before: it could be copied to a shared directory"),
      }),
    ],
  },
  () => allow,
);
