import { allow, calls, deny, parameter, perTree, policy } from "portcullis";
import isolated from "portcullis/policies/shared/isolated.ts";
import steadyPaths from "portcullis/policies/shared/steady-paths.ts";

const secrets = parameter.texts("secrets", {
  default: [
    "**/id_{rsa,dsa,ecdsa,ecdsa_sk,ed25519,ed25519_sk}",
    "**/ssh_host_*_key",
    "**/.{npmrc,netrc,git-credentials,pypirc}",
    "**/.{aws,azure,gnupg,kube,docker}/**",
    "**/gcloud/**",
    // The directories themselves: the names of files that are opened relative to them do not match.
    "**/.{aws,azure,gnupg,kube,docker}",
    "**/gcloud",
    // The memory and the variables of other programs.
    "/proc/[0-9]*/{mem,environ}",
    "**/{credentials,application_default_credentials.json}",
  ],
});

const seen = perTree.flag();
const looks = calls("open", "openat", "creat", "chdir");
// Another name for the file is as good as the file.
const renames = calls("link", "linkat", "rename", "renameat", "renameat2");
const links = calls("symlink", "symlinkat");
const reaching = calls("connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg");

/**
 * Once a process of the tree has opened a file that looks like a credential, nothing in the tree connects, accepts, binds
 * or sends to an address any more: what was read does not leave by a new connection. Connections from before stay, and
 * write(2) still sends on them.
 *
 * Files are known by the names that programs open them by, whether they exist or not. To open a directory of secrets, to
 * enter it, to link or to rename a secret counts as well. A link of another name from before is not noticed, nor a file
 * that is moved or sent by a program outside of the tree, nor one whose name is in no list: this policy finds careless
 * programs and common thieves, it is no boundary for a program that was written against it.
 */
export default policy({ extends: [isolated, steadyPaths] }, (call) => {
  if (looks.has(call)) {
    if (call.args.path.text.matches(...secrets)) seen.set(true);
    return allow;
  }
  if (renames.has(call)) {
    if (call.args.oldpath.text.matches(...secrets)) seen.set(true);
    return allow;
  }
  if (links.has(call)) {
    if (call.args.oldpath.matches(...secrets)) seen.set(true);
    return allow;
  }
  if (call.name === "openat2") return deny("ENOSYS", "C libraries fall back to openat");
  if (reaching.has(call)) return seen.get() ? deny("EACCES", "a credential was read before") : allow;
  return allow;
});
