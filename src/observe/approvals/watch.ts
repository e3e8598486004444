/** Shows the questions of running trees as they come, and reads their answers from standard input. */
import { createInterface } from "node:readline/promises";
import { jsonText, safeText } from "../../diagnostics/width.ts";
import { ended, type OpenQuestion, OpenQuestions } from "./open-questions.ts";
import type { Answer } from "./protocol.ts";
import { aboutText } from "./text.ts";

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

/** @throws SocketError if a socket of `endsWithThem` cannot be used */
export async function watch(options: WatchOptions): Promise<void> {
  let wake = () => {};
  const questions = new OpenQuestions({
    line: (line) => options.json && options.out(`${jsonText(line)}\n`),
    question: () => wake(),
    fault: (text) => options.out(`portcullis: ${safeText(text)}\n`),
  });
  const prompt = options.json ? undefined : prompting(questions, options, (wakes) => (wake = wakes));
  if (options.endsWithThem) await Promise.all(options.sockets().map((socket) => questions.follow(socket)));
  else await questions.followAll(options.sockets);
  prompt?.close();
}

/** Asks about the oldest question, one at a time. */
function prompting(
  questions: OpenQuestions,
  { out, seconds }: WatchOptions,
  onWake: (wake: () => void) => void,
): { readonly close: () => void } {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const skipped = new Set<OpenQuestion>();
  let isAsking = false;
  const ask = async (): Promise<void> => {
    if (isAsking) return;
    isAsking = true;
    for (;;) {
      const one = questions.find((each) => !skipped.has(each));
      if (one === undefined) break;
      out(`${safeText(`${one.name}: ${aboutText(one.line)}`)}\n`);
      const ways = one.line.repeatable
        ? "a: allow, A: always, d: deny, nothing: later"
        : "a: allow, d: deny, nothing: later";
      try {
        const key = await terminal.question(`${ways}> `, { signal: one.ended });
        const answer = keys.get(key.trim());
        if (answer === undefined || (answer === "always" && !one.line.repeatable)) {
          if (key.trim() === "") skipped.add(one);
          continue;
        }
        const lasting = answer === "always" && seconds !== undefined ? { for: seconds } : {};
        one.client.answer({ question: one.line.question, answer, ...lasting });
        await ended(one);
      } catch (error) {
        if (!one.ended.aborted) throw error;
        out(`\n${one.name} has ended: ${one.ended.reason}\n`);
      }
    }
    isAsking = false;
  };
  onWake(() => void ask());
  return terminal;
}
