/** The lines of an approval socket, one JSON object each, in both directions (docs/approvals.md). */
import type { DecisionEvent } from "../../events/event.ts";
import type { HostQuestion } from "../../hosts/refusal.ts";

/** How a person answers. */
export const answerNames = ["allow", "always", "deny"] as const;
export type Answer = (typeof answerNames)[number];

/** The first line. */
export interface RunLine {
  readonly v: 1;
  readonly kind: "run";
  /** Portcullis's process. */
  readonly pid: number;
  readonly policy: string;
  /** So many questions follow that are open already. */
  readonly open: number;
}

interface CommonQuestion {
  readonly kind: "question";
  /** The first question of a run is 1. */
  readonly question: number;
  /** Seconds since the epoch: the call or the connection fails then. */
  readonly until: number;
  /** Whether `always` is an answer. It is not if the policy leaves memory behind a pointer of the call unread. */
  readonly repeatable: boolean;
}

/** A call that waits: its event, without a result. */
export interface CallQuestionLine
  extends CommonQuestion,
    Omit<DecisionEvent, "kind" | "verdict" | "errno" | "answered" | "count"> {}

/** A connection by name that waits: no list of hosts permits it. */
export interface HostQuestionLine extends CommonQuestion, HostQuestion {
  readonly v: 1;
  /** Seconds since the epoch. */
  readonly time: number;
  readonly policy: string;
}

export type QuestionLine = CallQuestionLine | HostQuestionLine;

/** A question has its answer. */
export interface ClosedLine {
  readonly v: 1;
  readonly kind: "closed";
  readonly question: number;
  /** "late": no answer came in time. "withdrawn": the caller no longer waits. */
  readonly answer: Answer | "late" | "withdrawn";
}

/** An answer that has no effect. */
export interface ErrorLine {
  readonly v: 1;
  readonly kind: "error";
  readonly text: string;
}

export type ServerLine = RunLine | QuestionLine | ClosedLine | ErrorLine;

export interface AnswerLine {
  readonly question: number;
  readonly answer: Answer;
  /** With `always`: seconds, 1 … 31,536,000. Without it the answer holds as long as the tree. */
  readonly for?: number;
}

const longest = 31_536_000;

/** The answer in a line, or a sentence that says why the line has no effect. Nothing but an exact `allow` or `always` allows. */
export function readAnswer(line: string): AnswerLine | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return "the line is not JSON";
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "the line is not a JSON object";
  const { question, answer, for: seconds, ...rest } = value as Readonly<Record<string, unknown>>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) return `an answer has no member ${JSON.stringify(unknown)}`;
  if (typeof question !== "number" || !Number.isSafeInteger(question) || question < 1)
    return "`question` is not the number of a question";
  const known = answerNames.find((name) => name === answer);
  if (known === undefined) return `\`answer\` is not one of ${answerNames.join(", ")}`;
  if (seconds === undefined) return { question, answer: known };
  if (known !== "always") return "`for` goes with the answer always";
  if (typeof seconds !== "number" || !Number.isInteger(seconds) || seconds < 1 || seconds > longest)
    return `\`for\` is not a whole number of seconds from 1 to ${longest}`;
  return { question, answer: known, for: seconds };
}

/** A line of a server. @throws SyntaxError for a line of another version */
export function readServerLine(line: string): ServerLine {
  const value: unknown = JSON.parse(line);
  const isKnown =
    typeof value === "object" &&
    value !== null &&
    "v" in value &&
    value.v === 1 &&
    "kind" in value &&
    (value.kind === "run" || value.kind === "question" || value.kind === "closed" || value.kind === "error");
  if (!isKnown) throw new SyntaxError("an unknown kind of line");
  return value as ServerLine;
}
