/**
 * Whether this kernel enforces policies itself, for us. Found by trying, without attaching anything: a filter's flag with
 * no filter behind it, and the smallest programs.
 */
import { readFileSync } from "node:fs";
import { BpfError, InterruptedError, loadProgram, programTypes } from "../../linux/bpf.ts";
import { callNumber } from "../../linux/call-numbers.ts";
import { close } from "../../linux/descriptors.ts";
import { native } from "../../linux/native.ts";

/**
 * | support | means |
 * | --- | --- |
 * | privileged | programs may be as large as a jump reaches (CAP_BPF) |
 * | unprivileged | programs of 4,096 instructions at most |
 * | absent | no such program type: a kernel without the patches, or built without the option |
 * | off | it has the type, and kernel.seccomp.ebpf is 0 |
 * | forbidden | it has the type, but not for us |
 */
export type SeccompEbpfSupport = "privileged" | "unprivileged" | "absent" | "off" | "forbidden";

export interface Missing {
  readonly what: string;
  readonly help: string;
}

export interface Support {
  readonly is: SeccompEbpfSupport;
  /** As sentences without a full stop. */
  readonly missing?: Missing;
}

/** `SECCOMP_SET_MODE_FILTER`, `SECCOMP_FILTER_FLAG_EXTENDED`; there are no arguments, which a kernel that knows it misses. */
const installing = { setModeFilter: 1, extended: 1 << 6 } as const;
const errno = { EPERM: 1, EACCES: 13, EFAULT: 14 } as const;

/** `r0 = SECCOMP_RET_ALLOW; exit`, as bytes. */
const allowing = [0xb7, 0, 0, 0, 0, 0, 0xff, 0x7f, 0x95, 0, 0, 0, 0, 0, 0, 0] as const;
/** `call +1; exit; r0 = SECCOMP_RET_ALLOW; exit`: functions are for whoever has CAP_BPF (kernel/bpf/verifier.c). */
const calling = [0x85, 0x10, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0, ...allowing] as const;

let found: Support | undefined;

/** Throws a NativeUnavailableError where the native part is not there. */
export function seccompEbpfSupport(): Support {
  found ??= probe();
  return found;
}

function probe(): Support {
  const asked = native().syscall(callNumber("seccomp"), installing.setModeFilter, installing.extended, null);
  if (asked !== -errno.EFAULT) {
    const what = "this kernel has no BPF_PROG_TYPE_SECCOMP";
    return {
      is: "absent",
      missing: { what, help: "build one with the patches: kernel/README.md; or --engine notify" },
    };
  }
  if (setting("kernel/seccomp/ebpf") === 0) {
    const what = "kernel.seccomp.ebpf is 0";
    return {
      is: "off",
      missing: { what, help: "sysctl kernel.seccomp.ebpf=1 lets whoever has CAP_BPF; or --engine notify" },
    };
  }
  if (loads(calling)) return { is: "privileged" };
  if (loads(allowing)) return { is: "unprivileged" };
  return { is: "forbidden", missing: forbidden() };
}

function forbidden(): Missing {
  const mode = setting("kernel/seccomp/ebpf");
  const disabled = setting("kernel/unprivileged_bpf_disabled");
  const ways = [
    ...(mode !== undefined && mode < 3 ? ["kernel.seccomp.ebpf=3"] : []),
    ...(disabled !== undefined && disabled !== 0 ? ["kernel.unprivileged_bpf_disabled=0"] : []),
  ];
  const sysctl = ways.length === 0 ? "" : `, or sysctl ${ways.join(" ")}`;
  return {
    what: "this kernel has BPF_PROG_TYPE_SECCOMP, but not for us",
    help: `CAP_BPF in the first user namespace${sysctl}; or --engine notify`,
  };
}

function loads(instructions: readonly number[]): boolean {
  try {
    close(loadProgram({ type: programTypes.seccomp, instructions: Uint8Array.from(instructions), licence: "GPL" }));
    return true;
  } catch (error) {
    if (error instanceof BpfError && !(error instanceof InterruptedError)) return false;
    throw error;
  }
}

function setting(name: string): number | undefined {
  try {
    return Number(readFileSync(`/proc/sys/${name}`, "utf8"));
  } catch {
    return undefined;
  }
}
