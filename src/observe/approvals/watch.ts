/** Shows the questions of running trees as they come, and reads their answers from standard input. */
import { createInterface } from "node:readline/promises";
import { jsonText, safeText } from "../../diagnostics/width.ts";
import { ApprovalClient } from "./client.ts";
import type { Answer, QuestionLine } from "./protocol.ts";
import { aboutText, questionName } from "./text.ts";

/** Milliseconds between searches for new trees. */
const searchInterval = 500;

export interface WatchOptions {
  readonly sockets: () => readonly string[];
  /** Return when their trees have ended, instead of waiting for further ones. */
  readonly endsWithThem: boolean;
  /** Print the server's lines, and read no answers. */
  readonly json: boolean;
  /** With the answer `always`. */
  readonly seconds: number | undefined;
  readonly out: (text: string) => void;
}

const keys: ReadonlyMap<string, Answer> = new Map([
  ["a", "allow"],
  ["A", "always"],
  ["d", "deny"],
]);

interface Waiting {
  readonly name: string;
  readonly line: QuestionLine;
  readonly client: ApprovalClient;
  /** Aborted when the question has ended. */
  readonly ended: AbortController;
}

/** @throws SocketError if a socket of `endsWithThem` cannot be used */
export async function watch(options: WatchOptions): Promise<void> {
  const waiting = new Map<string, Waiting>();
  let wake = () => {};
  const known = new Set<string>();
  const follow = async (socket: string): Promise<void> => {
    const client = await ApprovalClient.open(socket);
    let pid = 0;
    for await (const line of client.lines()) {
      if (options.json) options.out(`${jsonText(line)}\n`);
      const name = "question" in line ? questionName(pid, line.question) : "";
      switch (line.kind) {
        case "run":
          pid = line.pid;
          break;
        case "question":
          waiting.set(name, { name, line, client, ended: new AbortController() });
          wake();
          break;
        case "closed":
          waiting.get(name)?.ended.abort(line.answer);
          waiting.delete(name);
          break;
        case "error":
          options.out(`portcullis: ${safeText(line.text)}\n`);
      }
    }
    for (const [name, one] of waiting) {
      if (one.client !== client) continue;
      one.ended.abort("withdrawn");
      waiting.delete(name);
    }
  };
  const prompt = options.json ? undefined : prompting(waiting, options, (wakes) => (wake = wakes));
  if (options.endsWithThem) await Promise.all(options.sockets().map(follow));
  else
    for (;;) {
      for (const socket of options.sockets()) {
        if (known.has(socket)) continue;
        known.add(socket);
        // A tree that has just ended leaves its socket for a moment.
        follow(socket)
          .catch((error: unknown) =>
            options.out(`portcullis: ${safeText(error instanceof Error ? error.message : `${error}`)}\n`),
          )
          .finally(() => known.delete(socket));
      }
      await new Promise((resolve) => setTimeout(resolve, searchInterval));
    }
  prompt?.close();
}

/** Asks about the oldest question, one at a time. */
function prompting(
  waiting: ReadonlyMap<string, Waiting>,
  { out, seconds }: WatchOptions,
  onWake: (wake: () => void) => void,
): { readonly close: () => void } {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const skipped = new Set<Waiting>();
  let isAsking = false;
  const ask = async (): Promise<void> => {
    if (isAsking) return;
    isAsking = true;
    for (;;) {
      const one = [...waiting.values()].find((each) => !skipped.has(each));
      if (one === undefined) break;
      out(`${safeText(`${one.name}: ${aboutText(one.line)}`)}\n`);
      const ways = one.line.repeatable
        ? "a: allow, A: always, d: deny, nothing: later"
        : "a: allow, d: deny, nothing: later";
      try {
        const key = await terminal.question(`${ways}> `, { signal: one.ended.signal });
        const answer = keys.get(key.trim());
        if (answer === undefined || (answer === "always" && !one.line.repeatable)) {
          if (key.trim() === "") skipped.add(one);
          continue;
        }
        const lasting = answer === "always" && seconds !== undefined ? { for: seconds } : {};
        one.client.answer({ question: one.line.question, answer, ...lasting });
        await ended(one.ended.signal);
      } catch (error) {
        if (!one.ended.signal.aborted) throw error;
        out(`\n${one.name} has ended: ${one.ended.signal.reason}\n`);
      }
    }
    isAsking = false;
  };
  onWake(() => void ask());
  return terminal;
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
