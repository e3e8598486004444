import { allow, deny, perTree, policy } from "portcullis";

const gate = perTree.rooms({ sides: ["one", "other"], timeout: "10s", late: deny("EDEADLK") });

/** Calls of getppid and of getpgrp do not overlap. */
export default policy((call) => {
  if (call.name === "getppid") gate.enter("one");
  if (call.name === "getpgrp") gate.enter("other");
  return allow;
});
