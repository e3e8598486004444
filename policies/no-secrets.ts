import { allow, calls, deny, parameter, perTree, policy } from "portcullis";

const secrets = parameter.texts("secrets", {
  default: [
    "**/id_{rsa,dsa,ecdsa,ecdsa_sk,ed25519,ed25519_sk}",
    "**/ssh_host_*_key",
    "**/.{npmrc,netrc,git-credentials,pypirc}",
    "**/.{aws,azure,gnupg,kube,docker}/**",
    "**/gcloud/**",
    "**/{credentials,application_default_credentials.json}",
  ],
});

const seen = perTree.flag();
const opens = calls("open", "openat", "creat");
const reaching = calls("connect", "bind", "sendto", "sendmsg", "sendmmsg");

/**
 * Once a process of the tree has opened a file that looks like a credential, nothing in the tree connects, binds or sends
 * to an address any more: what was read does not leave by a new connection. Files are known by the names that programs
 * open them by: a path relative to a directory of secrets is known if its last name is. A link of another name is not
 * noticed. Connections from before stay.
 */
export default policy((call) => {
  if (opens.has(call)) {
    if (call.args.path.text.matches(...secrets)) seen.set(true);
    return allow;
  }
  if (call.name === "openat2") return deny("ENOSYS", "C libraries fall back to openat");
  if (reaching.has(call)) return seen.get() ? deny("EACCES", "a credential was read before") : allow;
  return allow;
});
