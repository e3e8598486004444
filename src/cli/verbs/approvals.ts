/** `portcullis approvals`: shows the questions of running trees (src/observe/approvals), and answers them. */

import { diagnostic } from "../../diagnostics/catalogue.ts";
import { nearestName } from "../../diagnostics/suggest.ts";
import { jsonText, safeText } from "../../diagnostics/width.ts";
import { preventTracing } from "../../engines/engine/run.ts";
import { ApprovalClient, approvalSockets } from "../../observe/approvals/client.ts";
import type { Answer, AnswerLine, QuestionLine, RunLine } from "../../observe/approvals/protocol.ts";
import { aboutText, questionName } from "../../observe/approvals/text.ts";
import { watch } from "../../observe/approvals/watch.ts";
import { statusFolder } from "../../observe/status/location.ts";
import { SocketError } from "../../observe/status/socket.ts";
import type { Context } from "../context.ts";
import { duration } from "../numbers.ts";
import { missing, noMoreWords, refuseOptionsOfOthers } from "../policy/arguments.ts";
import { Failure, failed, type Invocation, type Verb } from "../verb.ts";

const actions = ["list", "allow", "deny", "watch", "terminal"] as const;
type Action = (typeof actions)[number];

export const approvals: Verb = {
  name: "approvals",
  synopsis: [
    "approvals [list]",
    "approvals allow|deny QUESTION…",
    "approvals watch",
    "approvals terminal -- portcullis run [OPTIONS] -- COMMAND [ARGUMENT…]",
  ],
  about: [
    "A call whose verdict is `ask` waits until a person allows it (docs/approvals.md). This verb shows the questions of all trees that this user has started with `portcullis run`, and answers them. QUESTION is the name that list and the notice of run print, PID.NUMBER, or NUMBER if only one tree asks.",
    "list prints the open questions. allow lets the call pass once; with --always it also allows equal calls of the same tree: the same call, line of the policy, arguments and memory. deny fails the call with EPERM. watch prints each question and reads the answer from standard input: a (allow), A (always), d (deny), or nothing to go on to the next one.",
    "terminal starts a command on a terminal of its own, which it shows on this one, and asks here about the questions of the trees that the command starts. Meanwhile the command gets no keys. An answer that allows is the question's random number, so what is typed for the command, or what it makes the terminal send, allows nothing.",
    "An allowed call is judged again, and passes only if no stricter verdict holds by then. A question ends without an answer after the time of `run --ask-timeout`.",
    "Only processes outside the tree can answer. A process of the same user that no policy confines can do so on behalf of the tree, for example a terminal multiplexer or a session bus that the tree reaches.",
  ],
  options: {
    always: { about: "With allow: also allow equal calls of this tree." },
    for: { value: "TIME", about: "With --always: until this time has passed. Default: as long as the tree lives." },
    socket: {
      value: "SOCKET",
      about: "The socket of `run --ask-socket SOCKET`, instead of all trees of this user.",
      complete: "file",
    },
    json: { about: "With list and watch: print one JSON object per line, and read none." },
  },
  complete: actions,
  exit: [
    ["0", "The questions were shown or answered."],
    ["N", "With terminal: the command's own status; 128+N if signal N has ended it."],
    ["1", "A question is not open, or cannot be answered in this way."],
    [String(failed), "No tree asks, its socket refuses this process, or the command line is wrong."],
  ],
  examples: [
    ["portcullis approvals watch", "Answer in a second terminal"],
    ["portcullis approvals terminal -- portcullis run -q -p push.ts -- bash", "Answer in the terminal of the command"],
    ["portcullis approvals allow 4242.1 --always --for 10min", "Also for equal calls of the next ten minutes"],
  ],
  async execute(invocation, context) {
    preventTracing();
    const [word = "list", ...words] = invocation.words;
    const action = actions.find((name) => name === word);
    if (action === undefined) throw unknownAction(word);
    refuseOptionsOfOthers(invocation, "approvals", action, usersOf);
    try {
      return await perform[action](words, invocation, context);
    } catch (error) {
      if (!(error instanceof SocketError)) throw error;
      throw new Failure([diagnostic("P0915", error.message, { help: error.help })]);
    }
  },
};

const usersOf: { readonly [option: string]: readonly Action[] } = {
  always: ["allow"],
  for: ["allow", "watch", "terminal"],
  json: ["list", "watch"],
};

type Performer = (words: readonly string[], invocation: Invocation, context: Context) => Promise<number>;

const perform: { readonly [A in Action]: Performer } = {
  async list(words, invocation, context) {
    noMoreWords(words);
    for (const socket of socketsOf(invocation)) {
      for (const { line, pid } of await openQuestions(socket))
        context.out(`${invocation.has("json") ? jsonText(line) : shown(line, pid)}\n`);
    }
    return 0;
  },
  allow: (words, invocation, context) =>
    answerAll(words, invocation, context, invocation.has("always") ? "always" : "allow"),
  deny: (words, invocation, context) => answerAll(words, invocation, context, "deny"),
  async watch(words, invocation, context) {
    noMoreWords(words);
    await watch({
      sockets: () => socketsOf(invocation),
      endsWithThem: invocation.has("socket"),
      json: invocation.has("json"),
      seconds: secondsOf(invocation),
      out: context.out,
    });
    return 0;
  },
  async terminal(words, invocation) {
    if (words.length === 0) throw missing("the command", "portcullis approvals terminal -- portcullis run …");
    if (!process.stdin.isTTY || !process.stdout.isTTY) {
      const help = "portcullis approvals watch, in another terminal; or --ask-socket of run, for a program";
      throw new Failure([diagnostic("P0915", "standard input and output are no terminal to ask on", { help })]);
    }
    const { runOnTerminal } = await import("../../observe/approvals/terminal/terminal.ts");
    return await runOnTerminal({ command: words, socket: invocation.text("socket"), seconds: secondsOf(invocation) });
  },
};

function socketsOf(invocation: Invocation): readonly string[] {
  const socket = invocation.text("socket");
  return socket === undefined ? approvalSockets().map((one) => one.socket) : [socket];
}

interface Found {
  readonly line: QuestionLine;
  readonly pid: number;
}

/** The open questions of a tree, which may have ended. */
async function openQuestions(socket: string): Promise<readonly Found[]> {
  const client = await ApprovalClient.open(socket);
  const found: Found[] = [];
  let run: RunLine | undefined;
  for await (const line of client.lines()) {
    if (line.kind === "run") run = line;
    if (line.kind === "question" && run !== undefined) found.push({ line, pid: run.pid });
    if (run !== undefined && found.length >= run.open) break;
  }
  client.close();
  return found;
}

function shown(line: QuestionLine, pid: number): string {
  const seconds = Math.max(0, Math.round(line.until - Date.now() / 1000));
  return safeText(`${questionName(pid, line.question)} (${seconds} s): ${aboutText(line)}`);
}

async function answerAll(
  words: readonly string[],
  invocation: Invocation,
  context: Context,
  answer: Answer,
): Promise<number> {
  if (words.length === 0) throw missing("the question", `portcullis approvals ${invocation.words[0]} 4242.1`);
  const seconds = secondsOf(invocation);
  let status = 0;
  // No question is answered if one of the words names none.
  const questions = words.map((word) => named(word, invocation));
  for (const question of questions) {
    const fault = await answerOne(question, { answer, ...(seconds === undefined ? {} : { for: seconds }) });
    if (fault === undefined) continue;
    context.err(`portcullis: ${safeText(fault)}\n`);
    status = 1;
  }
  return status;
}

/** Whole seconds, at least one. */
function secondsOf(invocation: Invocation): number | undefined {
  const time = duration(invocation, "for");
  if (time === undefined) return undefined;
  if (!invocation.has("always") && !["watch", "terminal"].includes(invocation.words[0] ?? ""))
    throw missing("--always beside --for", "portcullis approvals allow QUESTION --always --for 10min");
  return Math.max(1, Math.round(time / 1000));
}

/** @throws Failure */
function named(word: string, invocation: Invocation): { readonly socket: string; readonly question: number } {
  const [, pid, question] = /^(?:(\d{1,10})\.)?(\d{1,10})$/.exec(word) ?? [];
  if (question === undefined)
    throw new Failure([
      diagnostic("P0907", `${word} is no question`, { help: "PID.NUMBER, as `portcullis approvals` prints it" }),
    ]);
  const socket = invocation.text("socket");
  if (socket !== undefined) return { socket, question: Number(question) };
  const runs = approvalSockets().filter((run) => pid === undefined || run.pid === Number(pid));
  const [only, ...others] = runs;
  if (only === undefined) throw noTree(pid);
  if (others.length > 0)
    throw new Failure([
      diagnostic("P0915", "several trees have questions", {
        help: runs.map((run) => questionName(run.pid, Number(question))).join(" or "),
      }),
    ]);
  return { socket: only.socket, question: Number(question) };
}

function noTree(pid: string | undefined): Failure {
  const which = pid === undefined ? "no tree of this user" : `portcullis ${pid} has no tree that`;
  return new Failure([
    diagnostic("P0915", `${which} asks: there is no socket in ${statusFolder()}`, {
      help: "portcullis run with a policy whose verdict can be `ask`",
    }),
  ]);
}

/** Undefined if the question has this answer, or a sentence. */
async function answerOne(
  { socket, question }: { readonly socket: string; readonly question: number },
  answer: Omit<AnswerLine, "question">,
): Promise<string | undefined> {
  const client = await ApprovalClient.open(socket);
  let open: number | undefined;
  try {
    for await (const line of client.lines()) {
      if (line.kind === "error") return line.text;
      if (line.kind === "closed" && line.question === question)
        return line.answer === answer.answer ? undefined : `question ${question} has ended: ${line.answer}`;
      if (line.kind === "run") open = line.open;
      // After the open questions, so that no other line of the server precedes the result.
      if (line.kind === "question" && open !== undefined) open--;
      if (open === 0) {
        open = undefined;
        client.answer({ question, ...answer });
      }
    }
    return `the tree of question ${question} has ended`;
  } finally {
    client.close();
  }
}

function unknownAction(word: string): Failure {
  const near = nearestName(word, actions);
  return new Failure([
    diagnostic("P0907", `${word} is not one of ${actions.join(", ")}`, {
      help: near === undefined ? "portcullis help approvals" : `portcullis approvals ${near}`,
    }),
  ]);
}
