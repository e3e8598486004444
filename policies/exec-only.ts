import { allow, deny, parameter, policy } from "portcullis";
import isolated from "portcullis/policies/shared/isolated.ts";
import steadyPaths from "portcullis/policies/shared/steady-paths.ts";

const programs = parameter.paths("programs", { default: ["/usr/bin/git"] });
// git acts as another program with another argv[0]: `git-rm` with the argument "status" removes a file of this name.
const names = parameter.texts("names", { default: ["git", "/usr/bin/git"] });
const commands = parameter.texts("commands", { default: ["log", "diff", "status"] });

// They load other code into the program, or have it start another one. Which has to pass this policy, too.
const loading = ["LD_*=**", "GCONV_PATH=**", "OPENSSL_CONF=**"] as const;
const starting = ["GIT_*=**", "PAGER=**", "EDITOR=**", "VISUAL=**"] as const;

/**
 * The command can start only the given programs, under one of the given names (argv[0]) and with one of the given words as
 * the first argument: git log, git diff, git status. The command itself can be any program. The rule also holds for the
 * started programs, so they cannot start a pager or a hook. Variables by which the dynamic linker loads other code, or by
 * which git starts another program, are refused.
 *
 * The command must not be able to write to the programs, because it could replace /usr/bin/git. A listed script starts its
 * interpreter, without another execve. The command can load code into its own process without execve, and the policy does
 * not restrict the effects of the listed commands (`git diff --output=FILE` writes a file). It does not prevent requests to
 * services that start programs (systemd, cron, docker).
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
