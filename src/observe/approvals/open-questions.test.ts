import { afterEach, expect, test, vi } from "vitest";
import { SocketError } from "../status/socket.ts";
import { ApprovalClient } from "./client.ts";
import { ended, type OpenQuestion, OpenQuestions } from "./open-questions.ts";
import type { ServerLine } from "./protocol.ts";

afterEach(() => vi.restoreAllMocks());

const run: ServerLine = { v: 1, kind: "run", pid: 7, policy: "p", open: 0 };
const question = (number: number) => ({ v: 1, kind: "question", question: number }) as ServerLine;

function served(lines: () => AsyncGenerator<ServerLine>): {
  readonly questions: OpenQuestions;
  readonly seen: OpenQuestion[];
} {
  vi.spyOn(ApprovalClient, "open").mockResolvedValue({ lines } as ApprovalClient);
  const seen: OpenQuestion[] = [];
  const questions: OpenQuestions = new OpenQuestions({
    question: () => seen.push(questions.find((one) => !seen.includes(one))!),
    fault: () => undefined,
  });
  return { questions, seen };
}

test("a question ends with its answer, and the others with the tree", async () => {
  const { questions, seen } = served(async function* () {
    yield* [run, question(1), question(2), { v: 1, kind: "closed", question: 1, answer: "allow" }];
  });
  await questions.follow("socket");
  expect(seen.map(({ name, ended: { reason } }) => [name, reason])).toEqual([
    ["7.1", "allow"],
    ["7.2", "withdrawn"],
  ]);
  await Promise.all(seen.map(ended));
});

test("a connection that fails ends its questions", async () => {
  const { questions, seen } = served(async function* () {
    yield* [run, question(1)];
    throw new SocketError("reset");
  });
  await expect(questions.follow("socket")).rejects.toThrow("reset");
  expect(seen[0]!.ended.reason).toBe("withdrawn");
  expect(questions.find(() => true)).toBeUndefined();
});
