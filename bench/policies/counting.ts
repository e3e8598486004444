import { allow, deny, perTree, policy } from "portcullis";

const count = perTree.counter();

/** Counts and allows every call, like the C supervisor. */
export default policy((call) => {
  if (call.name === "getppid") return count.add() > 1_000_000_000_000n ? deny("EPERM") : allow;
  return allow;
});
