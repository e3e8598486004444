/** Answers one question: the verdict of a given call, and the line that decides. */
import type { CallWord } from "../../ir/inputs.ts";
import type { Program } from "../../ir/program.ts";
import type { ArgumentTest, Decision, DecisionLeaf } from "../decision.ts";
import { splitPolicy } from "../split/split.ts";
import { Explainer, type ExplainOptions } from "./explain.ts";
import type { Case } from "./explanation.ts";
import { callName } from "./names.ts";
import { leavesOf } from "./paths.ts";

type Registers = readonly (bigint | undefined)[];

export interface Question {
  readonly number: number;
  /** Known registers; the others are undecided. */
  readonly arguments?: Registers;
  /** Known cells, such as a phase by its index. */
  readonly cells?: ReadonlyMap<number, bigint>;
}

export interface Answer {
  readonly v: 1;
  readonly call: string;
  /**
   * | admission | meaning |
   * | --- | --- |
   * | always    | allowed before the policy runs |
   * | unknown   | refused with ENOSYS before the policy runs |
   * | judged    | the policy decides: `cases` |
   */
  readonly admission: "always" | "unknown" | "judged";
  /** The first case whose condition holds decides. There is one if the relevant arguments are known. */
  readonly cases: readonly Case[];
}

export function why(program: Program, question: Question, options: ExplainOptions): Answer {
  const { number } = question;
  const call = callName(program.architecture, number);
  const value = BigInt(number);
  const within = (list: readonly { readonly from: bigint; readonly to: bigint }[]) =>
    list.some(({ from, to }) => from <= value && value <= to);
  if (within(program.admission.always)) return { v: 1, call, admission: "always", cases: [] };
  if (!within(program.admission.judged)) return { v: 1, call, admission: "unknown", cases: [] };
  // Splits only this call, so the answer is immediate.
  const asked: Program = { ...program, admission: { ...program.admission, judged: [{ from: value, to: value }] } };
  const split = splitPolicy(asked, { ...options, cells: question.cells ?? new Map() });
  const decision = answered(split.get(number)!, question.arguments ?? []);
  const explainer = new Explainer(asked, options, (each) => answered(each, question.arguments ?? []));
  const isOpen = question.cells === undefined || question.cells.size === 0;
  return { v: 1, call, admission: "judged", cases: explainer.cases(number, decision, isOpen) };
}

/** What the call can get in these states; undefined if the policy does not judge it. */
export function possibleLeaves(
  program: Program,
  { number, arguments: known, cells }: Question,
): readonly DecisionLeaf[] | undefined {
  const value = BigInt(number);
  const { judged } = program.admission;
  if (!judged.some(({ from, to }) => from <= value && value <= to)) return undefined;
  const asked: Program = { ...program, admission: { ...program.admission, judged: [{ from: value, to: value }] } };
  const split = splitPolicy(asked, { superviseProcessCreation: false, cells: cells ?? new Map() });
  return leavesOf(answered(split.get(number)!, known ?? []));
}

/** The decision without the tests that the known registers decide. */
function answered(decision: Decision, registers: Registers): Decision {
  const done = new Map<Decision, Decision>();
  const answer = (node: Decision): Decision => {
    if (node.kind === "leaf") return node;
    let result = done.get(node);
    if (result !== undefined) return result;
    const known = registerOf(node.test.word, registers);
    if (known !== undefined) result = answer(passes(node.test, known) ? node.then : node.otherwise);
    else {
      const then = answer(node.then);
      const otherwise = answer(node.otherwise);
      result = then === otherwise ? then : { ...node, then, otherwise };
    }
    done.set(node, result);
    return result;
  };
  return answer(decision);
}

function registerOf(word: CallWord, registers: Registers): bigint | undefined {
  return word === "instructionPointer" ? undefined : registers[Number(word.slice(-1))];
}

function passes({ mask, intervals }: ArgumentTest, register: bigint): boolean {
  const value = register & mask;
  return intervals.some(({ from, to }) => from <= value && value <= to);
}
