import { allow, deny, perTree, policy } from "portcullis";

const count = perTree.counter();

/** The same calls as in rooms.ts, counted. */
export default policy((call) => {
  if (call.name === "getppid" || call.name === "getpgrp")
    return count.add() > 1_000_000_000_000n ? deny("EPERM") : allow;
  return allow;
});
