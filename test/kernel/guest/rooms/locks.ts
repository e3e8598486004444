// Two rooms around calls that threads make while they hold a lock of their own, or wait for one.
import { allow, deny, perTree, policy } from "portcullis";

const gate = perTree.rooms({
  sides: ["yield", "ask", "alone"],
  exclusive: ["alone"],
  timeout: "10s",
  late: deny("EDEADLK"),
});
const memory = perTree.rooms({ sides: ["read", "write"], exclusive: ["write"], timeout: "10s", late: deny("EDEADLK") });

export default policy((call) => {
  switch (call.name) {
    case "sched_yield":
      gate.enter("yield");
      return allow;
    case "getppid":
      gate.enter("ask");
      return allow;
    case "getpgrp":
      gate.enter("alone");
      return allow;
    case "process_vm_readv":
      memory.enter("read");
      return allow;
    case "process_vm_writev":
      memory.enter("write");
      return allow;
    case "getsid":
      gate.enter("ask");
      memory.enter("write");
      return allow;
    case "getpgid":
      memory.enter("read");
      gate.enter("alone");
      return allow;
  }
  return allow;
});
