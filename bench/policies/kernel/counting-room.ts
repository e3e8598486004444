import { allow, deny, perProcess, perTree, policy } from "portcullis";

const calls = perProcess.counter();
const gate = perTree.rooms({ sides: ["one", "other"], timeout: "10s", late: deny("EDEADLK") });

/** counting.ts, with a room for the measured call. */
export default policy((call) => {
  if (call.name === "getppid") {
    gate.enter("one");
    return calls.add() > 1_000_000_000_000n ? deny("EPERM") : allow;
  }
  return allow;
});
