/** The open questions of running trees, from their sockets. */
import { ApprovalClient } from "./client.ts";
import type { QuestionLine, ServerLine } from "./protocol.ts";
import { questionName } from "./text.ts";

/** Milliseconds between searches for new trees. */
const searchInterval = 500;

export interface OpenQuestion {
  readonly name: string;
  readonly line: QuestionLine;
  readonly client: ApprovalClient;
  /** Aborted when the question has ended, with its answer. */
  readonly ended: AbortSignal;
}

export interface Listener {
  /** A line of a server. */
  readonly line?: (line: ServerLine) => void;
  /** There is a new question. */
  readonly question: () => void;
  /** An answer had no effect, or a socket cannot be read. */
  readonly fault: (text: string) => void;
}

export class OpenQuestions {
  readonly #listener: Listener;
  readonly #open = new Map<string, { readonly question: OpenQuestion; readonly end: AbortController }>();

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  /** The oldest one that fulfils the condition. */
  find(condition: (question: OpenQuestion) => boolean): OpenQuestion | undefined {
    for (const { question } of this.#open.values()) if (condition(question)) return question;
    return undefined;
  }

  /** Reads a tree's questions until it ends. @throws SocketError */
  async follow(socket: string): Promise<void> {
    const client = await ApprovalClient.open(socket);
    try {
      await this.#read(client);
    } finally {
      // Also after an error: nothing else would end the questions of a tree whose portcullis was killed.
      for (const [name, { question }] of this.#open) if (question.client === client) this.#end(name, "withdrawn");
    }
  }

  /** Follows the trees of these sockets, and those that come later, until the signal. */
  async followAll(sockets: () => readonly string[], until?: AbortSignal): Promise<void> {
    const known = new Set<string>();
    while (until?.aborted !== true) {
      for (const socket of sockets()) {
        if (known.has(socket)) continue;
        known.add(socket);
        // A tree that has just ended leaves its socket for a moment.
        this.follow(socket)
          .catch((error: unknown) => this.#listener.fault(error instanceof Error ? error.message : `${error}`))
          .finally(() => known.delete(socket));
      }
      await new Promise((resolve) => setTimeout(resolve, searchInterval));
    }
  }

  async #read(client: ApprovalClient): Promise<void> {
    let pid = 0;
    for await (const line of client.lines()) {
      this.#listener.line?.(line);
      const name = "question" in line ? questionName(pid, line.question) : "";
      switch (line.kind) {
        case "run":
          pid = line.pid;
          break;
        case "question": {
          const end = new AbortController();
          this.#open.set(name, { question: { name, line, client, ended: end.signal }, end });
          this.#listener.question();
          break;
        }
        case "closed":
          this.#end(name, line.answer);
          break;
        case "error":
          this.#listener.fault(line.text);
      }
    }
  }

  #end(name: string, answer: string): void {
    this.#open.get(name)?.end.abort(answer);
    this.#open.delete(name);
  }
}

/** Waits until a question has ended. */
export function ended({ ended: signal }: OpenQuestion): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
