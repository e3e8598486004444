/** `portcullis top`: shows the status of a running tree (src/observe/status), again each second. */
import { existsSync } from "node:fs";
import { askAgent, controlSocketsIn } from "../../agent/control.ts";
import { agentFolders, controlSocket } from "../../agent/folders.ts";
import type { TreeStatus } from "../../agent/trees.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { jsonText } from "../../diagnostics/width.ts";
import { originName } from "../../events/line.ts";
import { readStatus, type StatusPlace } from "../../observe/status/client.ts";
import { statusFolder, statusSockets } from "../../observe/status/location.ts";
import { SocketError } from "../../observe/status/socket.ts";
import type { Status } from "../../observe/status/status.ts";
import type { Context } from "../context.ts";
import { wholeNumber } from "../numbers.ts";
import { noMoreWords } from "../policy/arguments.ts";
import { readProcesses, type ShownProcess } from "../top/processes.ts";
import { firstView, type ScreenLine, statusScreen, viewAfter } from "../top/screen.ts";
import { Terminal, type TerminalUser } from "../top/terminal.ts";
import { Failure, failed, type Invocation, type Verb } from "../verb.ts";

export const top: Verb = {
  name: "top",
  synopsis: ["top [OPTIONS] [PID|SOCKET|TREE]"],
  about: [
    "Shows a tree that `portcullis run --status auto` has started, and updates the display each second until the tree ends: the refused calls, in groups of equal call, verdict, program, role and phase; the calls that the supervisor judges, in total and per second for each rule; the tree of processes with their phases, counters and flags; and how full tables are. Calls that the kernel's filter decides by itself are not counted. If the kernel itself judges, only refused calls are counted, and top lists the data that it cannot show. Of a policy with roles, top shows the phase of a process's own role (`childPhase` of the role `child`).",
    "Keys: q ends top. o chooses the order: refusals first, calls a second, or calls in all. t shows processes as a tree or as a list. r, c and p show only the refused calls, the calls, or the processes, and again all. ? lists the keys. At every end, also by a signal, top restores the terminal; if the tree has ended, the last screen stays.",
    "Without an argument, top shows the only such tree of this user, those of agents among them. PID is portcullis's process, and SOCKET the socket of `run --status SOCKET`. TREE is a tree of `portcullis agent`: its number, the beginning of its container's id, or NAMESPACE/POD/CONTAINER, as `portcullis agent status` prints them. If standard output is not a terminal, or $TERM is dumb, the status is printed once, unless --json is given.",
    "A judgement never waits for top: the supervisor counts in shared memory. It copies the state after judgements that change a phase, and while a reader is connected once a second, after a judgement. top marks a state that is older than the last judgements. A reader that stops reading costs nothing.",
    "The socket has mode 0600. It refuses processes of the confined tree, and a ninth reader. top refuses a socket whose server is under more filters than top itself, so that a confined process cannot make top read its own socket (docs/internals/processes.md).",
  ],
  options: {
    json: { about: "Print one JSON object per line, each second (docs/events.md)." },
    count: { short: "n", value: "N", about: "Exit after N updates." },
    agent: {
      value: "PATH",
      about: "The socket of `agent --socket PATH`, whose tree is meant. Default: root's agent and this user's.",
      complete: "file",
    },
  },
  complete: "file",
  exit: [
    ["0", "The tree has ended, the key q was pressed, or top has shown N updates."],
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
    const isTerminal = process.stdout.isTTY === true && context.environment["TERM"] !== "dumb" && !isJson;
    const count = wholeNumber(invocation, "count", 1e9) ?? (isJson || isTerminal ? Number.POSITIVE_INFINITY : 1);
    try {
      const place = await chosenPlace(word, invocation);
      if (isTerminal) await showOnTerminal(place, count, context);
      else await print(place, count, isJson, context);
    } catch (error) {
      if (!(error instanceof SocketError)) throw error;
      throw new Failure([diagnostic("P0915", error.message, { help: error.help })]);
    }
    return 0;
  },
};

async function print(place: StatusPlace, count: number, isJson: boolean, context: Context): Promise<void> {
  let times = 0;
  await readStatus(place, (status) => {
    times++;
    if (isJson) context.out(`${jsonText(status)}\n`);
    else context.out(textOf(statusScreen(status, readProcesses(status), firstView, undefined)));
    return times < count;
  });
}

/** The last screen stays on the terminal, unless a key ends top. */
async function showOnTerminal(place: StatusPlace, count: number, context: Context): Promise<void> {
  const stop = new AbortController();
  let terminal: Terminal | undefined;
  let view = firstView;
  let last: readonly ScreenLine[] = [];
  let shown: { readonly status: Status; readonly processes: readonly ShownProcess[] } | undefined;
  const draw = () => {
    if (terminal === undefined || shown === undefined) return;
    last = statusScreen(shown.status, shown.processes, { ...view, hasKeys: terminal.hasKeys }, terminal.size);
    terminal.draw(last);
  };
  const user: TerminalUser = {
    onRedraw: draw,
    onGone: () => stop.abort(),
    onKey: (key) => {
      if (key === "q" || key === "Q") stop.abort();
      view = viewAfter(view, key);
      draw();
    },
  };
  let times = 0;
  try {
    await readStatus(
      place,
      (status) => {
        times++;
        shown = { status, processes: readProcesses(status) };
        // Errors before are printed on the ordinary screen.
        terminal ??= new Terminal(user, context.colour.out);
        draw();
        return times < count;
      },
      stop.signal,
    );
  } finally {
    terminal?.close();
  }
  if (stop.signal.aborted) return;
  const lines = last.filter(({ style }) => style !== "keys");
  while (lines.at(-1)?.text === "") lines.pop();
  context.out(textOf(lines));
  if (times < count) context.out("\nthe tree has ended\n");
}

function textOf(lines: readonly ScreenLine[]): string {
  return lines.map(({ text }) => `${text}\n`).join("");
}

/** @throws Failure, SocketError */
async function chosenPlace(word: string | undefined, invocation: Invocation): Promise<StatusPlace> {
  const agent = invocation.text("agent");
  if (agent === undefined && word?.includes("/") === true && existsSync(word)) return { socket: word };
  const runs = agent === undefined ? statusSockets() : [];
  const run = runs.find(({ pid }) => word === String(pid));
  if (run !== undefined) return run;
  const trees = await agentTrees(agent);
  const named = word === undefined ? trees : trees.filter(({ tree }) => isNamed(tree, word));
  const [only, ...others] = [...(word === undefined ? runs : []), ...named.map(({ place }) => place)];
  if (only !== undefined && others.length === 0) return only;
  // A name that is no tree's can be that of a socket in the working directory.
  if (only === undefined && word !== undefined && agent === undefined && !/^\d+$/.test(word)) return { socket: word };
  const known = [...runs.map(({ pid }) => String(pid)), ...trees.map(({ tree }) => String(tree.number))];
  const help =
    known.length === 0 ? "portcullis run --status auto -p POLICY -- COMMAND" : `portcullis top ${known.join(" or ")}`;
  throw new Failure([diagnostic("P0915", missingTree(word, only !== undefined), { help })]);
}

function missingTree(word: string | undefined, areSeveral: boolean): string {
  if (areSeveral) return word === undefined ? "several trees have a status socket" : `${word} names several trees`;
  const where = `status socket in ${statusFolder()}`;
  return word === undefined ? `no tree of this user has a ${where}` : `portcullis ${word} has no ${where}`;
}

/** The trees of this agent, or of all that answer. @throws SocketError */
async function agentTrees(
  agent: string | undefined,
): Promise<readonly { readonly tree: TreeStatus; readonly place: StatusPlace }[]> {
  const sockets = agent === undefined ? controlSocketsIn(agentFolders()) : [controlSocket(agent)];
  const found = await Promise.all(
    sockets.map(async (socket) => {
      const answer = askAgent(socket);
      const { trees } = await (agent === undefined ? answer.catch(() => ({ trees: [] })) : answer);
      return trees.map((tree) => ({ tree, place: { socket, question: `tree ${tree.number}` } }));
    }),
  );
  return found.flat();
}

function isNamed({ number, container, origin }: TreeStatus, word: string): boolean {
  if (word === "") return false;
  return String(number) === word || container?.id.startsWith(word) === true || originName(origin) === word;
}
