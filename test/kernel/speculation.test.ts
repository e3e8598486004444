/**
 * Checks that the compiler keeps the masks against speculation. QEMU does not emulate speculation, so only the object
 * file shows them: a comparison before `index &= 7` in C let the compiler remove the mask.
 */
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { built, isDebug, unable } from "./vm.ts";

type Source = "seccomp_ebpf" | "seccomp_args";

/** The instructions of a function, each without its address. */
function disassemble(name: string, source: Source = "seccomp_ebpf"): string[] {
  const object = `${built("patched")}/objects/${source}.o`;
  const listing = execFileSync("objdump", ["-d", "--no-show-raw-insn", `--disassemble=${name}`, object], {
    encoding: "utf8",
  });
  return listing.split("\n").flatMap((line) => line.match(/^ +[0-9a-f]+:\t(.*\S)/)?.slice(1) ?? []);
}

const jumps = (instructions: readonly string[]) => instructions.filter((each) => /^j(?!mp)/.test(each));
/** array_index_mask_nospec() on x86: all ones if the preceding comparison found "below", else zero. */
const masks = (instructions: readonly string[]) => instructions.filter((each) => /^sbb +(%\w+),\1$/.test(each));

describe("kernel functions of seccomp filters, as compiled", () => {
  it("bpf_seccomp_state masks its index and the pointer that it returns", (context) => {
    const reason = unable("patched");
    if (reason !== undefined) context.skip(reason);
    const instructions = disassemble("bpf_seccomp_state");
    expect(instructions.length).toBeGreaterThan(8);
    expect(masks(instructions)).toHaveLength(2);
  });

  // The debug kernel has KASAN, whose checks of each access are branches.
  if (!isDebug)
    it("bpf_seccomp_state has no branch to mispredict", (context) => {
      const reason = unable("patched");
      if (reason !== undefined) context.skip(reason);
      expect(jumps(disassemble("bpf_seccomp_state"))).toEqual([]);
    });

  it.for(["bpf_seccomp_alive", "bpf_seccomp_expect_child"])("%s masks its index behind the branch", (name, context) => {
    const reason = unable("patched");
    if (reason !== undefined) context.skip(reason);
    const instructions = disassemble(name);
    expect(jumps(instructions).length).toBeGreaterThan(0);
    expect(masks(instructions)).toHaveLength(1);
  });

  it.for([
    // The position in the map's value, and the value's size, which is 0 for maps that are no arrays.
    ["bpf_seccomp_arg_match", "seccomp_ebpf", 2],
    // The numbers of states and classes, and the size of the whole automaton.
    ["seccomp_dfa_read", "seccomp_args", 3],
    // The first state, the byte of the text, the transition, and the last state.
    ["seccomp_dfa_run", "seccomp_args", 4],
  ] as const)("%s masks what an automaton says", ([name, source, count], context) => {
    const reason = unable("patched");
    if (reason !== undefined) context.skip(reason);
    expect(masks(disassemble(name, source))).toHaveLength(count);
  });
});
