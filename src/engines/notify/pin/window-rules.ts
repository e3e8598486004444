/**
 * Rules of the filter that prevent callers from changing the mappings at the addresses of windows, for kernels without
 * mseal(2) (before Linux 6.10). They precede the policy's own filter.
 *
 * | refused (EPERM) | if |
 * | --- | --- |
 * | munmap, mprotect, pkey_mprotect, remap_file_pages, madvise but MADV_DONTFORK | the range overlaps the window |
 * | mremap from | likewise |
 * | mmap with MAP_FIXED, mremap to with MREMAP_FIXED | the address is below the window's end (see below) |
 * | shmat, brk | likewise: shmat's size is unknown, and only a moved heap has such a brk |
 * | prctl(PR_SET_MM) | always: it can move the heap, and brk then unmaps its end |
 *
 * The kernel rounds the length of a mapping of huge pages up to their size (ksys_mmap_pgoff(), mm/mmap.c): one byte at 0
 * covers the window. The filter does not see whether a file has huge pages.
 *
 * Other calls only use unmapped addresses. That is harmless, because a window is identified by its inode. The kernel
 * ignores the top byte of addresses if the processor does (arm64, LAM on x86-64), so these rules do, too.
 */

import { type ArchitectureName, auditArchitecture } from "../../../abi/architecture.ts";
import { numberOf } from "../../../abi/calls.ts";
import { errno } from "../../../abi/errno-numbers.ts";
import { returnWord } from "../../../abi/return-word.ts";
import { argumentOffset, type ClassicInstruction, offset, opcode } from "../../../backend/classic/instruction.ts";

/** The addresses of windows (native/addon/pin/pin.h). */
export const windowRange = { start: 0x10000, end: 0x20_0000 } as const;
/** The second place of a window in it, and the size of each further one. */
export const laterPlaces = { start: 0x10_0000, size: 0x2_0000 } as const;

/** Opcodes that seccomp_check_filter() accepts and that the policy compiler does not use. */
const more = { copyToX: 0x07, addX: 0x0c } as const;

const mapFixed = 0x10;
const remapFixed = 2;
export const doNotFork = 10; // MADV_DONTFORK
const setMemoryMap = 35; // PR_SET_MM
/** The bits of the high half that belong to an address. */
const addressBits = 0x00ff_ffff;

type Target = "next" | "refuse" | "pass";
interface Step {
  readonly code: number;
  readonly k: number;
  /** The target of a test that is true. */
  readonly then?: Target;
  readonly otherwise?: Target;
}

const load = (argument: number, half: "low" | "high"): Step => ({
  code: opcode.load,
  k: argumentOffset(argument, half),
});
const test = (code: number, k: number, then: Target, otherwise: Target): Step => ({ code, k, then, otherwise });
const refuse: Step = { code: opcode.return, k: returnWord("ERRNO", errno.EPERM) };

/** Continues with the low half of the address in A if the address is below the window's end; else goes to "pass". */
const belowEnd = (address: number): readonly Step[] => [
  load(address, "high"),
  { code: opcode.and, k: addressBits },
  test(opcode.jumpEqual, 0, "next", "pass"),
  load(address, "low"),
  test(opcode.jumpAtLeast, windowRange.end, "pass", "next"),
];

/** Tests whether the range overlaps the window. An empty range that begins in it overlaps, too. */
const overlaps = (address: number, length: number): readonly Step[] => [
  ...belowEnd(address),
  test(opcode.jumpAtLeast, windowRange.start, "refuse", "next"),
  load(length, "high"),
  test(opcode.jumpEqual, 0, "next", "refuse"),
  load(length, "low"),
  // A longer range overlaps. A length of 31 bits keeps the following sum in 32 bits.
  test(opcode.jumpAtLeast, 0x8000_0000, "refuse", "next"),
  { code: more.copyToX, k: 0 },
  load(address, "low"),
  { code: more.addX, k: 0 },
  test(opcode.jumpGreater, windowRange.start, "refuse", "pass"),
];

/** The rules of one call. "pass" in an alternative means the next alternative, and in the last one the next filter. */
interface Rule {
  readonly call: string;
  readonly alternatives: readonly (readonly Step[])[];
}

const rules: readonly Rule[] = [
  // The supervisor makes this call in the caller for its window; a repetition changes nothing.
  {
    call: "madvise",
    alternatives: [[load(2, "low"), test(opcode.jumpEqual, doNotFork, "pass", "next"), ...overlaps(0, 1)]],
  },
  ...["munmap", "mprotect", "pkey_mprotect", "remap_file_pages"].map((call) => ({
    call,
    alternatives: [overlaps(0, 1)],
  })),
  {
    call: "mmap",
    alternatives: [[load(3, "low"), test(opcode.jumpAnyBit, mapFixed, "next", "pass"), ...belowEnd(0)]],
  },
  {
    call: "mremap",
    alternatives: [
      overlaps(0, 1),
      [load(3, "low"), test(opcode.jumpAnyBit, remapFixed, "next", "pass"), ...belowEnd(4)],
    ],
  },
  { call: "shmat", alternatives: [[...belowEnd(1), test(opcode.jumpEqual, 0, "pass", "refuse")]] },
  { call: "brk", alternatives: [[...belowEnd(0), test(opcode.jumpEqual, 0, "pass", "refuse")]] },
  { call: "prctl", alternatives: [[load(0, "low"), test(opcode.jumpEqual, setMemoryMap, "refuse", "pass")]] },
];

/** One alternative and its refusal: "pass" is the instruction behind both. */
function assemble(steps: readonly Step[]): ClassicInstruction[] {
  const end = steps.length;
  const distance = (target: Target | undefined, at: number): number =>
    target === undefined || target === "next" ? 0 : (target === "refuse" ? end : end + 1) - at - 1;
  return [...steps, refuse].map(({ code, k, then, otherwise }, at) => ({
    code,
    k,
    jt: distance(then, at),
    jf: distance(otherwise, at),
  }));
}

const jump = (k: number): ClassicInstruction => ({ code: opcode.jumpAlways, jt: 0, jf: 0, k });

/** The rules as instructions. A call that they do not refuse continues behind their end. */
export function windowRules(architecture: ArchitectureName): readonly ClassicInstruction[] {
  const blocks = rules.flatMap(({ call, alternatives }) => {
    const number = numberOf(call, architecture);
    if (number === undefined) return [];
    return [{ number, body: alternatives.flatMap(assemble) }];
  });
  // After each body, a jump over the rest.
  let rest = 0;
  const instructions: ClassicInstruction[] = [];
  for (const { number, body } of [...blocks].reverse()) {
    const block = [{ code: opcode.jumpEqual, jt: 0, jf: body.length + 1, k: number }, ...body, jump(rest)];
    instructions.unshift(...block);
    rest += block.length;
  }
  return [
    { code: opcode.load, jt: 0, jf: 0, k: offset.architecture },
    { code: opcode.jumpEqual, jt: 1, jf: 0, k: auditArchitecture[architecture] },
    jump(rest + 1),
    { code: opcode.load, jt: 0, jf: 0, k: offset.number },
    ...instructions,
  ];
}
