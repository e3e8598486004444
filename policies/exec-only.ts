import { allow, deny, parameter, policy } from "portcullis";

const programs = parameter.paths("programs", { default: ["/usr/bin/git"] });
const commands = parameter.texts("commands", { default: ["log", "diff", "status"] });

/**
 * Nothing is started but the given programs, each with one of the given words as its first argument: git log, git diff,
 * git status. The command that the policy is run with is free, its children are not. Variables by which the dynamic
 * linker and git itself would run something else are refused.
 */
export default policy((call) => {
  if (call.name === "execveat") return deny("EACCES", "starts a file by its descriptor");
  if (call.name !== "execve") return allow;
  const { path, argv, envp } = call.args;
  if (!path.text.is(...programs)) return deny("EACCES", "not among the programs of this policy");
  if (!argv.at(1n).is(...commands)) return deny("EACCES", "not among the commands of this policy");
  if (
    envp.has("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_SSH_COMMAND", "PAGER")
  )
    return deny("EACCES", "a variable that makes the program run another one");
  return allow;
});
