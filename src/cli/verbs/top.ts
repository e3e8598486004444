/** `portcullis top`: shows the status of a running tree (src/status), again each second. */
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { jsonText } from "../../diagnostics/width.ts";
import { readStatus } from "../../status/client.ts";
import { statusFolder, statusSockets } from "../../status/location.ts";
import { SocketError } from "../../status/socket.ts";
import type { Context } from "../context.ts";
import { wholeNumber } from "../numbers.ts";
import { noMoreWords } from "../policy/arguments.ts";
import { statusScreen } from "../top-screen.ts";
import { Failure, failed, type Verb } from "../verb.ts";

export const top: Verb = {
  name: "top",
  summary: "Show a running tree, live",
  synopsis: ["top [OPTIONS] [PID|SOCKET]"],
  about: [
    "Shows a tree that `portcullis run --status auto` has started, and updates the display each second until the tree ends: the calls that the supervisor judges, in total and per second for each rule; the phases, counters and flags of each process and of the tree; how full tables are; and the last refusals. Calls that the kernel's filter decides by itself are not counted. If the kernel itself judges, only refused calls are counted, and top lists the data that it cannot show.",
    "Without an argument, top shows the only such tree of this user. PID is portcullis's process, and SOCKET the socket of `run --status SOCKET`. If standard output is not a terminal, the status is printed once, unless --json is given.",
    "A judgement never waits for top: the supervisor counts in shared memory. It copies the state after judgements that change a phase, and while a reader is connected once a second, after a judgement. top marks a state that is older than the last judgements. A reader that stops reading costs nothing.",
    "The socket has mode 0600. It refuses processes of the confined tree, and a ninth reader. top refuses a socket whose server is under more filters than top itself, so that a confined process cannot make top read its own socket (docs/internals/processes.md).",
  ],
  options: {
    json: { about: "Print one JSON object per line, each second (docs/events.md)." },
    count: { short: "n", value: "N", about: "Exit after N updates." },
  },
  complete: "file",
  exit: [
    ["0", "The tree has ended, or top has shown N updates."],
    [
      String(failed),
      "There is no such tree, there are several, its socket refuses top, or top does not trust the server of the socket.",
    ],
  ],
  examples: [
    ["portcullis run --status auto -p web.ts -- nginx -g 'daemon off;'", "Start a tree that top can show"],
    ["portcullis top", "The only one"],
    ["portcullis top --json -n 1 4242 | jq .perSecond", "For a script"],
  ],
  async execute(invocation, context) {
    const [word, ...more] = invocation.words;
    noMoreWords(more);
    const isJson = invocation.has("json");
    const isTerminal = process.stdout.isTTY === true && !isJson;
    const count = wholeNumber(invocation, "count", 1e9) ?? (isJson || isTerminal ? Number.POSITIVE_INFINITY : 1);
    const socket = chosenSocket(word);
    let times = 0;
    try {
      await readStatus(socket, (status) => {
        times++;
        if (isJson) context.out(`${jsonText(status)}\n`);
        else print(statusScreen(status, isTerminal ? screen() : undefined), isTerminal, context);
        return times < count;
      });
    } catch (error) {
      if (!(error instanceof SocketError)) throw error;
      throw new Failure([diagnostic("P0915", error.message, { help: error.help })]);
    }
    return 0;
  },
};

/** A terminal that does not know its size says 0. */
function screen(): { columns: number; rows: number } {
  const { columns, rows } = process.stdout;
  return { columns: columns || 80, rows: (rows || 24) - 1 };
}

/** The lines are safe for a terminal. On one, each replaces the line that was there. */
function print(lines: readonly string[], isTerminal: boolean, context: Context): void {
  if (isTerminal) process.stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
  else context.out(`${lines.join("\n")}\n`);
}

/** @throws Failure */
function chosenSocket(word: string | undefined): string {
  if (word !== undefined && !/^\d+$/.test(word)) return word;
  const sockets = statusSockets();
  if (word !== undefined) {
    const found = sockets.find(({ pid }) => pid === Number(word));
    if (found !== undefined) return found.socket;
    throw unknown(
      `portcullis ${word} has no status socket in ${statusFolder()}`,
      sockets.map(({ pid }) => pid),
    );
  }
  const [only, ...others] = sockets;
  if (only === undefined) throw unknown(`no tree of this user has a status socket in ${statusFolder()}`, []);
  if (others.length > 0)
    throw unknown(
      "several trees have a status socket",
      sockets.map(({ pid }) => pid),
    );
  return only.socket;
}

function unknown(message: string, pids: readonly number[]): Failure {
  const help =
    pids.length === 0 ? "portcullis run --status auto -p POLICY -- COMMAND" : `portcullis top ${pids.join(" or ")}`;
  return new Failure([diagnostic("P0915", message, { help })]);
}
