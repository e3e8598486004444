import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type AnswerWord, answerWords } from "../../engines/engine/approval.ts";
import type { JudgementRecord, PolicyDescription } from "../../events/record.ts";
import { Approvals } from "./approvals.ts";
import type { ClosedLine, QuestionLine } from "./protocol.ts";

const policy: PolicyDescription = {
  architecture: "x86_64",
  name: "push",
  files: ["push.ts"],
  verdicts: [
    { action: "allow", errno: 0, reason: undefined, at: undefined },
    { action: "ask", errno: 0, reason: "it pushes", at: { file: 0, line: 3, column: 5, length: 1 } },
  ],
  reports: [],
  phases: [],
};
const record: JudgementRecord = {
  ...{ kind: "judgement", time: 1000, pid: 7, tid: 7, command: "git", architecture: 0xc000003e, number: 39 },
  ...{ arguments: [0n, 0n, 0n, 0n, 0n, 0n], verdict: 1, phases: [], reports: [], audit: false },
};

let lines: (QuestionLine | ClosedLine)[] = [];
let answers: [AnswerWord, number | undefined][] = [];
let approvals: Approvals;
beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
  answers = [];
  approvals = new Approvals({ policy, patience: 60_000, onChange: (line) => lines.push(line) });
});
afterEach(() => {
  vi.useRealTimers();
});

function ask(isWaiting = () => true, isRepeatable = true): void {
  approvals.onQuestion({ place: 0, record, isRepeatable, isWaiting }, (word, seconds) => answers.push([word, seconds]));
}

describe("a question", () => {
  test("has the event of its call, a number and an end", () => {
    ask();
    const { verdict: _, ...line } = { ...approvals.open[0]!, verdict: undefined };
    expect(line).toMatchObject({ kind: "question", question: 1, call: "getpid", until: 61, rule: "push.ts:3:5" });
    expect(lines).toHaveLength(1);
  });

  test("has one answer", () => {
    ask();
    expect(approvals.answer({ question: 1, answer: "allow" })).toBeUndefined();
    expect(answers).toEqual([["allow", undefined]]);
    expect(lines[1]).toEqual({ v: 1, kind: "closed", question: 1, answer: "allow" });
    expect(approvals.answer({ question: 1, answer: "deny" })).toBe("question 1 is not open");
    vi.advanceTimersByTime(120_000);
    expect(answers).toHaveLength(1);
  });

  test("ends without an answer in time", () => {
    ask();
    vi.advanceTimersByTime(59_999);
    expect(answers).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(answers).toEqual([["late", undefined]]);
    expect(approvals.open).toEqual([]);
  });

  test("is withdrawn when its caller no longer waits", () => {
    let waits = true;
    ask(() => waits);
    ask();
    waits = false;
    vi.advanceTimersByTime(500);
    expect(answers).toEqual([["withdrawn", undefined]]);
    expect(approvals.open.map(({ question }) => question)).toEqual([2]);
  });

  test("is not answered for a caller that has ended", () => {
    ask(() => false);
    expect(approvals.answer({ question: 1, answer: "allow" })).toBe("the caller of question 1 no longer waits");
    expect(answers).toEqual([["withdrawn", undefined]]);
  });

  test("is allowed always only if all of its arguments are known", () => {
    ask(() => true, false);
    expect(approvals.answer({ question: 1, answer: "always" })).toMatch(/can only be allowed once/);
    expect(answers).toEqual([]);
    ask();
    expect(approvals.answer({ question: 2, answer: "always", for: 30 })).toBeUndefined();
    expect(answers).toEqual([["always", 30]]);
  });

  test("each answer has a word of its own", () => {
    expect(new Set(Object.values(answerWords)).size).toBe(Object.keys(answerWords).length);
  });
});

describe("a question about a host", () => {
  const about = { host: "a.org", port: 443, route: "connect", reason: "no entry permits it", rule: "--hosts" } as const;
  let given: [string, boolean][] = [];
  const askHost = () => approvals.onHost(about, (answer, isNew) => given.push([answer, isNew]));
  beforeEach(() => {
    given = [];
  });

  test("has the host in place of a call", () => {
    askHost();
    expect(approvals.open).toEqual([
      expect.objectContaining({ ...about, kind: "question", question: 1, repeatable: true }),
    ]);
    approvals.answer({ question: 1, answer: "deny" });
    expect(given).toEqual([["denied", true]]);
  });

  test("that is always allowed is not asked again, for its time", () => {
    askHost();
    approvals.answer({ question: 1, answer: "always", for: 10 });
    askHost();
    expect(given).toEqual([
      ["allowed", true],
      ["allowed", false],
    ]);
    vi.advanceTimersByTime(10_000);
    askHost();
    expect(approvals.open).toHaveLength(1);
    vi.advanceTimersByTime(60_000);
    expect(given.at(-1)).toEqual(["late", true]);
  });

  test("is refused if too many are open", () => {
    for (let count = 0; count < 17; count++) askHost();
    expect(given).toEqual([["too-many", false]]);
    expect(approvals.open).toHaveLength(16);
  });
});
