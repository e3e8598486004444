/** `portcullis agent`: supervises the trees of containers and of `run` (src/agent), and shows its status. */

import { resolve } from "node:path";
import { type AgentStatus, askAgent } from "../../agent/control.ts";
import { controlSocket, defaultSocket } from "../../agent/folders.ts";
import { type PermittedUsers, permittedUsers, UsersError } from "../../agent/local/users.ts";
import { isOfThisMachine, type MetricsPlace, metricsPlace } from "../../agent/metrics-server.ts";
import { Agent } from "../../agent/service/agent.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { jsonText, safeText } from "../../diagnostics/width.ts";
import { hideFromCommand } from "../../engines/engine/run.ts";
import { StartError } from "../../engines/launcher/start-error.ts";
import { type Destination, DestinationError } from "../../events/channel.ts";
import { originName } from "../../events/line.ts";
import { Messages } from "../../events/messages.ts";
import { NativeUnavailableError } from "../../machine/native.ts";
import { exitAtOnce } from "../../machine/process.ts";
import { StatusFolderError } from "../../observe/status/location.ts";
import { SocketError } from "../../observe/status/socket.ts";
import { AgentRuns } from "../agent/local-runs.ts";
import type { Context } from "../context.ts";
import { chosenArchitecture, missing, noMoreWords, refuseOptions } from "../policy/arguments.ts";
import { failureOf } from "../policy/enforce.ts";
import { namedDestination } from "../policy/run-request.ts";
import { Failure, failed, type Invocation, type Verb } from "../verb.ts";

export const agent: Verb = {
  name: "agent",
  synopsis: ["agent [OPTIONS]", "agent status [--json] [--socket PATH]"],
  about: [
    "Supervises many trees at once, each under its own policy, until SIGTERM or SIGINT. Container runtimes hand over the trees: the agent's socket speaks the protocol of OCI's seccomp agents, and the profile of the container names the socket, the policy and its digest (`portcullis export oci`). A further process of a container (`exec`) joins the state of its tree.",
    "--policies DIR has the policies: TypeScript modules (.ts) and OCI profiles (.json), each named by its file without the ending, and folders with an OCI image layout (`portcullis compile --oci-layout`), named as they say; other subfolders are for what they import. They are compiled at the start and when a file changes; a tree keeps the version that it has started with. A policy that does not compile is reported, and the version before is used on. If DIR has no policy of a name, a ready policy of that name is used. A bundle is not used: the agent supervises, and a bundle has its policy as eBPF.",
    "A listener is refused, and so its container does not start, if it comes without a state, of a policy that is unknown or has another digest, or from a process that is under a filter itself. The reason is printed on standard error.",
    "`portcullis run` of the agent's own user, and of the users of --users, asks it, too, at run.sock beside the socket for container runtimes, if that is in $XDG_RUNTIME_DIR/portcullis or /run/portcullis: the agent then supervises the command, and no Node starts (docs/internals/processes.md). If a service manager makes the sockets, this is served only if run.sock is among them.",
    "If the agent ends, the kernel denies the calls that need it (ENOSYS), and everything else of the policies stays in force. Under systemd a restart keeps the trees, apart from those whose policy has rooms: the agent leaves them to the next one in systemd's store of descriptors ($FDSTORE).",
    "The agent runs as root for containers, with CAP_SYS_PTRACE, or as an ordinary user for that user's own. systemd starts it with examples/systemd/portcullis-agent.service and .socket; it tells systemd when it is ready.",
    "status asks the agent that runs.",
  ],
  options: {
    socket: {
      value: "PATH",
      about:
        "The socket for container runtimes. Default: /run/portcullis/agent.sock, for ordinary users $XDG_RUNTIME_DIR/portcullis/agent.sock. control.sock beside it answers `agent status` and `top`, run.sock serves `run`.",
      complete: "file",
    },
    policies: {
      value: "DIR",
      about: "The folder of policies. Default: only the ready policies.",
      complete: "directory",
    },
    "runtime-user": {
      value: "UID",
      multiple: true,
      about: "Also take listeners of this user's container runtimes. Default: root's and the agent's own user's.",
    },
    users: {
      value: "LIST",
      multiple: true,
      about:
        "Also serve `portcullis run` of these users: USER, UID or @GROUP, separated by commas. Only as root. They get the ready policies and those of DIR by their names, without parameters, if the agent opens nothing for the command.",
    },
    events: {
      value: "FILE",
      about:
        "Append events as JSON lines to FILE, or to file descriptor N with fd:N (docs/events.md). Default: lines for people on standard output.",
      complete: "file",
    },
    metrics: {
      value: "PATH|ADDRESS",
      about:
        "Serve metrics for Prometheus on a Unix socket, or on HOST:PORT, where HOST is an IP address of this machine alone; without HOST 127.0.0.1. GET /metrics.",
    },
    "metrics-from-others": { about: "With --metrics: also an address that other machines reach." },
    json: { about: "With status: print one JSON object." },
  },
  complete: ["status"],
  exit: [
    ["0", "The agent was ended by a signal, or the status was printed."],
    [String(failed), "A socket cannot be made or is served already, the supervisor failed, or no agent answers."],
  ],
  examples: [
    ["portcullis agent --policies /etc/portcullis/policies", "As root, for container runtimes"],
    ["portcullis agent status --json | jq .trees", "The trees, for a script"],
  ],
  async execute(invocation, context) {
    const [word, ...more] = invocation.words;
    noMoreWords(word === undefined || word === "status" ? more : invocation.words);
    const socket = resolve(invocation.text("socket") ?? defaultSocket());
    try {
      if (word === "status") {
        const ofService = Object.keys(agent.options).filter((option) => option !== "socket" && option !== "json");
        refuseOptions(invocation, ofService, "the agent itself, and `agent status` asks the one that runs");
        return await showStatus(socket, invocation, context);
      }
      refuseOptions(invocation, ["json"], "`agent status`");
      return await serve(socket, invocation, context);
    } catch (error) {
      if (error instanceof SocketError) throw new Failure([diagnostic("P0915", error.message, { help: error.help })]);
      if (error instanceof StatusFolderError)
        throw new Failure([diagnostic("P0915", error.message, { help: "--socket PATH" })]);
      if (error instanceof DestinationError)
        throw new Failure([diagnostic("P0910", error.message, { help: error.help })]);
      throw error instanceof StartError || error instanceof NativeUnavailableError ? failureOf(error) : error;
    }
  },
};

async function serve(socket: string, invocation: Invocation, context: Context): Promise<number> {
  const messages = new Messages();
  // A tree of the same user must not read or trace the process that judges it. Ignores SIGTERM and SIGINT, too.
  hideFromCommand();
  const signalled = new Promise<undefined>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve(undefined));
  });
  const events = eventsOf(invocation);
  const policies = invocation.text("policies");
  const runs = new AgentRuns();
  const running = await Agent.start({
    ...{ socket, ...events, log: (line) => messages.write(line), environment: { ...context.environment } },
    runtimeUsers: new Set(invocation.texts("runtime-user").map(userId)),
    policies: policies === undefined ? undefined : resolve(policies),
    prepare: (given) => runs.prepare(given),
    prepareNamed: (given, find) => runs.prepareNamed(given, find),
    others: othersOf(invocation),
    metrics: metricsOf(invocation),
    architecture: chosenArchitecture(invocation),
  });
  messages.write(`agent: serves ${socket}`);
  const why = await Promise.race([signalled, running.failed]);
  if (why !== undefined) messages.write(`agent: the supervisor failed: ${why}`);
  await running.close();
  await messages.finish();
  // The threads of trees that still run are in the kernel.
  exitAtOnce(why === undefined ? 0 : failed);
}

function eventsOf(invocation: Invocation): { readonly events: Destination; readonly form: "lines" | "json" } {
  const given = invocation.text("events");
  if (given === undefined) return { events: { fd: 1, name: "standard output" }, form: "lines" };
  const events = namedDestination(given);
  return { events: "file" in events ? { file: resolve(events.file) } : events, form: "json" };
}

/** @throws Failure */
function metricsOf(invocation: Invocation): MetricsPlace | undefined {
  const given = invocation.text("metrics");
  if (given === undefined) {
    if (!invocation.has("metrics-from-others")) return undefined;
    throw missing(
      "--metrics beside --metrics-from-others",
      "portcullis agent --metrics 0.0.0.0:9464 --metrics-from-others",
    );
  }
  const place = metricsPlace(given);
  if (place === undefined)
    throw new Failure([
      diagnostic("P0907", `--metrics ${given} is neither the path of a socket nor an address`, {
        help: "--metrics /run/portcullis/metrics.sock, or --metrics 127.0.0.1:9464",
      }),
    ]);
  if (isOfThisMachine(place) || invocation.has("metrics-from-others")) return place;
  throw new Failure([
    diagnostic("P0907", `other machines reach ${given}, and metrics name containers and their calls`, {
      help: "--metrics 127.0.0.1:9464, or --metrics-from-others",
    }),
  ]);
}

/** @throws Failure */
function othersOf(invocation: Invocation): PermittedUsers | undefined {
  const lists = invocation.texts("users");
  if (lists.length === 0) return undefined;
  if (process.geteuid?.() !== 0)
    throw new Failure([
      diagnostic("P0907", "--users needs root: another user's agent may not follow their processes", {
        help: "an agent of their own serves each user",
      }),
    ]);
  try {
    return permittedUsers(lists);
  } catch (error) {
    if (!(error instanceof UsersError)) throw error;
    throw new Failure([diagnostic("P0907", `--users: ${error.message}`, { help: "--users alice,1001,@developers" })]);
  }
}

/** @throws Failure */
function userId(text: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) < 2 ** 32 - 1) return Number(text);
  throw new Failure([diagnostic("P0907", `--runtime-user ${text} is not the number of a user`)]);
}

async function showStatus(socket: string, invocation: Invocation, context: Context): Promise<number> {
  const status = await askAgent(controlSocket(socket));
  context.out(invocation.has("json") ? `${jsonText(status)}\n` : statusText(status));
  return 0;
}

function statusText({ version, pid, started, time, memory, policies, trees, refused, refusals }: AgentStatus): string {
  const lines = [
    `portcullis agent ${version}, process ${pid}, for ${Math.round(time - started)} s, ${Math.round(memory / 1e6)} MB`,
    "",
    `policies: ${policies.length}`,
    ...policies.map(({ name, digest, fault }) => `  ${name}  ${fault ?? digest ?? "needs the values of parameters"}`),
    "",
    `trees: ${trees.length}`,
    ...trees.map(
      ({ number, policy, origin, user, started: since, calls, refused: denied }) =>
        `  ${number}  ${originName(origin)}  ${user === undefined ? "" : `user ${user}  `}${policy.name}  ${Math.round(time - since)} s  ${calls} calls judged, ${denied} refused`,
    ),
    ...(refused === 0 ? [] : ["", `refused requests: ${refused}`, ...refusals.map((why) => `  ${why}`)]),
  ];
  return lines.map((line) => `${safeText(line)}\n`).join("");
}
