import { allow, calls, kill, perProcess, policy } from "portcullis";

const flow = perProcess.phases(["starting", "socket", "interface"], { tightening: true });

const shmExec = 0o100000n; // include/uapi/linux/shm.h
const readImpliesExec = 0x40_0000n; // include/uapi/linux/personality.h
const code = calls("mmap", "mprotect", "pkey_mprotect");

/**
 * A process that has queried a network interface by a socket cannot make memory executable or execute a program.
 *
 * BusyBox bug 9071: arp copied the interface's name to a structure on its stack without a check of its length. An exploit
 * continues after the socket and the ioctl with mprotect or execve; arp itself does not. The rule also holds for the
 * process's children.
 *
 * Cost: a program that loads a library (dlopen, also for host names) or starts another program after it has queried an
 * interface is killed. Network managers and DHCP clients do this; arp, ifconfig and route of BusyBox do not.
 */
export default policy((call) => {
  switch (call.name) {
    case "socket":
      flow.enter("socket");
      return allow;
    case "ioctl": // SIOC…, include/uapi/linux/sockios.h
      if (flow.is("socket") && call.args.cmd.value >= 0x8900n && call.args.cmd.value <= 0x89ffn)
        flow.enter("interface");
      return allow;
  }
  if (!flow.is("interface")) return allow;
  if (calls.exec.has(call)) return kill("process", "a program was executed after a question about an interface");
  if (code.has(call) && call.args.prot.has("PROT_EXEC"))
    return kill("process", "memory was made executable after a question about an interface");
  if (call.name === "shmat" && (call.args.shmflg & shmExec) !== 0n)
    return kill("process", "memory was made executable after a question about an interface");
  if (call.name === "personality" && (call.args.personality & readImpliesExec) !== 0n)
    return kill("process", "all memory was made executable after a question about an interface");
  return allow;
});
