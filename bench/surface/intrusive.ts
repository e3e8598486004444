/** Calls and uses that an intruder needs after the first foothold, and whether a phase refuses them. */
import type { Phase, PhaseCalls } from "./columns.ts";

interface Intrusion {
  readonly name: string;
  /** The phase refuses the entry if the recordings have none of its calls in it. */
  readonly calls: readonly string[];
}

/** Entries in addition to those about arguments (`extras` of columns.ts). */
const byName: readonly Intrusion[] = [
  { name: "execve, execveat", calls: ["execve", "execveat"] },
  { name: "fork, vfork", calls: ["fork", "vfork"] },
  { name: "clone, clone3 (threads as well)", calls: ["clone", "clone3"] },
  { name: "ptrace, process_vm_writev", calls: ["ptrace", "process_vm_writev", "process_vm_readv"] },
  { name: "memfd_create", calls: ["memfd_create"] },
  { name: "socket", calls: ["socket"] },
  { name: "connect", calls: ["connect"] },
  { name: "bind, listen", calls: ["bind", "listen"] },
  {
    name: "chmod, chown and their like",
    calls: ["chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"],
  },
  {
    name: "setuid, setgid and their like",
    calls: ["setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups"],
  },
  { name: "capset", calls: ["capset"] },
  {
    name: "mount, pivot_root, chroot",
    calls: ["mount", "umount2", "pivot_root", "chroot", "move_mount", "fsmount", "open_tree"],
  },
  { name: "unshare, setns", calls: ["unshare", "setns"] },
  { name: "bpf, perf_event_open, userfaultfd", calls: ["bpf", "perf_event_open", "userfaultfd"] },
  { name: "io_uring", calls: ["io_uring_setup", "io_uring_enter", "io_uring_register"] },
  {
    name: "kernel modules, kexec",
    calls: ["init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load"],
  },
];

/** In the order of the table. */
export const intrusive: readonly string[] = [
  "a new process",
  "mmap with PROT_EXEC",
  "mprotect with PROT_EXEC",
  ...byName.map(({ name }) => name),
];

/** @param name one of `intrusive` */
export function isRefused({ calls, extras }: PhaseCalls, phase: Phase, name: string): boolean {
  const found = byName.find((one) => one.name === name);
  if (found !== undefined) return found.calls.every((call) => !calls[phase].has(call));
  return ![...extras[phase]].some((extra) => extra === name);
}
