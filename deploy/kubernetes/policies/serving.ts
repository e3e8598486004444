import { allow, calls, deny, perTree, policy } from "portcullis";

const phase = perTree.phases(["starting", "serving"], { tightening: true });
const exec = calls("execve", "execveat");

/**
 * A server's container: once one of its processes listens, none executes a further program, those of `kubectl exec`
 * included. The execve by which a container runtime starts a command is not judged.
 */
export default policy((call) => {
  if (call.name === "listen") phase.enter("serving");
  return exec.has(call) && phase.is("serving") ? deny("EACCES", "a serving container starts no program") : allow;
});
