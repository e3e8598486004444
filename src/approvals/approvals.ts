/** The open questions of a running tree: numbers them, ends those that get no answer, and passes answers to the engine. */
import { type AnswerWord, type EngineApprovals, newApprovalWords, type Question } from "../engines/approval.ts";
import { describe } from "../events/describe.ts";
import type { PolicyDescription } from "../events/record.ts";
import type { Answer, AnswerLine, ClosedLine, QuestionLine } from "./protocol.ts";

/** The most questions at one time; the engine refuses further calls. */
const mostQuestions = 16;
/** Milliseconds between tests whether callers still wait. */
const lookInterval = 500;

export interface ApprovalsOptions {
  readonly policy: PolicyDescription;
  /** Milliseconds until a question without an answer ends. */
  readonly patience: number;
  /** Called with each question and each end of one. */
  readonly onChange: (line: QuestionLine | ClosedLine) => void;
}

interface OpenQuestion {
  readonly line: QuestionLine;
  readonly isWaiting: () => boolean;
  readonly answer: (word: AnswerWord, seconds?: number) => void;
  readonly timer: NodeJS.Timeout;
}

export class Approvals implements EngineApprovals {
  readonly words = newApprovalWords(mostQuestions);
  readonly #options: ApprovalsOptions;
  /** By number. */
  readonly #open = new Map<number, OpenQuestion>();
  #count = 0;
  #looking: NodeJS.Timeout | undefined;

  constructor(options: ApprovalsOptions) {
    this.#options = options;
  }

  /** The name of the policy. */
  get policy(): string {
    return this.#options.policy.name;
  }

  /** The open questions, the oldest first. */
  get open(): readonly QuestionLine[] {
    return [...this.#open.values()].map(({ line }) => line);
  }

  readonly onQuestion: EngineApprovals["onQuestion"] = (question, answer) => {
    const { patience, onChange } = this.#options;
    const number = ++this.#count;
    const line = this.#describe(question, number);
    const timer = setTimeout(() => this.#close(number, "late"), patience);
    this.#open.set(number, { line, isWaiting: question.isWaiting, answer, timer });
    this.#looking ??= setInterval(() => this.#look(), lookInterval);
    onChange(line);
  };

  /** Undefined, or a sentence that says why the answer has no effect. */
  answer({ question, answer, for: seconds }: AnswerLine): string | undefined {
    const open = this.#open.get(question);
    if (open === undefined) return `question ${question} is not open`;
    if (!open.isWaiting()) {
      this.#close(question, "withdrawn");
      return `the caller of question ${question} no longer waits`;
    }
    if (answer === "always" && !open.line.repeatable)
      return `question ${question} can only be allowed once: the policy does not read the memory behind all arguments of the call`;
    this.#close(question, answer, seconds);
    return undefined;
  }

  /** The tree has ended. */
  end(): void {
    for (const number of [...this.#open.keys()]) this.#close(number, "withdrawn");
  }

  #describe({ record, isRepeatable }: Question, number: number): QuestionLine {
    const { policy, patience } = this.#options;
    const [event] = describe(policy, record);
    if (event?.kind !== "decision") throw new Error("the record of a question is no decision");
    const { verdict: _verdict, errno: _errno, ...call } = event;
    const until = Math.round(record.time + patience) / 1000;
    return { ...call, kind: "question", question: number, until, repeatable: isRepeatable };
  }

  #look(): void {
    for (const [number, { isWaiting }] of [...this.#open]) if (!isWaiting()) this.#close(number, "withdrawn");
  }

  #close(number: number, answer: Answer | "late" | "withdrawn", seconds?: number): void {
    const open = this.#open.get(number)!;
    clearTimeout(open.timer);
    this.#open.delete(number);
    if (this.#open.size === 0) {
      clearInterval(this.#looking);
      this.#looking = undefined;
    }
    open.answer(answer, seconds);
    this.#options.onChange({ v: 1, kind: "closed", question: number, answer });
  }
}
