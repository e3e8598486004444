import { allow, calls, deny, perTree, policy } from "portcullis";
import isolated from "portcullis/policies/shared/isolated.ts";
import { secrets } from "portcullis/policies/shared/secrets.ts";
import steadyPaths from "portcullis/policies/shared/steady-paths.ts";

const seen = perTree.flag();
const looks = calls("open", "openat", "creat", "chdir");
// Calls that give the file another name, by which the policy would not recognise it.
const renames = calls("link", "linkat", "rename", "renameat", "renameat2");
const links = calls("symlink", "symlinkat");
const reaching = calls("connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg");

/**
 * After a process of the tree has opened a file that looks like a credential, no process of the tree can connect, accept,
 * bind or send to an address, so the credential cannot leave by a new connection. Existing connections stay, and write(2)
 * still sends on them.
 *
 * The policy recognises files by the names with which programs open them, even if they do not exist. Opening or entering a
 * directory of secrets, and linking or renaming a secret, count as well. The policy does not detect an older link of
 * another name, a file that a program outside the tree moves or sends, or a name that is not in the lists. It detects
 * careless programs and common thieves; a program that was written against it can bypass it.
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
