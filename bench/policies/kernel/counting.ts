import { allow, deny, perProcess, policy } from "portcullis";

const calls = perProcess.counter();

/** Counts the measured call. */
export default policy((call) => {
  if (call.name === "getppid") return calls.add() > 1_000_000_000_000n ? deny("EPERM") : allow;
  return allow;
});
