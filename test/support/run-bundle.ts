/** Runs the two programs of a bundle on random calls, and compares them with the interpreter. */
import { expect } from "vitest";
import { auditArchitecture } from "../../src/abi/architecture.ts";
import { highestNumber } from "../../src/abi/calls.ts";
import { returnAction, returnWord, splitReturnWord } from "../../src/abi/return-word.ts";
import type { Bundle } from "../../src/backend/bundle/bundle.ts";
import { decodeInstructions } from "../../src/backend/classic/instruction.ts";
import { runClassic } from "../../src/backend/classic/interpreter.ts";
import { verdictWord } from "../../src/backend/classic/verdict-word.ts";
import type { EbpfArtifact } from "../../src/backend/ebpf/artifact.ts";
import { decode } from "../../src/backend/ebpf/instructions/decode.ts";
import { ModelledTree, modelledCopy } from "../../src/backend/ebpf/testing/seccomp.ts";
import { admit } from "../../src/ir/admission.ts";
import type { EvaluationState, SystemCallEvent } from "../../src/ir/evaluation.ts";
import { evaluate } from "../../src/ir/interpreter.ts";
import { type Memory, Observer, patternsOf } from "../../src/ir/observe.ts";
import type { Program } from "../../src/ir/program.ts";
import { generateEvent, SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { freshState } from "../../src/ir/testing/parts.ts";
import { PatternChoices } from "../../src/patterns/testing/arbitrary.ts";

/** The program and the classic program give the interpreter's verdicts; the classic one may be less strict. */
export function runBundle(
  program: Program,
  bundle: Bundle,
  { object, storage, constantAllow, declared }: EbpfArtifact,
): void {
  const named = new Map(bundle.relocations.map(({ instruction, index }) => [instruction, index]));
  const instructions = decode(bundle.program, {
    map: (slot) => named.get(slot)!,
    kernelFunction: (slot) => bundle.kernelFunctions[named.get(slot)!]!,
  });
  const { locked } = object;
  const compiled = { object: { ...object, instructions }, storage, locked, constantAllow, declared };
  const tree = new ModelledTree(program, compiled);
  // Insert the token, like the launcher.
  const classic = decodeInstructions(bundle.classic).map((instruction, index) =>
    bundle.classicToken.includes(index) ? { ...instruction, k: 0x7c5a_93e1 } : instruction,
  );
  const state: EvaluationState = freshState(program);
  const constant = new Set(bundle.constantAllows.map(({ number }) => number));
  const choices = new SeededChoices(7);
  const observer = new Observer(program);
  const memories = new Memories(program, choices);
  let now = 0n;
  for (const event of events(program, choices)) {
    now += BigInt(choices.below(100_000_000));
    const of = observer.of(event.number);
    const memory = of.map(({ index }) => memories.of(index));
    const copies = new Map(
      of.flatMap(({ observation, source: { register } }, index) => {
        const size = declared.find((one) => one.number === event.number && one.argument === register)?.size;
        const copy = size === undefined ? undefined : modelledCopy(observation, memory[index]!, size);
        return copy === undefined ? [] : [[register, copy] as const];
      }),
    );
    const seen = observer.observe(event.number, memory);
    if (!("words" in seen)) throw new Error("no copy fails here");
    const circumstances = { now, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n, observed: seen.words };
    const admission = admit(program, event);
    const word =
      admission === "judged"
        ? verdictWord(program.verdicts[evaluate(program, event, circumstances, state).verdict]!)
        : returnWord(admission === "always" ? "ALLOW" : "ERRNO", admission === "always" ? 0 : 38);
    const where = `call ${event.number}(${event.arguments.join(", ")})`;
    const { returned } = tree.evaluate(0, event, { now, who: (1n << 32n) | 1n, owner: 0n, copies });
    if (returned !== word) expect(returned, where).toBe(word);
    const byClassic = runClassic(classic, event).word;
    if (bundle.classicIsAll || admission !== "judged") {
      if (byClassic !== word) expect(byClassic, where).toBe(word);
    } else if (strictness(byClassic) > strictness(word)) expect(byClassic, where).toBe(word);
    if (constant.has(event.number) && event.architecture === auditArchitecture.x86_64)
      if (word !== returnAction.ALLOW) expect(word, where).toBe(returnAction.ALLOW);
  }
}

/** Memory behind a program's pointers: texts that its patterns may match. */
class Memories {
  readonly #program: Program;
  readonly #choices: SeededChoices;
  readonly #texts = new PatternChoices(7);

  constructor(program: Program, choices: SeededChoices) {
    this.#program = program;
    this.#choices = choices;
  }

  of(observation: number): Memory {
    const { shape } = this.#program.observations[observation]!;
    switch (shape.is) {
      case "path":
      case "string":
        return this.#choices.below(16) === 0 ? { is: "absent" } : { is: "bytes", bytes: this.#text(observation) };
      case "strings": {
        const entries = Array.from({ length: this.#choices.below(4) }, () => this.#text(observation));
        return { is: "strings", entries };
      }
      case "address":
      case "message":
      case "structure":
        return { is: "bytes", bytes: address(this.#choices) };
    }
  }

  #text(observation: number): Uint8Array {
    const patterns = patternsOf(this.#program.words.filter((word) => word.observation === observation));
    return this.#texts.subject(patterns).filter((byte) => byte !== 0);
  }
}

/** An address of a family that policies ask about; the rest is arbitrary. */
function address(choices: SeededChoices): Uint8Array {
  const bytes = Uint8Array.from({ length: choices.below(32) }, () => choices.below(256));
  if (bytes.length > 1) bytes.set([choices.below(3) === 0 ? choices.below(256) : [1, 2, 10][choices.below(3)]!, 0]);
  return bytes;
}

function strictness(word: number): number {
  const order = ["ALLOW", "LOG", "ERRNO", "TRAP", "KILL_THREAD", "KILL_PROCESS"];
  return order.indexOf(splitReturnWord(word).action ?? "KILL_PROCESS");
}

function* events(program: Program, choices: SeededChoices): Generator<SystemCallEvent> {
  for (let number = -1; number <= highestNumber("x86_64") + 2; number += 1) {
    const call = { number, architecture: auditArchitecture.x86_64, instructionPointer: 0n };
    for (const value of [0n, 1n, (1n << 64n) - 1n])
      yield { ...call, arguments: [value, value, value, value, value, value] };
    for (let index = 0; index < 4; index += 1) yield { ...generateEvent(choices, program), ...call };
  }
  for (let index = 0; index < 500; index += 1) yield generateEvent(choices, program);
}
