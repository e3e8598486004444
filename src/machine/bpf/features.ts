/**
 * Probes the BPF features that the running kernel has and permits: loads small programs, creates maps, and closes them
 * at once. Nothing is attached.
 */

import { mapTypes, type ProgramType, programFlags, programTypes } from "../../abi/bpf-numbers.ts";
import { errno } from "../../abi/errno-numbers.ts";
import { close } from "../descriptors.ts";
import { tryExtendedFilter } from "../seccomp.ts";
import { BpfError } from "./command.ts";
import { BpfMap, type MapDescription } from "./maps.ts";
import { InterruptedError, loadProgram } from "./programs.ts";
import { kernelFunctions, loadBtf } from "./type-information.ts";

/** "forbidden": this process lacks the permission to find out (CAP_BPF, or kernel.unprivileged_bpf_disabled). */
export type FeatureState = "present" | "absent" | "forbidden";

export interface Features {
  /** Programs of type BPF_PROG_TYPE_SYSCALL, for tests (Linux 5.14). */
  readonly trialPrograms: FeatureState;
  /** Programs of type BPF_PROG_TYPE_SECCOMP, from portcullis's patches. */
  readonly seccompPrograms: FeatureState;
  /** SECCOMP_FILTER_FLAG_EXTENDED, which attaches such a program. */
  readonly seccompAttach: FeatureState;
  /** Linux 5.8. */
  readonly ringBuffer: FeatureState;
  /** Atomic additions that return the old value (Linux 5.12). */
  readonly atomics: FeatureState;
  /** Sign-extending moves and signed division (Linux 6.6). */
  readonly signedOperations: FeatureState;
  /** Linux 6.9. */
  readonly mayGoto: FeatureState;
  readonly typeInformation: FeatureState;
  /** Maps with a lock in their values (Linux 5.1). */
  readonly spinLock: FeatureState;
  /** The kernel functions that seccomp programs call; they need a JIT compiler. */
  readonly kernelFunctions: FeatureState;
}

/** Instructions as in memory: opcode, registers, offset, immediate. */
function assemble(...instructions: readonly (readonly [number, number, number, number])[]): Uint8Array {
  const bytes = new Uint8Array(8 * instructions.length);
  const view = new DataView(bytes.buffer);
  instructions.forEach(([opcode, registers, offset, immediate], index) => {
    view.setUint8(8 * index, opcode);
    view.setUint8(8 * index + 1, registers);
    view.setInt16(8 * index + 2, offset, true);
    view.setInt32(8 * index + 4, immediate, true);
  });
  return bytes;
}

const exit = [0x95, 0, 0, 0] as const;
const zero = [0xb7, 0, 0, 0] as const;
const allow = [0xb7, 0, 0, 0x7fff_0000] as const;
/** r1 = 1; *(u64 *)(r10 - 8) = 0; r1 = atomic_fetch_add(r10 - 8, r1) */
const fetchAdd = [
  [0xb7, 1, 0, 1],
  [0x7a, 10, -8, 0],
  [0xdb, 0x1a, -8, 1],
] as const;
/** r0 = 7; r0 = (s8)r0; r0 s/= 2 */
const signed = [
  [0xb7, 0, 0, 7],
  [0xbf, 0, 8, 0],
  [0x37, 0, 1, 2],
] as const;
/** The verifier removes may_goto +0 as a no-op, so this jumps over a move. */
const mayGoto = [
  [0xe5, 0, 1, 0],
  [0xb7, 0, 0, 1],
] as const;

/** Type information with `unsigned int`, a `struct bpf_spin_lock`, and a struct of a lock and a word. */
function lockTypes(): Uint8Array {
  const strings = new TextEncoder().encode("\0int\0bpf_spin_lock\0val\0value\0lock\0word\0");
  const offset = (name: string): number => {
    const at = new TextDecoder().decode(strings).indexOf(`\0${name}\0`);
    return at + 1;
  };
  const [integer, struct] = [1 << 24, 4 << 24];
  const words = [
    ...[offset("int"), integer, 4, 32],
    ...[offset("bpf_spin_lock"), struct | 1, 4, offset("val"), 1, 0],
    ...[offset("value"), struct | 2, 8, offset("lock"), 2, 0, offset("word"), 1, 32],
  ];
  const bytes = new Uint8Array(24 + 4 * words.length + strings.length);
  const header = [0x0001_eb9f, 24, 0, 4 * words.length, 4 * words.length, strings.length];
  new Uint32Array(bytes.buffer, 0, 6 + words.length).set([...header, ...words]);
  bytes.set(strings, 24 + 4 * words.length);
  return bytes;
}

function attempt(make: () => number): FeatureState {
  try {
    close(make());
    return "present";
  } catch (error) {
    if (!(error instanceof BpfError) || error instanceof InterruptedError) throw error;
    return error.errno === errno.EPERM || error.errno === errno.EACCES ? "forbidden" : "absent";
  }
}

const program = (type: ProgramType, instructions: Uint8Array): FeatureState => {
  const flags = type === programTypes.systemCall ? programFlags.sleepable : 0;
  return attempt(() => loadProgram({ type, instructions, flags, licence: "GPL" }));
};

const map = (description: MapDescription): FeatureState => attempt(() => new BpfMap(description).descriptor);

/** Throws a NativeUnavailableError if the native addon is missing. */
export function probeFeatures(): Features {
  const trialPrograms = program(programTypes.systemCall, assemble(zero, exit));
  // Instructions are available to all program types alike, so any loadable type can show it.
  const able = (...instructions: readonly (readonly [number, number, number, number])[]): FeatureState =>
    trialPrograms === "present"
      ? program(programTypes.systemCall, assemble(zero, ...instructions, zero, exit))
      : program(programTypes.socketFilter, assemble(zero, ...instructions, zero, exit));
  return {
    trialPrograms,
    seccompPrograms: program(programTypes.seccomp, assemble(allow, exit)),
    seccompAttach: attachState(),
    ringBuffer: map({ type: mapTypes.ringBuffer, keySize: 0, valueSize: 0, capacity: 4096 }),
    atomics: able(...fetchAdd),
    signedOperations: able(...signed),
    mayGoto: able(...mayGoto),
    typeInformation: attempt(() => loadBtf(lockTypes())),
    spinLock: spinLockState(),
    kernelFunctions: kernelFunctionState(),
  };
}

function attachState(): FeatureState {
  const result = tryExtendedFilter();
  if (result === -errno.EFAULT) return "present";
  return result === -errno.EPERM || result === -errno.EACCES ? "forbidden" : "absent";
}

function spinLockState(): FeatureState {
  let descriptor: number;
  try {
    descriptor = loadBtf(lockTypes());
  } catch (error) {
    if (!(error instanceof BpfError) || error instanceof InterruptedError) throw error;
    return error.errno === errno.EPERM ? "forbidden" : "absent";
  }
  const btf = { descriptor, key: 1, value: 3 };
  const state = map({ type: mapTypes.array, keySize: 4, valueSize: 8, capacity: 1, btf });
  close(descriptor);
  return state;
}

function kernelFunctionState(): FeatureState {
  const names = ["state", "alive", "expect_child", "pid_tgid", "uid_gid"].map((name) => `bpf_seccomp_${name}`);
  let numbers: ReadonlyMap<string, number>;
  try {
    numbers = kernelFunctions(names);
  } catch {
    return "absent";
  }
  if (numbers.size !== names.length) return "absent";
  return program(programTypes.seccomp, assemble([0x85, 0x20, 0, numbers.get("bpf_seccomp_pid_tgid")!], allow, exit));
}
