/** The paths that permit or refuse something in random policies, against all assignments of matches, flags and state. */
import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../abi/architecture.ts";
import { callNumber } from "../../abi/call-numbers.ts";
import { loadPolicy } from "../../frontend/load.ts";
import { evaluate } from "../../ir/interpreter.ts";
import type { Program } from "../../ir/program.ts";
import { type Choices, listOf, pick, SeededChoices, weighted } from "../../ir/testing/choices.ts";
import { freshState } from "../../ir/testing/parts.ts";
import { casesOf, seeds } from "../../ir/testing/seeds.ts";
import { mayPass, strictness } from "../../ir/verdicts.ts";
import { describePattern } from "../../patterns/pattern.ts";
import { comparedPaths, type Effect } from "./allowed-paths.ts";

const policies = 150;
const ends = ["allow", "allow", "log", 'deny("EPERM")', 'deny("EACCES", "second")', 'kill("process")'];

function condition(choices: Choices, depth: number): string {
  if (depth > 0) {
    const part = () => condition(choices, depth - 1);
    const made = weighted<string | undefined>(choices, [
      [2, () => undefined],
      [1, () => `!(${part()})`],
      [1, () => `(${part()} && ${part()})`],
      [1, () => `(${part()} || ${part()})`],
      [1, () => `(${part()} === ${part()})`],
    ]);
    if (made !== undefined) return made;
  }
  const leaves = [
    'text.is("/a")',
    'text.under("/b")',
    'text.startsWith("/c/")',
    'text.is("/a", "/d")',
    "writes",
    "seen.get()",
    "done",
  ];
  return pick(choices, leaves);
}

function statement(choices: Choices, depth: number): string {
  const simple = (): string =>
    weighted(choices, [
      [4, () => `if (${condition(choices, 1)}) return ${pick(choices, ends)};`],
      [1, () => `seen.set(${condition(choices, 1)});`],
      [1, () => `done = ${condition(choices, 1)};`],
    ]);
  if (depth === 0) return simple();
  const block = () => `{ ${listOf(choices, 1, 2, () => statement(choices, depth - 1)).join(" ")} }`;
  const otherwise = pick(choices, [() => "", () => ` else ${block()}`])();
  return `if (${condition(choices, 2)}) ${block()}${otherwise}`;
}

function randomPolicy(choices: Choices): string {
  const body = listOf(choices, 1, 4, () => statement(choices, 2)).join("\n    ");
  return `import { allow, calls, deny, kill, log, perTree, policy } from "portcullis";
const seen = perTree.flag();
const opens = calls("open", "openat");
export default policy((call) => {
  if (opens.has(call)) {
    const { text } = call.args.path;
    const writes = call.args.flags.has("O_WRONLY");
    let done = false;
    ${body}
    return ${condition(choices, 1)} ? ${pick(choices, ends)} : ${pick(choices, ends)};
  }
  return allow;
});
`;
}

/** Whether a call passes with the match (`permits`) or without it (`refuses`), and gets a stricter verdict otherwise. */
function has(effect: Effect, program: Program, word: number, bit: bigint): boolean {
  const { reads } = program.words[word]!;
  if (reads.is !== "matches") throw new Error("a word of another kind");
  const rank = (observed: bigint, writes: bigint, seen: bigint): number => {
    const event = {
      number: callNumber("open", "x86_64"),
      architecture: auditArchitecture.x86_64,
      instructionPointer: 0n,
      arguments: [0n, writes, 0n, 0n, 0n, 0n],
    } as const;
    const who = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n, observed: [observed] };
    const state = freshState(program);
    if (program.cells.length > 0) state.tree.cells[0] = seen;
    const verdict = program.verdicts[evaluate(program, event, who, state).verdict]!;
    return mayPass(verdict) ? strictness[verdict.action] : strictness.deny;
  };
  const [lenient, strict] = effect === "permits" ? [bit, 0n] : [0n, bit];
  for (let others = 0n; others < 1n << BigInt(reads.patterns.length); others++) {
    if ((others & bit) !== 0n) continue;
    for (const writes of [0n, 1n]) {
      for (const seen of [0n, 1n])
        if (rank(others | lenient, writes, seen) < rank(others | strict, writes, seen)) return true;
    }
  }
  return false;
}

describe.each(["permits", "refuses"] as const)("the paths whose match %s something, in random policies", (effect) => {
  it("are those for which some call gets another verdict", () => {
    let [effective, others] = [0, 0];
    for (const seed of seeds(policies)) {
      const text = randomPolicy(new SeededChoices(seed));
      const { program, diagnostics } = loadPolicy("/policy.ts", { architecture: "x86_64", readFile: () => text });
      expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
      expect(program!.words.length).toBeLessThan(2);
      const expected = program!.words.flatMap(({ reads }, word) =>
        reads.is !== "matches"
          ? []
          : reads.patterns.flatMap((pattern, at) => {
              const hasEffect = has(effect, program!, word, 1n << BigInt(at));
              if (hasEffect) effective++;
              else others++;
              return hasEffect ? [describePattern(pattern)] : [];
            }),
      );
      const found = comparedPaths(program!, effect).map(({ shown }) => shown);
      // Each test here is of one bit or flag, so nothing is over-approximated.
      expect(found, `seed ${seed}\n${text}`).toEqual(expected);
    }
    expect(effective).toBeGreaterThan(casesOf(policies) / 2);
    expect(others).toBeGreaterThan(casesOf(policies) / 4);
  });
});
