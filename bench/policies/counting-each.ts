import { allow, deny, perProcess, policy } from "portcullis";

const count = perProcess.counter();

/** Counts for each process by itself, so every process is followed from its birth. */
export default policy((call) => {
  if (call.name === "getppid") return count.add() > 1_000_000_000_000n ? deny("EPERM") : allow;
  return allow;
});
