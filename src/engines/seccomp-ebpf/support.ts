/**
 * Finds whether this kernel lets us load and attach eBPF filters. It tries the flag of seccomp(2) without a filter, and
 * loads the smallest programs; it attaches nothing.
 */
import { existsSync } from "node:fs";
import { programTypes } from "../../abi/bpf-numbers.ts";
import { errno, kernelErrno } from "../../abi/errno-numbers.ts";
import { BpfError } from "../../machine/bpf/command.ts";
import { InterruptedError, loadProgram } from "../../machine/bpf/programs.ts";
import { close } from "../../machine/descriptors.ts";
import { sysctl } from "../../machine/proc.ts";
import { tryExtendedFilter, tryMatchingFilter } from "../../machine/seccomp.ts";
import type { Missing } from "../engine/engine.ts";

/**
 * | support | means |
 * | --- | --- |
 * | privileged | CAP_BPF: programs may be as large as a jump reaches |
 * | unprivileged | programs have at most 4,096 instructions |
 * | absent | the kernel lacks the program type: it has no patches, or was built without the option |
 * | off | kernel.seccomp.ebpf is 0 |
 * | forbidden | we lack the privilege for the program type |
 * | stateless | programs cannot call kernel functions, so policies cannot have state: there is no JIT compiler |
 */
export type SeccompEbpfSupport = "privileged" | "unprivileged" | "absent" | "off" | "forbidden" | "stateless";

/** The kinds of support with which the engine works. */
type WorkingSupport = Extract<SeccompEbpfSupport, "privileged" | "unprivileged">;

export type Support =
  | { readonly is: WorkingSupport; readonly memory: boolean; readonly missing?: never }
  | { readonly is: Exclude<SeccompEbpfSupport, WorkingSupport>; readonly missing: Missing };

/**
 * `r0 = SECCOMP_RET_ALLOW; if (r0 == 0) call kernel function 0; exit`, as bytes. The function does not exist, but the
 * verifier removes the unreachable call. If programs cannot call any kernel function, the verifier reports that before:
 * ENOTSUPP (kernel/bpf/verifier.c, add_kfunc_call).
 */
const allowing = [
  ...[0xb7, 0, 0, 0, 0, 0, 0xff, 0x7f],
  ...[0x55, 0, 1, 0, 0, 0, 0, 0],
  ...[0x85, 0x20, 0, 0, 0, 0, 0, 0],
  ...[0x95, 0, 0, 0, 0, 0, 0, 0],
] as const;
/** `call +1; exit;` and the same program: only holders of CAP_BPF may load subprograms (the same file). */
const calling = [0x85, 0x10, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0, ...allowing] as const;

let found: Support | undefined;

/** Throws a NativeUnavailableError if the addon is missing. */
export function seccompEbpfSupport(): Support {
  found ??= probe();
  return found;
}

function probe(): Support {
  if (tryExtendedFilter() !== -errno.EFAULT) {
    const what = "this kernel has no BPF_PROG_TYPE_SECCOMP";
    return {
      is: "absent",
      missing: { what, help: "build one with the patches: kernel/README.md" },
    };
  }
  if (sysctl("kernel/seccomp/ebpf") === 0) {
    const what = "kernel.seccomp.ebpf is 0";
    return {
      is: "off",
      missing: {
        what,
        help: "the kernel keeps 0 until the next boot; remove the setting (/etc/sysctl.conf, /etc/sysctl.d) and reboot",
      },
    };
  }
  const refused = refusal(calling);
  if (refused === 0) return { is: "privileged", memory: readsMemory() };
  switch (refused === kernelErrno.ENOTSUPP ? refused : refusal(allowing)) {
    case 0:
      return { is: "unprivileged", memory: readsMemory() };
    case kernelErrno.ENOTSUPP:
      return { is: "stateless", missing: stateless() };
    default:
      return { is: "forbidden", missing: forbidden() };
  }
}

function readsMemory(): boolean {
  const refused = tryMatchingFilter();
  return refused !== -errno.EINVAL && refused !== -errno.E2BIG;
}

function stateless(): Missing {
  const what = "this kernel's eBPF programs cannot call its functions, so policies keep no state";
  const jit = "/proc/sys/net/core/bpf_jit_enable";
  return existsSync(jit)
    ? { what, help: "sysctl net.core.bpf_jit_enable=1, and a kernel with CONFIG_DEBUG_INFO_BTF" }
    : { what, help: "it was built without CONFIG_BPF_JIT" };
}

function forbidden(): Missing {
  const mode = sysctl("kernel/seccomp/ebpf");
  const disabled = sysctl("kernel/unprivileged_bpf_disabled");
  const ways = [
    ...(mode !== undefined && mode < 3 ? ["kernel.seccomp.ebpf=3"] : []),
    ...(disabled !== undefined && disabled !== 0 ? ["kernel.unprivileged_bpf_disabled=0"] : []),
  ];
  const settings = ways.length === 0 ? "" : `, or sysctl ${ways.join(" ")}`;
  return {
    what: "this kernel has BPF_PROG_TYPE_SECCOMP, but not for this process",
    help: `CAP_BPF in the first user namespace${settings}`,
  };
}

/** The errno with which the kernel refuses a program, or 0. */
function refusal(instructions: readonly number[]): number {
  try {
    close(loadProgram({ type: programTypes.seccomp, instructions: Uint8Array.from(instructions), licence: "GPL" }));
    return 0;
  } catch (error) {
    if (error instanceof BpfError && !(error instanceof InterruptedError)) return error.errno;
    throw error;
  }
}
