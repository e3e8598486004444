import { allow, deny, parameter, policy } from "portcullis";
import noSecrets from "portcullis/policies/no-secrets.ts";

const programs = parameter.texts("programs", {
  default: ["/{bin,sbin}/*", "/usr/{bin,sbin}/*", "/usr/local/bin/*", "/usr/{lib,libexec}/gcc/*/*/*"],
});

/**
 * The script of a package executes only the given programs, those of the system by default, and after a file that looks
 * like a credential was opened, nothing in the tree connects (no-secrets).
 *
 * The npm worms of 2025 and 2026: a package's script downloads a runtime and executes it, reads the user's tokens,
 * sends them away and publishes more packages with them. What the tree itself wrote is in none of the directories of
 * `programs`, if the user cannot write there: `run` names a directory where he can.
 *
 * It costs: programs of node_modules/.bin, and a Node below the home directory, are executed only if they are given
 * (`--set 'programs=/bin/*,/usr/bin/*,/home/me/project/node_modules/**'`), and then what a script writes there is, too.
 * A file that an interpreter reads (`node file.js`) is not executed in this sense, and what is in the registry's
 * configuration with a token (~/.npmrc) counts as a credential: install first with --ignore-scripts, run the scripts
 * under this policy.
 */
export default policy({ extends: [noSecrets] }, (call) => {
  if (call.name === "execveat") return deny("EACCES", "starts a file by its descriptor");
  if (call.name !== "execve") return allow;
  const { text } = call.args.path;
  // The dynamic linker executes the file that is its argument.
  if (text.is("/usr/bin/ld.so", "/bin/ld.so")) return deny("EACCES", "the dynamic linker as a program");
  return text.matches(...programs) ? allow : deny("EACCES", "not a program of the system");
});
