/**
 * The open questions of a running tree: numbers them, ends those that get no answer, and passes answers to the engine or to
 * the proxy of the hosts.
 */
import { type AnswerWord, type EngineApprovals, newApprovalWords } from "../../engines/engine/approval.ts";
import { describe } from "../../events/describe.ts";
import type { PolicyDescription } from "../../events/record.ts";
import type { HostAnswer, HostQuestion } from "../../hosts/refusal.ts";
import type { Answer, AnswerLine, ClosedLine, QuestionLine } from "./protocol.ts";

/** The most questions of calls at one time, and of hosts; further ones are refused. */
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
  /** Hosts that are always allowed, as "host:port", and until when, in milliseconds. */
  readonly #hosts = new Map<string, number>();
  #count = 0;
  #openHosts = 0;
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

  readonly onQuestion: EngineApprovals["onQuestion"] = ({ record, isRepeatable, isWaiting }, answer) => {
    const { policy, patience } = this.#options;
    const [event] = describe(policy, record);
    if (event?.kind !== "decision") throw new Error("the record of a question is no decision");
    const { verdict: _verdict, errno: _errno, ...call } = event;
    const until = untilOf(record.time, patience);
    this.#add((question) => ({ ...call, kind: "question", question, until, repeatable: isRepeatable }), {
      isWaiting,
      answer,
    });
  };

  /** A question of the proxy about a name that no list of hosts permits. `isNew`: no earlier answer holds for it. */
  readonly onHost = (
    { host, port, route, reason, rule }: HostQuestion,
    answer: (answer: HostAnswer, isNew: boolean) => void,
  ): void => {
    const key = `${host}:${port}`;
    const allowedUntil = this.#hosts.get(key);
    if (allowedUntil !== undefined && performance.now() < allowedUntil) return answer("allowed", false);
    if (this.#openHosts >= mostQuestions) return answer("too-many", false);
    this.#openHosts++;
    const { patience } = this.#options;
    const now = Date.now();
    const common = {
      v: 1,
      kind: "question",
      time: now / 1000,
      until: untilOf(now, patience),
      repeatable: true,
    } as const;
    const about = { host, port, route, reason, rule, policy: this.policy };
    this.#add((question) => ({ ...common, question, ...about }), {
      // A connection that its program gives up is closed after the answer.
      isWaiting: () => true,
      answer: (word, seconds = 0) => {
        this.#openHosts--;
        if (word === "always")
          this.#hosts.set(key, seconds === 0 ? Number.POSITIVE_INFINITY : performance.now() + 1000 * seconds);
        answer(hostAnswerOf[word], true);
      },
    });
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

  #add(lineOf: (question: number) => QuestionLine, rest: Pick<OpenQuestion, "isWaiting" | "answer">): void {
    const number = ++this.#count;
    const line = lineOf(number);
    const timer = setTimeout(() => this.#close(number, "late"), this.#options.patience);
    this.#open.set(number, { line, timer, ...rest });
    this.#looking ??= setInterval(() => this.#look(), lookInterval);
    this.#options.onChange(line);
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

const hostAnswerOf: { readonly [W in AnswerWord]: HostAnswer } = {
  allow: "allowed",
  always: "allowed",
  deny: "denied",
  late: "late",
  withdrawn: "late",
};

/** Seconds since the epoch. */
function untilOf(milliseconds: number, patience: number): number {
  return Math.round(milliseconds + patience) / 1000;
}
