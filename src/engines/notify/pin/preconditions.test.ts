/** The filter reports the calls that end a precondition, and the supervisor notices exactly these. */
import { describe, expect, it } from "vitest";
import { numberOf } from "../../../abi/calls.ts";
import { ownCallRules } from "./own-calls.ts";
import { Preconditions } from "./preconditions.ts";
import { protectingCalls } from "./protecting-calls.ts";
import { returns } from "./testing/rules.ts";
import { windowRange } from "./window-rules.ts";

const protections = protectingCalls("x86_64").flatMap(([number, anyOf]) => anyOf.map((tests) => ({ number, tests })));
const rules = ownCallRules("x86_64", { hindered: [], reportsEnds: false, stalling: [], notified: protections });

/** What the supervisor tells the addon. */
function met(call: string, registers: readonly (number | bigint)[]): readonly string[] {
  const met: string[] = [];
  const preconditions = new Preconditions(
    { restricts: () => met.push("restricts"), protectsMemory: () => met.push("protects") },
    "x86_64",
  );
  preconditions.meets(numberOf(call, "x86_64")!, (index) => BigInt.asUintN(64, BigInt(registers[index] ?? 0)));
  return met;
}

const { start } = windowRange;
const high = 1n << 32n;
const cases: readonly (readonly [call: string, registers: readonly (number | bigint)[], protects: boolean])[] = [
  ["prctl", [65, 1], true],
  ["prctl", [high | 65n, 1], true],
  ["prctl", [22, 2], true],
  ["prctl", [75, 1], true],
  ["prctl", [15, 0], false],
  ["seccomp", [1, 0, 0], true],
  ["seccomp", [2, 0, 0], false],
  ["pkey_mprotect", [0x7000_0000, 0x1000, 3, 1], true],
  ["pkey_mprotect", [0x7000_0000, 0x1000, 3, high | 15n], true],
  ["pkey_mprotect", [0x7000_0000, 0x1000, 3, 0], false],
  ["pkey_mprotect", [0x7000_0000, 0x1000, 3, -1], false],
  ["pkey_mprotect", [0x7000_0000, 0x1000, 3, 0xffff_ffff], false],
  ["mseal", [start, 0x1000, 0], false],
  ["mseal", [BigInt(start) | high, 0x1000, 0], true],
  ["mseal", [0x7fff_0000_0000n, 0x1000, 0], true],
  ["mseal", [0x40_0000, 0x1000, 0], true],
  ["mseal", [0, 0x1000, 0], true],
  ["arch_prctl", [0x5001, 1], true],
  ["arch_prctl", [0x1002, 1], false],
  ["mprotect", [0x7000_0000, 0x1000, 3], false],
];

describe("preconditions of results without a pin", () => {
  it.each(cases)("%s %o: %s", (call, registers, protects) => {
    expect(returns(rules, call, registers)).toBe(protects);
    expect(met(call, registers)).toEqual(protects ? ["protects"] : []);
  });

  it("notices a Landlock domain", () => {
    expect(met("landlock_restrict_self", [3, 0])).toEqual(["restricts"]);
  });

  it("notices a fanotify listener that decides about opens", () => {
    expect(met("fanotify_init", [4, 0])).toEqual(["restricts"]);
    expect(met("fanotify_init", [high | 8n, 0])).toEqual(["restricts"]);
    expect(met("fanotify_init", [3, 0])).toEqual([]);
  });

  it("reports none of them if the policy does not leave the memory free", () => {
    expect(ownCallRules("x86_64", { hindered: [], reportsEnds: false, stalling: [], notified: [] })).toEqual([]);
  });
});
