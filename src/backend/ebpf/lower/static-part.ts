/**
 * Lowers all decisions that need no state: admission, the search for the call's number, and the conditions on its
 * arguments. It consists only of comparisons, so the kernel can prove which calls are always allowed.
 */

import { auditArchitecture } from "../../../abi/architecture.ts";
import { maximumHalf, maximumWord } from "../../../abi/word.ts";
import { type Decision, type DecisionLeaf, isStateful, type SplitPolicy } from "../../../analysis/decision.ts";
import type { Program } from "../../../ir/program.ts";
import { type Choice, type Question, Questions, questionsBehind } from "../../questions.ts";
import { type DispatchRange, dispatch } from "../graph/dispatch.ts";
import { Block } from "../graph/graph.ts";
import { AvailableValues } from "./available-values.ts";
import type { BodyKinds } from "./body-kinds.ts";
import { Lowering } from "./lower.ts";
import type { EbpfTarget } from "./target.ts";

/**
 * The relative frequencies of calls in the program. Of constant verdicts, the kernel answers an allow from its bitmap, and
 * another is rare under a policy that fits its program. A call that only changes state marks an event, such as the end of
 * a phase; the calls that are judged by state are more frequent.
 */
const weights = { judged: 4, changing: 2, refused: 1, allowed: 2 ** -8 } as const;

/** Returns the entry. Where state decides, the graph ends in bodies, by the representative numbers of their kinds. */
export function lowerStaticPart(program: Program, split: SplitPolicy, target: EbpfTarget, kinds: BodyKinds): Block {
  return new StaticPart(program, target, kinds).lower(split);
}

/** The outcome of a leaf: a verdict, or a body. */
type Outcome = { readonly verdict: number } | { readonly body: number };

class StaticPart {
  readonly #lowering: Lowering;
  readonly #program: Program;
  readonly #target: EbpfTarget;
  readonly #kinds: BodyKinds;
  readonly #questions: Questions<Outcome>;
  readonly #stateful = new Map<Decision, boolean>();
  /** By the choice's id. */
  readonly #blocks = new Map<number, Block>();

  constructor(program: Program, target: EbpfTarget, kinds: BodyKinds) {
    this.#lowering = new Lowering(program, target, new AvailableValues(true), false);
    this.#program = program;
    this.#target = target;
    this.#kinds = kinds;
    this.#questions = new Questions<Outcome>(
      (outcome) => ("body" in outcome ? `body ${outcome.body}` : `word ${target.word(program, outcome.verdict)}`),
      (leaf) => ({ verdict: leaf.weakest }),
    );
  }

  lower(split: SplitPolicy): Block {
    const { builder } = this.#lowering;
    const target = this.#target;
    const [native, refused] = [new Block(), this.#lowering.block(() => this.#lowering.exit(target.refused))];
    const architecture = builder.load(4, "context", target.architectureOffset);
    const expected = { immediate: auditArchitecture[this.#program.architecture] | 0 };
    builder.branch("equal", architecture, expected, native, refused, 32);
    builder.current = native;
    const number = builder.load(4, "context", target.context.number!.offset);
    dispatch(builder, number, this.#ranges(split), refused, true, 0n, maximumHalf);
    return builder.entry;
  }

  #ranges(split: SplitPolicy): DispatchRange[] {
    const always = this.#lowering.block(() => this.#lowering.builder.exit({ immediate: this.#target.always | 0 }));
    const ranges: DispatchRange[] = this.#program.admission.always.map(({ from, to }) => ({
      from,
      to,
      block: always,
      weight: weights.allowed,
    }));
    for (const [number, decision] of split) {
      const decided = this.#decided(decision, number);
      // The target only allows more.
      const block = this.#isAllowed(decision) ? decided : this.#before(number, decided);
      ranges.push({ from: BigInt(number), to: BigInt(number), block, weight: this.#weight(decision) });
    }
    return ranges.sort((a, b) => (a.from < b.from ? -1 : 1));
  }

  #weight(decision: Decision): number {
    if (decision.kind === "test" || decision.possible.length > 1) return weights.judged;
    if (isStateful(decision)) return weights.changing;
    return this.#isAllowed(decision) ? weights.allowed : weights.refused;
  }

  /** Whether the program returns a plain allow, so that the kernel can answer the call from its bitmap. */
  #isAllowed(decision: Decision): boolean {
    if (decision.kind === "test" || isStateful(decision)) return false;
    return this.#program.verdicts[decision.weakest]!.action === "allow";
  }

  /** The target's own code before the decision on calls with this number. */
  #before(number: number, decided: Block): Block {
    if (this.#target.before === undefined) return decided;
    const { builder } = this.#lowering;
    const block = this.#lowering.block(() => {
      this.#target.before?.(builder, this.#program, number);
      builder.goto(decided);
    });
    return block.instructions.length === 0 ? decided : block;
  }

  #decided(decision: Decision, number: number): Block {
    const ofThisNumber = (leaf: DecisionLeaf): Outcome =>
      leaf.stateful.length > 0 ? { body: this.#kinds.representative(number) } : { verdict: leaf.weakest };
    const choice = this.#questions.choice(decision, this.#needsState(decision) ? ofThisNumber : undefined);
    // From the leaves up, without recursion: decisions may be thousands of tests deep.
    for (const question of questionsBehind(choice)) this.#block(question);
    return this.#block(choice);
  }

  #needsState(root: Decision): boolean {
    for (const decision of partsFirst(root, (part) => this.#stateful.has(part))) {
      const stateful =
        decision.kind === "leaf"
          ? decision.stateful.length > 0
          : this.#stateful.get(decision.then)! || this.#stateful.get(decision.otherwise)!;
      this.#stateful.set(decision, stateful);
    }
    return this.#stateful.get(root)!;
  }

  #block(choice: Choice<Outcome>): Block {
    let block = this.#blocks.get(choice.id);
    if (block === undefined) {
      block = this.#lowering.block(() => this.#choose(choice));
      this.#blocks.set(choice.id, block);
    }
    return block;
  }

  #choose(choice: Choice<Outcome>): void {
    if (choice.kind === "question") return this.#ask(choice);
    const { outcome } = choice;
    if ("body" in outcome) this.#lowering.builder.current.terminator = { kind: "body", number: outcome.body };
    else this.#lowering.exitWithVerdict(outcome.verdict);
  }

  #ask(question: Question<Outcome>): void {
    const { mask, pieces } = withMoreBits(question);
    const word = { kind: "input", input: question.word } as const;
    const value =
      mask === maximumWord
        ? word
        : mask === 0xffff_ffffn
          ? ({ kind: "extend", width: 32, signed: false, value: word } as const)
          : ({ kind: "binary", operator: "and", left: word, right: { kind: "constant", value: mask } } as const);
    const [first, second] = pieces;
    if (pieces.length === 2 && first!.to === 0n && mask !== maximumWord) {
      const zero = { kind: "constant", value: 0n } as const;
      const [then, otherwise] = [this.#block(first!.target), this.#block(second!.target)];
      return this.#lowering.condition(
        { kind: "compare", operator: "equal", left: value, right: zero },
        then,
        otherwise,
      );
    }
    // Under a mask, values between the pieces cannot occur.
    const ranges = pieces.map((piece, index) => ({
      from: piece.from,
      to: (pieces[index + 1]?.from ?? mask + 1n) - 1n,
      block: this.#block(piece.target),
    }));
    this.#lowering.search(value, ranges, mask);
  }
}

/** `no bit of m, and no bit of n` with one outcome for both refusals is `no bit of m | n`. */
function withMoreBits(question: Question<Outcome>): Pick<Question<Outcome>, "mask" | "pieces"> {
  let { mask, pieces } = question;
  for (;;) {
    const [zero, other] = pieces;
    const next = zero!.target;
    const isZeroTest = pieces.length === 2 && zero!.to === 0n;
    if (!isZeroTest || next.kind !== "question" || next.word !== question.word || next.pieces.length !== 2) break;
    const [none, some] = next.pieces;
    if (none!.to !== 0n || some!.target !== other!.target) break;
    mask |= next.mask;
    pieces = [none!, { ...some!, to: mask }];
  }
  return { mask, pieces };
}

/**
 * A decision and its unfinished parts, each once and after its own parts. Iterative: a policy with thousands of rules
 * has equally deep decisions.
 */
function* partsFirst(root: Decision, isDone: (decision: Decision) => boolean): Generator<Decision> {
  const pending = [root];
  for (let decision = pending.at(-1); decision !== undefined; decision = pending.at(-1)) {
    const missing = decision.kind === "leaf" ? [] : [decision.otherwise, decision.then].filter((part) => !isDone(part));
    if (missing.length > 0 && !isDone(decision)) {
      pending.push(...missing);
      continue;
    }
    pending.pop();
    if (!isDone(decision)) yield decision;
  }
}
