/**
 * A keeper that does not know some bits of a call covers a keeper that knows them: verdicts, rooms, reports and state. The
 * programs, calls and bits are random.
 */
import { expect, it } from "vitest";
import { admit } from "../../ir/admission.ts";
import type { Circumstances, EvaluationState, SystemCallEvent } from "../../ir/evaluation.ts";
import { inputFacts } from "../../ir/inputs.ts";
import { wordMaximum } from "../../ir/observation.ts";
import { printProgram } from "../../ir/print.ts";
import type { Program } from "../../ir/program.ts";
import { generateCircumstances, generateEvent, generateProgram } from "../../ir/testing/arbitrary.ts";
import { type Choices, chance, pick, SeededChoices, weighted } from "../../ir/testing/choices.ts";
import { seeds } from "../../ir/testing/seeds.ts";
import { InterpreterEvaluator } from "./interpreter-evaluator.ts";
import { type Holder, type KeptJudgement, StateKeeper, type UnknownBits } from "./state-keeper.ts";
import { type Bits, isKnown, known } from "./unknown/known-bits.ts";
import { PossibleScope } from "./unknown/possible-state.ts";

type Keeper = StateKeeper<EvaluationState["thread"]>;
type OneHolder = Holder<EvaluationState["thread"]>;

interface Call {
  readonly event: SystemCallEvent;
  readonly circumstances: Circumstances;
}

/** All bits of a word, its upper half, or one bit; mostly none. */
function mask(choices: Choices, maximum: bigint, often: number): bigint {
  const one = weighted(choices, [
    [often, () => 0n],
    [2, () => maximum],
    [2, () => 0xffff_ffff_0000_0000n],
    [2, () => 1n << BigInt(choices.below(64))],
  ]);
  return one & maximum;
}

function unknownBits(choices: Choices, { words }: Program): UnknownBits {
  const argument = () => mask(choices, inputFacts.argument0.maximum, 6);
  return {
    inputs: {
      argument0: argument(),
      argument1: argument(),
      argument2: argument(),
      instructionPointer: mask(choices, inputFacts.instructionPointer.maximum, 20),
      now: mask(choices, inputFacts.now.maximum, 20),
      uid: mask(choices, inputFacts.uid.maximum, 20),
    },
    observed: words.map((word) => mask(choices, wordMaximum(word), 10)),
  };
}

/** The call with zeros for its unknown bits. */
function withZeros({ event, circumstances }: Call, { inputs, observed }: UnknownBits): Call {
  const [first, second, third, ...others] = event.arguments;
  const { argument0 = 0n, argument1 = 0n, argument2 = 0n, instructionPointer = 0n, now = 0n, uid = 0n } = inputs;
  return {
    event: {
      ...event,
      instructionPointer: event.instructionPointer & ~instructionPointer,
      arguments: [first & ~argument0, second & ~argument1, third & ~argument2, ...others],
    },
    circumstances: {
      ...circumstances,
      now: circumstances.now & ~now,
      uid: Number(BigInt(circumstances.uid) & ~uid),
      observed: circumstances.observed?.map((word, index) => word & ~observed[index]!),
    },
  };
}

const covers = ({ value, unknown }: Bits, word: bigint) => (word & ~unknown) === value;

function coversState(possible: OneHolder["content"], actual: OneHolder["content"], { cells }: Program): boolean {
  const ofActual = actual as EvaluationState["thread"];
  const scope = possible instanceof PossibleScope ? possible : PossibleScope.from(possible);
  return (
    cells.every((_, index) => covers(scope.cells[index]!, ofActual.cells[index]!)) &&
    ofActual.tables.every((table, index) =>
      [...table, ...scope.tables[index]!.entries()].every(([key]) => {
        const found = scope.tables[index]!.get(known(key));
        const value = table.get(key);
        if (found === undefined) return true;
        return found === false || value === undefined ? found === false && value === undefined : covers(found, value);
      }),
    )
  );
}

function expectCovered(possible: KeptJudgement, actual: KeptJudgement): void {
  expect(possible.verdicts).toContain(actual.verdicts[0]);
  for (const room of possible.entered) expect(actual.entered).toContainEqual(room);
  // The certain reports are among those made, in their order.
  let found = 0;
  for (const made of actual.reports) {
    const next = possible.reports[found];
    if (next?.report === made.report && next.values.every((bits, place) => covers(bits, made.values[place]!.value)))
      found++;
  }
  expect(found).toBe(possible.reports.length);
  if (!possible.effectsKnown) return;
  expect(possible.entered).toEqual(actual.entered);
  expect(possible.reports.map(({ report }) => report)).toEqual(actual.reports.map(({ report }) => report));
  expect(possible.reports.every(({ values }) => values.every(isKnown))).toBe(true);
}

class Pair {
  readonly tasks: { thread: readonly [OneHolder, OneHolder]; process: readonly [OneHolder, OneHolder] }[];
  private readonly program: Program;
  private readonly keepers: readonly [guessing: Keeper, informed: Keeper];

  constructor(program: Program) {
    this.program = program;
    this.keepers = [
      new StateKeeper(new InterpreterEvaluator(program)),
      new StateKeeper(new InterpreterEvaluator(program)),
    ];
    this.tasks = [{ thread: this.create("thread"), process: this.create("process") }];
  }

  get isKnown(): boolean {
    return this.keepers[0].isKnown;
  }

  fork(choices: Choices): void {
    const { thread, process } = pick(choices, this.tasks);
    const inherit = ([guessed, actual]: readonly [OneHolder, OneHolder]) =>
      [this.keepers[0].inherit(guessed), this.keepers[1].inherit(actual)] as const;
    this.tasks.push({ thread: inherit(thread), process: inherit(process) });
  }

  startThread(choices: Choices): void {
    this.tasks.push({ thread: this.create("thread"), process: pick(choices, this.tasks).process });
  }

  end(choices: Choices): void {
    if (this.tasks.length === 1) return;
    const [{ thread }] = this.tasks.splice(choices.below(this.tasks.length), 1) as [(typeof this.tasks)[number]];
    this.keepers[0].release(thread[0]);
    this.keepers[1].release(thread[1]);
  }

  judge(choices: Choices, call: Call): KeptJudgement {
    const { thread, process } = pick(choices, this.tasks);
    const [guessing, informed] = this.keepers;
    const unknown = unknownBits(choices, this.program);
    const isAllowed = chance(choices, 3);
    const { event, circumstances } = withZeros(call, unknown);
    const possible = guessing.judge(event, circumstances, unknown, thread[0], process[0], isAllowed);
    const nothing = { inputs: {}, observed: this.program.words.map(() => 0n) };
    const actual = informed.judge(call.event, call.circumstances, nothing, thread[1], process[1], isAllowed);
    expectCovered(possible, actual);
    this.expectStatesCovered();
    return possible;
  }

  private expectStatesCovered(): void {
    const { program, tasks } = this;
    const [guessing, informed] = this.keepers;
    for (const { thread, process } of tasks) {
      expect(coversState(thread[0].content, thread[1].content, program)).toBe(true);
      expect(coversState(process[0].content, process[1].content, program)).toBe(true);
    }
    const [{ thread, process }] = tasks as [(typeof tasks)[number]];
    for (const index of program.cells.keys()) {
      const { value } = informed.cell(index, thread[1], process[1]);
      expect(covers(guessing.cell(index, thread[0], process[0]), value)).toBe(true);
    }
  }

  private create(scope: "thread" | "process"): readonly [OneHolder, OneHolder] {
    return [this.keepers[0].create(scope), this.keepers[1].create(scope)];
  }
}

it("covers each completion of unknown bits", () => {
  const seen = { several: 0, unknownState: 0, knownState: 0 };
  for (const seed of seeds(2000)) {
    const choices = new SeededChoices(seed);
    const program = generateProgram(choices, {
      asks: seed % 4 === 0,
      observations: seed % 2 === 0,
      rooms: seed % 3 === 0,
    });
    try {
      const pair = new Pair(program);
      for (let step = 0; step < 12; step++) {
        const event = generateEvent(choices, program);
        if (admit(program, event) !== "judged") continue;
        const { verdicts } = pair.judge(choices, { event, circumstances: generateCircumstances(choices, program) });
        if (verdicts.length > 1) seen.several++;
        seen[pair.isKnown ? "knownState" : "unknownState"]++;
        weighted(choices, [
          [4, () => undefined],
          [1, () => pair.fork(choices)],
          [1, () => pair.startThread(choices)],
          [1, () => pair.end(choices)],
        ]);
      }
    } catch (error) {
      throw new Error(`seed ${seed}\n${printProgram(program)}`, { cause: error });
    }
  }
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
});
