import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkProgram } from "../check.ts";
import { inputs } from "../inputs.ts";
import { isFull } from "../intervals.ts";
import { printProgram } from "../print.ts";
import type { Program } from "../program.ts";
import { expressionsOf, forEachExpression, forEachStatement } from "../traverse.ts";
import { strictness } from "../verdicts.ts";
import {
  arbitraryProgram,
  arbitraryRun,
  generateProgram,
  generateTrace,
  runTrace,
  SeededChoices,
  type TraceStep,
} from "./arbitrary.ts";
import { binaryOperators, compareOperators } from "./expressions.ts";
import { casesOf } from "./seeds.ts";

const everyConstruct = [
  ...["x86_64", "aarch64"].map((architecture) => `architecture ${architecture}`),
  ...Object.keys(strictness).map((action) => `verdict ${action}`),
  ...["thread", "process", "tree"].flatMap((scope) => [`cell of ${scope}`, `table of ${scope}`]),
  ...["flag", "counter", "value", "phases"].map((kind) => `cell ${kind}`),
  ...["copy", "fresh", "map"].map((onFork) => `cell on fork ${onFork}`),
  ...["copy", "fresh"].map((onFork) => `table on fork ${onFork}`),
  ...["process", "memory", "tree"].map((scope) => `room of ${scope}`),
  ...["table", "set"],
  ...["integer", "boolean", "verdict"].map((type) => `local ${type}`),
  ...["constant", "local", "cell", "select", "table-get", "from-boolean"],
  ...["boolean", "boolean-local", "within", "not", "all", "any", "table-has"],
  ...["verdict", "verdict-local", "strictest", "verdict-select"],
  ...inputs.map((input) => `input ${input}`),
  ...binaryOperators.map((operator) => `binary ${operator}`),
  ...compareOperators.map((operator) => `compare ${operator}`),
  ...[8, 16, 32].flatMap((width) => [`extend ${width} signed`, `extend ${width} unsigned`]),
  ...["set-integer", "set-boolean", "set-verdict", "store", "table-set", "table-delete", "enter", "report"],
  ...["if", "switch", "block", "leave", "return"],
  ...["overlapping arms", "disjoint arms", "a block in a block", "within the empty set", "within the full set"],
  ...["all without operands", "any without operands"],
];

function constructs(program: Program): Set<string> {
  const found = new Set<string>([`architecture ${program.architecture}`]);
  for (const { action } of program.verdicts) found.add(`verdict ${action}`);
  for (const { scope, kind, onFork } of program.cells) {
    found.add(`cell of ${scope}`).add(`cell ${kind.is}`);
    if (scope !== "tree") found.add(`cell on fork ${typeof onFork === "string" ? onFork : "map"}`);
  }
  for (const { scope, onFork, holdsValues } of program.tables) {
    found
      .add(`table of ${scope}`)
      .add(`table on fork ${onFork}`)
      .add(holdsValues ? "table" : "set");
  }
  for (const { scope } of program.rooms) found.add(`room of ${scope}`);
  for (const type of program.locals) found.add(`local ${type}`);
  forEachStatement(program.body, (statement) => {
    found.add(statement.kind);
    if (statement.kind === "block") {
      forEachStatement(statement.body, ({ kind }) => kind === "block" && found.add("a block in a block"));
    }
    if (statement.kind === "switch") {
      const intervals = statement.arms.flatMap((arm) => arm.intervals);
      const overlap = intervals.some((a, i) => intervals.some((b, j) => i < j && a.from <= b.to && b.from <= a.to));
      found.add(overlap ? "overlapping arms" : "disjoint arms");
    }
    for (const top of expressionsOf(statement)) {
      forEachExpression(top, (expression) => {
        const { kind } = expression;
        if (kind === "input") found.add(`input ${expression.input}`);
        else if (kind === "binary" || kind === "compare") found.add(`${kind} ${expression.operator}`);
        else if (kind === "extend")
          found.add(`extend ${expression.width} ${expression.signed ? "signed" : "unsigned"}`);
        else found.add(kind);
        if (kind === "within" && expression.intervals.length === 0) found.add("within the empty set");
        if (kind === "within" && isFull(expression.intervals)) found.add("within the full set");
        if ((kind === "all" || kind === "any") && expression.of.length === 0) found.add(`${kind} without operands`);
      });
    }
  });
  return found;
}

describe("random programs", () => {
  it("are well formed, from a seed", () => {
    for (let seed = 0; seed < casesOf(2000); seed++) {
      const program = generateProgram(new SeededChoices(seed), { asks: seed % 2 === 0, rooms: seed % 4 === 0 });
      expect(checkProgram(program), `seed ${seed}\n${printProgram(program)}`).toEqual([]);
    }
  });

  it("are well formed, from fast-check", () => {
    fc.assert(fc.property(arbitraryProgram(), (program) => checkProgram(program).length === 0));
  });

  it("are the same for the same seed", () => {
    const [first, second] = [1, 1].map((seed) => generateProgram(new SeededChoices(seed)));
    expect(first).toEqual(second);
  });

  it("use every construct, each in at least one program of a hundred", () => {
    const programs = casesOf(3000, 1000);
    const counts = new Map(everyConstruct.map((construct) => [construct, 0]));
    for (let seed = 0; seed < programs; seed++) {
      for (const construct of constructs(
        generateProgram(new SeededChoices(seed), { asks: seed % 2 === 0, rooms: seed % 4 === 0 }),
      )) {
        counts.set(construct, (counts.get(construct) ?? 0) + 1);
      }
    }
    const rare = [...counts].filter(([, count]) => count < programs / 100);
    expect(rare).toEqual([]);
    expect([...counts.keys()].filter((construct) => !everyConstruct.includes(construct))).toEqual([]);
  });

  it("judge, change state, report, fill tables and end in every action", () => {
    const seen = new Map<string, number>();
    const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
    for (let seed = 0; seed < 1500; seed++) {
      const choices = new SeededChoices(seed);
      const program = generateProgram(choices, { asks: seed % 2 === 0, rooms: seed % 4 === 0 });
      for (const call of runTrace(program, generateTrace(choices, program, 30)).calls) {
        count(call.admission);
        if (call.admission !== "judged") continue;
        count(program.verdicts[call.evaluation.verdict]!.action);
        if (call.evaluation.changedState) count("changed state");
        if (call.evaluation.reports.length > 0) count("reported");
        if (call.evaluation.entered.length > 0) count("entered");
      }
    }
    const wanted = [
      "judged",
      "foreign",
      "unknown",
      "always",
      "changed state",
      "reported",
      "entered",
      ...Object.keys(strictness),
    ];
    for (const what of wanted) expect(seen.get(what), what).toBeGreaterThan(100);
  });

  it("without state when that is asked for", () => {
    for (let seed = 0; seed < 500; seed++) {
      const program = generateProgram(new SeededChoices(seed), { stateless: true });
      expect(checkProgram(program)).toEqual([]);
      expect([program.cells, program.tables, program.reports]).toEqual([[], [], []]);
      const inputsUsed = [...constructs(program)].filter((construct) => construct.startsWith("input "));
      expect(inputsUsed.filter((input) => !/number|instructionPointer|argument/.test(input))).toEqual([]);
    }
  });
});

describe("random traces", () => {
  it("have every kind of step and a monotonic clock", () => {
    const kinds = new Map<TraceStep["kind"], number>();
    fc.assert(
      fc.property(arbitraryRun(), ({ trace }) => {
        let now = 0n;
        for (const step of trace) {
          kinds.set(step.kind, (kinds.get(step.kind) ?? 0) + 1);
          if (step.kind !== "call") continue;
          if (step.now < now) return false;
          now = step.now;
        }
        return true;
      }),
    );
    expect([...kinds.keys()].sort()).toEqual(["call", "exit", "fork", "thread"]);
  });
});
