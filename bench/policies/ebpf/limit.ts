import { allow, calls, deny, perTree, policy } from "portcullis";

const started = perTree.counter();

/** The tree may start at most ten programs. */
export default policy((call) => {
  if (!calls("execve", "execveat").has(call)) return allow;
  return started.add() <= 10n ? allow : deny("EAGAIN", "ten programs are enough");
});
