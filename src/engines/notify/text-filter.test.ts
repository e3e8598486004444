/** The text filter allows a call only if the interpreter allows it in every state, without an effect. */
import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../abi/architecture.ts";
import { decodeInstructions } from "../../backend/classic/instruction.ts";
import { runClassic } from "../../backend/classic/interpreter.ts";
import type { Circumstances, EvaluationState, SystemCallEvent } from "../../ir/evaluation.ts";
import type { Input } from "../../ir/inputs.ts";
import { evaluate, initialState } from "../../ir/interpreter.ts";
import { cellMaximum } from "../../ir/limits.ts";
import { matchersOf, Observer } from "../../ir/observe.ts";
import { printProgram } from "../../ir/print.ts";
import type { BooleanExpression, IntegerExpression, Program, Statement } from "../../ir/program.ts";
import {
  arbitraryWords,
  generateCircumstances,
  generateEvent,
  generateProgram,
  programValues,
  SeededChoices,
} from "../../ir/testing/arbitrary.ts";
import { pick } from "../../ir/testing/choices.ts";
import { expectEqual } from "../../ir/testing/expect-equal.ts";
import { room, smallProgram } from "../../ir/testing/parts.ts";
import { casesOf, seeds } from "../../ir/testing/seeds.ts";
import { matching } from "../../patterns/matcher.ts";
import { callTrait, type TextFilter } from "./policy/policy.ts";
import { textFilterOf } from "./text-filter.ts";

const texts = ["/a", "/b/c", "/c", "/d", "", "a", "/ab", "/abc", "//"];
const statesOfCall = 6;

const traitsOf = ({ admission }: Program): Uint8Array => {
  const traits = new Uint8Array(512);
  for (const { from, to } of admission.judged) traits.fill(callTrait.judged, Number(from), Number(to) + 1);
  return traits;
};

/** The filter's word for a call with this path. */
function wordFor(filter: TextFilter, program: Program, event: SystemCallEvent, text: string): number {
  const matcher = matchersOf(program)[filter.observations[event.number]!];
  const set = matching(matcher ?? [], Buffer.from(text));
  const input = { ...event, instructionPointer: BigInt.asUintN(64, set) };
  return runClassic(decodeInstructions(filter.instructions), input).word;
}

function randomState(program: Program, choices: SeededChoices, values: readonly bigint[]): EvaluationState {
  const scope = (name: "thread" | "process" | "tree") => {
    const state = initialState(program, name);
    program.cells.forEach((cell, index) => {
      if (cell.scope === name) state.cells[index] = BigInt(choices.below(5)) % (cellMaximum(cell) + 1n);
    });
    program.tables.forEach((table, index) => {
      if (table.scope === name && choices.below(2) === 0) state.tables[index]!.set(pick(choices, values), 1n);
    });
    return state;
  };
  return { thread: scope("thread"), process: scope("process"), tree: scope("tree") };
}

/** The same, with rules about its texts in front, because few random rules are about them. */
function withTexts(program: Program, choices: SeededChoices): Program {
  const rules = program.words.flatMap(({ observation, reads }, word): Statement[] => {
    if (program.observations[observation]!.shape.is !== "path" || reads.is !== "matches") return [];
    const bits: IntegerExpression = {
      kind: "binary",
      operator: pick(choices, ["and", "shift-right-unsigned", "xor", "add"]),
      left: { kind: "observed", word },
      right: pick<IntegerExpression>(choices, [
        { kind: "constant", value: BigInt(choices.below(4)) },
        { kind: "input", input: "argument2" },
      ]),
    };
    const verdict = choices.below(program.verdicts.length);
    const condition: BooleanExpression = {
      kind: "compare",
      operator: pick(choices, ["equal", "not-equal", "less-unsigned"]),
      left: choices.below(2) === 0 ? bits : { kind: "observed", word },
      right: { kind: "constant", value: BigInt(choices.below(4)) },
    };
    return [
      { kind: "if", condition, then: [{ kind: "return", verdict: { kind: "verdict", verdict } }], otherwise: [] },
    ];
  });
  return { ...program, body: [...rules, ...program.body] };
}

describe("the text filter", () => {
  it("allows only calls that every state allows without an effect", () => {
    const found = { filters: 0, allowed: 0, left: 0 };
    for (const seed of seeds(1500)) {
      const choices = new SeededChoices(seed);
      const [stateless, parameters] = [seed % 2 === 0, seed % 3 === 0];
      const options = { asks: true, observations: true, stateless, parameters, statements: 12 };
      const program = withTexts(generateProgram(choices, options), choices);
      const filter = textFilterOf(program, traitsOf(program));
      if (filter === undefined) continue;
      found.filters++;
      const observer = new Observer(program);
      const values = programValues(program);
      for (const [number, register] of filter.registers.entries()) {
        if (register === 0) continue;
        expectEqual(
          observer.of(number).map(({ source }) => source.register),
          [register - 1],
        );
        for (const text of texts) {
          const event = { ...generateEvent(choices, program), number };
          const native = { ...event, architecture: auditArchitecture[program.architecture] };
          const word = wordFor(filter, program, native, text);
          found[word === 0 ? "left" : "allowed"]++;
          if (word === 0) continue;
          const observed = observer.observe(number, [{ is: "bytes", bytes: Buffer.from(text) }]);
          if ("errno" in observed) throw new Error("a path that was read");
          for (let state = 0; state < statesOfCall; state++) {
            const circumstances: Circumstances = {
              ...generateCircumstances(choices, program),
              observed: observed.words,
            };
            const parameters = arbitraryWords(choices, program);
            const states = randomState(program, choices, values);
            const before = structuredClone(states);
            const { verdict, entered, reports } = evaluate(program, native, circumstances, states, parameters);
            const shown = () => `seed ${seed}, ${number} ${JSON.stringify(text)}\n${printProgram(program)}`;
            expectEqual({ verdict, entered, reports }, { verdict: word - 1, entered: [], reports: [] }, shown);
            expectEqual(states, before, shown);
            expectEqual(program.verdicts[word - 1]!.action, "allow", shown);
          }
        }
      }
    }
    expect(found.filters).toBeGreaterThan(casesOf(100));
    expect(found.allowed).toBeGreaterThan(casesOf(1000));
    expect(found.left).toBeGreaterThan(casesOf(1000));
  });

  // ── Each requirement ────────────────────────────────────────────────────────────────────────────────────────────────

  const openat = 257;
  const word = { kind: "observed", word: 0 } as const;
  const matches = {
    kind: "if",
    condition: { kind: "compare", operator: "not-equal", left: word, right: { kind: "constant", value: 0n } },
    then: [{ kind: "return", verdict: { kind: "verdict", verdict: 1 } }],
    otherwise: [],
  } as const satisfies Statement;
  const allows: Statement = { kind: "return", verdict: { kind: "verdict", verdict: 0 } };
  const path = (sources: readonly { readonly number: number; readonly register: number }[]) => ({
    name: "path",
    shape: { is: "path" } as const,
    sources: sources.map((source) => ({ ...source, length: undefined })),
    at: undefined,
  });
  const simple = (parts: Partial<Program> = {}): Program =>
    smallProgram([{ action: "deny", errno: 13 }], {
      admission: { always: [], judged: [{ from: 0n, to: 300n }] },
      observations: [path([{ number: openat, register: 1 }])],
      words: [
        {
          observation: 0,
          reads: { is: "matches", part: { is: "whole" }, patterns: [{ kind: "startsWith", text: "/etc/" }] },
        },
      ],
      body: [matches, allows],
      ...parts,
    });
  const filterOf = (program: Program, traits = traitsOf(program)) => textFilterOf(program, traits);
  const event: SystemCallEvent = {
    number: openat,
    architecture: auditArchitecture.x86_64,
    instructionPointer: 0n,
    arguments: [0n, 1n, 2n, 3n, 4n, 5n],
  };

  it("judges by the text alone", () => {
    const filter = filterOf(simple())!;
    expect(wordFor(filter, simple(), event, "/usr/lib")).toBe(1);
    expect(wordFor(filter, simple(), event, "/etc/shadow")).toBe(0);
    expect(wordFor(filter, simple(), { ...event, architecture: 3 }, "/usr/lib")).toBe(0);
    expect([...filter.registers.entries()].filter(([, register]) => register !== 0)).toEqual([[openat, 2]]);
  });

  it("judges patterns of which 64 fit", () => {
    const patterns = Array.from({ length: 63 }, (_, index) => ({ kind: "is", text: `/${index}` }) as const);
    const reads = { is: "matches", part: { is: "whole" }, patterns } as const;
    const last = { is: "matches", part: { is: "whole" }, patterns: [{ kind: "is", text: "/last" }] } as const;
    const three = [reads, last, { ...last, patterns: [{ kind: "is", text: "/more" }] } as const];
    const about = (asked: number): Program =>
      simple({
        words: three.map((one) => ({ observation: 0, reads: one })),
        body: [
          {
            ...matches,
            condition: {
              kind: "compare",
              operator: "not-equal",
              left: { kind: "observed", word: asked },
              right: { kind: "constant", value: 0n },
            },
          },
          allows,
        ],
      });
    expect(wordFor(filterOf(about(0))!, about(0), event, "/62")).toBe(0);
    expect(wordFor(filterOf(about(0))!, about(0), event, "/63")).toBe(1);
    expect(wordFor(filterOf(about(1))!, about(1), event, "/last")).toBe(0);
    expect(wordFor(filterOf(about(1))!, about(1), event, "/62")).toBe(1);
    expect(filterOf(about(2))).toBeUndefined();
  });

  const refusesBy = (input: Input): Statement => ({
    ...matches,
    condition: {
      kind: "compare",
      operator: "equal",
      left: { kind: "input", input },
      right: { kind: "constant", value: 7n },
    },
  });

  it.each<[string, Partial<Program>]>([
    [
      "two observations of a call",
      { observations: [path([{ number: openat, register: 1 }]), path([{ number: openat, register: 2 }])] },
    ],
    ["a policy with rooms", { rooms: [room] }],
    ["a policy that reads the user", { body: [refusesBy("uid"), allows] }],
    ["a policy that reads the instruction pointer", { body: [refusesBy("instructionPointer"), allows] }],
    [
      "a path whose object is held",
      {
        words: [
          { observation: 0, reads: { is: "matches", part: { is: "whole" }, patterns: [{ kind: "is", text: "/" }] } },
          { observation: 0, reads: { is: "resolved", objects: [{ is: "is", path: "/" }] } },
        ],
      },
    ],
    ["a policy that allows nothing", { body: [{ kind: "return", verdict: { kind: "verdict", verdict: 1 } }] }],
    [
      "a report for each call",
      {
        reports: [{ text: "a call", values: [], at: undefined }],
        body: [{ kind: "report", report: 0, values: [] }, allows],
      },
    ],
  ])("does not judge %s", (_, parts) => {
    expect(filterOf(simple(parts))).toBeUndefined();
  });

  it("does not judge calls whose callers the supervisor follows", () => {
    const traits = traitsOf(simple());
    traits[openat]! |= callTrait.mayStall;
    expect(filterOf(simple(), traits)).toBeUndefined();
    expect(filterOf(simple({ observations: [path([{ number: 59, register: 0 }])] }))).toBeUndefined();
  });
});
