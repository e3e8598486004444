import { allow, deny, parameter, policy } from "portcullis";
import isolated from "portcullis/policies/shared/isolated.ts";
import steadyPaths from "portcullis/policies/shared/steady-paths.ts";

const programs = parameter.paths("programs", { default: ["/usr/bin/git"] });
// git is another program where argv[0] says so: `git-rm` with the argument "status" removes a file of this name.
const names = parameter.texts("names", { default: ["git", "/usr/bin/git"] });
const commands = parameter.texts("commands", { default: ["log", "diff", "status"] });

// They load other code into the program, or have it start another one. Which has to pass this policy, too.
const loading = ["LD_*=**", "GCONV_PATH=**", "OPENSSL_CONF=**"] as const;
const starting = ["GIT_*=**", "PAGER=**", "EDITOR=**", "VISUAL=**"] as const;

/**
 * Nothing is started but the given programs, under one of the given names (argv[0]) and with one of the given words as
 * its first argument: git log, git diff, git status. The command that the policy is run with is free, its children are
 * not, and neither is what the programs start: a pager or a hook is not among them. Variables by which the
 * dynamic linker loads other code, and git starts another program, are refused.
 *
 * The programs must not be the command's to change: who can write /usr/bin/git can start anything. A listed script
 * starts its interpreter, the kernel does that without a call. The command can load code without execve, into its own
 * process; and what the listed commands do to files is theirs (`git diff --output=FILE` writes one). Programs that start
 * others for it (systemd, cron, docker) are not stopped.
 */
export default policy({ extends: [isolated, steadyPaths] }, (call) => {
  if (call.name === "execveat") return deny("EACCES", "starts a file by its descriptor");
  if (call.name !== "execve") return allow;
  const { path, argv, envp } = call.args;
  if (!path.text.is(...programs)) return deny("EACCES", "not among the programs of this policy");
  if (!argv.at(0n).is(...names)) return deny("EACCES", "under a name that makes it another program");
  if (!argv.at(1n).is(...commands)) return deny("EACCES", "not among the commands of this policy");
  if (envp.some(...loading)) return deny("EACCES", "a variable that loads other code into the program");
  if (envp.some(...starting)) return deny("EACCES", "a variable that makes the program run another one");
  return allow;
});
