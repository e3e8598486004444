import { allow, calls, deny, perMemory, perTree, policy } from "portcullis";

const pipe = perTree.rooms({ sides: ["in", "out"], timeout: "1s", late: deny("EDEADLK") });
const mapping = perMemory.rooms({ sides: ["discard", "write"], timeout: "1s", late: deny("EDEADLK") });

export default policy((call) => {
  if (call.name === "read") pipe.enter("in");
  if (calls.write.has(call)) pipe.enter("out");
  if (calls.fork.has(call)) mapping.enter("write");
  if (calls.exec.has(call)) mapping.enter("write");
  if (call.name === "futex" && call.args.op.has("FUTEX_WAKE")) mapping.enter("write");
  if (call.name === "futex" && !call.args.op.has("FUTEX_WAKE")) mapping.enter("write");
  if (call.name === "accept4" || call.name === "ppoll") mapping.enter("write");
  if (call.name === "madvise" && call.args.behavior.is("MADV_DONTNEED")) mapping.enter("discard");
  if (call.name === "madvise") mapping.enter("write");
  return allow;
});
