import { allow, deny, parameter, policy } from "portcullis";
import noSecrets from "portcullis/policies/no-secrets.ts";

const programs = parameter.texts("programs", {
  default: ["/{bin,sbin}/*", "/usr/{bin,sbin}/*", "/usr/local/bin/*", "/usr/{lib,libexec}/gcc/*/*/*"],
});

/**
 * The script of a package executes only the given programs, by default those of the system. After a process of the tree
 * has opened a file that looks like a credential, no process of the tree connects (no-secrets).
 *
 * The npm worms of 2025 and 2026: a package's script downloads a runtime and executes it, reads the user's tokens,
 * sends them away and publishes more packages with them. Files that the tree itself writes are not in the directories of
 * `programs`, if the user cannot write there: `run` reports a directory where the user can.
 *
 * Cost: programs of node_modules/.bin, and a Node below the home directory, are executed only if they are given
 * (`--set 'programs=/bin/*,/usr/bin/*,/home/me/project/node_modules/**'`), and then also files that a script writes there.
 * The policy does not judge a file that an interpreter reads (`node file.js`). The registry's configuration with a token
 * (~/.npmrc) counts as a credential: install with --ignore-scripts first, then run the scripts under this policy.
 */
export default policy({ extends: [noSecrets] }, (call) => {
  if (call.name === "execveat") return deny("EACCES", "starts a file by its descriptor");
  if (call.name !== "execve") return allow;
  const { text } = call.args.path;
  // The dynamic linker executes the file that is its argument.
  if (text.is("/usr/bin/ld.so", "/bin/ld.so")) return deny("EACCES", "the dynamic linker as a program");
  // "*" matches "..", so a pattern of directories matches paths that leave them.
  if (text.matches("..", "../**", "**/..", "**/../**")) return deny("EACCES", "the path has a ..");
  return text.matches(...programs) ? allow : deny("EACCES", "not a program of the system");
});
