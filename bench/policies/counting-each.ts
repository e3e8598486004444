import { allow, deny, perProcess, policy } from "portcullis";

const count = perProcess.counter();

/** Counts per process, so the supervisor follows every fork. */
export default policy((call) => {
  if (call.name === "getppid") return count.add() > 1_000_000_000_000n ? deny("EPERM") : allow;
  return allow;
});
