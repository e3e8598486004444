/** Runs a command under a compiled policy and sends its events to their destination. Loads no compiler. */

import { diagnostic } from "../../diagnostics/catalogue.ts";
import { ProtectedFiles } from "../../engines/command/protected-files.ts";
import type { OpenHosts } from "../../engines/hosts/proxy.ts";
import { callersDescriptor, callersOpenFile, errnoText } from "../../engines/launcher/launcher.ts";
import { StartError } from "../../engines/launcher/start-error.ts";
import { type CompiledPolicy, engineOf, runCompiled } from "../../engines/registry.ts";
import { type Destination, DestinationError, notOpen, openForEvents } from "../../events/channel.ts";
import { Messages } from "../../events/messages.ts";
import { type EventOutput, openEventOutput } from "../../events/output.ts";
import type { EventRecord } from "../../events/record.ts";
import { isRefused } from "../../events/sink.ts";
import { asks } from "../../ir/verdicts.ts";
import { isForReadingOnly } from "../../machine/descriptors.ts";
import { canSeparate } from "../../machine/landlock-abi.ts";
import { NativeUnavailableError } from "../../machine/native.ts";
import type { Approvals } from "../../observe/approvals/approvals.ts";
import type { ApprovalServer } from "../../observe/approvals/server.ts";
import type { StatusReporter } from "../../observe/status/reporter.ts";
import type { StatusServer } from "../../observe/status/server.ts";
import type { SocketPlace } from "../../observe/status/tree-socket.ts";
import { refuseUsed } from "../output.ts";
import { Failure, failed } from "../verb.ts";
import type { RunRequest } from "./run-request.ts";

/**
 * @returns the exit status: the command's, or 125 if a part of what this process had to say is written nowhere. Then the
 *   front says so (native/launcher/front.c)
 * @throws StartError or NativeUnavailableError if nothing was started, Failure if the destination of events cannot be
 *   opened
 */
export async function enforce(request: RunRequest, compiled: CompiledPolicy, hosts?: OpenHosts): Promise<number> {
  const audit = request.mode === "audit" && !request.quiet;
  const messages = new Messages();
  const output = openOutput(request, compiled, messages);
  const served = request.status === undefined ? undefined : await openStatus(request.status, request, compiled);
  const asked = await openQuestions(request, compiled, output, hosts !== undefined);
  if (audit) messages.write("AUDIT: the policy is not enforced; verdicts are recorded, and every call passes");
  const onEvent = (record: EventRecord): void => {
    output?.record(record);
    served?.reporter.record(record);
  };
  hosts?.listen({
    onRefused: (refusal) => onEvent({ kind: "host", time: Date.now(), refusal }),
    onNotice: (text, dropped) => onEvent({ kind: "notice", time: Date.now(), text, dropped }),
    onAsked:
      asked &&
      ((about, answer) =>
        asked.approvals.onHost(about, (given, isNew) => {
          // A refusal is an event of the proxy.
          if (given === "allowed" && isNew)
            onEvent({
              kind: "notice",
              time: Date.now(),
              text: `host ${about.host}:${about.port}: allowed by an answer`,
            });
          answer(given);
        })),
  });
  const protectedFiles = new ProtectedFiles(compiled.policy.objects);
  if (hosts !== undefined && !request.quiet) messages.write(`hosts: ${hosts.way}`);
  const { status } = await runCompiled(compiled, request.command, {
    onEvent,
    hosts: hosts?.tree,
    variables: request.variables,
    status: served && {
      words: served.reporter.words,
      onSnapshot: (snapshot) => served.reporter.snapshot(snapshot),
    },
    approvals: asked?.approvals,
    timeout: request.timeout,
    killTree: request.killTree,
    dieWithParent: request.dieWithParent,
    cgroup: request.cgroup,
    // A tree that can trace a shell of its user answers its own questions.
    separate: request.separate || (asked?.server !== undefined && canSeparate()),
    bestEffort: request.bestEffort,
    events: output !== undefined,
  });
  for (const path of protectedFiles.end())
    onEvent({
      kind: "notice",
      time: Date.now(),
      text: `${path} is protected, was missing at the start, and exists now: examine it before another program uses it`,
    });
  hosts?.close();
  served?.server.close();
  asked?.approvals.end();
  asked?.server?.close();
  const lostEvents = await output?.finish();
  if (audit) messages.write("AUDIT: the policy was not enforced");
  const lostMessages = await messages.finish();
  // A message reports lost JSON lines. Lines for people have no other channel.
  const isSilent = request.form === "lines" && lostEvents !== undefined && isRefused(lostEvents);
  return isSilent || isRefused(lostMessages) ? failed : status;
}

/** Undefined if nothing asks. Each question is a notice among the events. */
async function openQuestions(
  { mode, asksHosts, questions: { place, patience } }: RunRequest,
  { policy: { description } }: CompiledPolicy,
  output: EventOutput | undefined,
  hasHosts: boolean,
): Promise<{ readonly approvals: Approvals; readonly server: ApprovalServer | undefined } | undefined> {
  if (mode === "audit" || (!description.verdicts.some(asks) && !(asksHosts && hasHosts))) return undefined;
  const { Approvals: Open } = await import("../../observe/approvals/approvals.ts");
  const { ApprovalServer: Server } = await import("../../observe/approvals/server.ts");
  const { questionText } = await import("../../observe/approvals/text.ts");
  const { SocketError } = await import("../../observe/status/socket.ts");
  const { StatusFolderError } = await import("../../observe/status/location.ts");
  let server: ApprovalServer | undefined;
  const approvals = new Open({
    policy: description,
    patience,
    onChange: (line) => {
      server?.tell(line);
      if (line.kind === "question" && server !== undefined)
        output?.record({ kind: "notice", time: Date.now(), text: questionText(line, process.pid) });
    },
  });
  if (patience === 0) return { approvals, server };
  try {
    server = await Server.open(place, approvals);
    return { approvals, server };
  } catch (error) {
    if (!(error instanceof SocketError || error instanceof StatusFolderError)) throw error;
    const help = "--ask-socket SOCKET, or --ask-timeout 0, with which each call that asks fails";
    throw new Failure([diagnostic("P0915", error.message, { help })]);
  }
}

async function openStatus(
  place: SocketPlace,
  { command, mode }: RunRequest,
  { engine, policy }: CompiledPolicy,
): Promise<{ readonly reporter: StatusReporter; readonly server: StatusServer }> {
  const { StatusReporter: Reporter } = await import("../../observe/status/reporter.ts");
  const { StatusServer: Server } = await import("../../observe/status/server.ts");
  const { SocketError } = await import("../../observe/status/socket.ts");
  const { StatusFolderError } = await import("../../observe/status/location.ts");
  const state = policy.state ?? { cells: [], tables: [] };
  const { statusLacks = [] } = engineOf(engine);
  const isQuiet = mode === "quiet" && statusLacks.length > 0;
  const unknown = isQuiet ? [...statusLacks, "refused calls, because --no-denial-events leaves them out"] : statusLacks;
  const reporter = new Reporter({
    ...{ policy: policy.description, state, command, audit: mode === "audit", engine, unknown },
  });
  try {
    return { reporter, server: await Server.open(place, reporter) };
  } catch (error) {
    if (!(error instanceof SocketError || error instanceof StatusFolderError)) throw error;
    const help = error instanceof SocketError ? error.help : "--status SOCKET";
    throw new Failure([diagnostic("P0915", error.message, { help })]);
  }
}

function openOutput(
  { destination, form }: RunRequest,
  compiled: CompiledPolicy,
  messages: Messages,
): EventOutput | undefined {
  if (destination === undefined) return undefined;
  const name = "file" in destination ? destination.file : `fd:${destination.fd}`;
  try {
    const reached = reachable(destination);
    // Lines for people are lost without a word, as all messages are, if standard error is such a descriptor.
    if (form === "json" && "fd" in reached && isForReadingOnly(reached.fd)) throw notForWriting(destination);
    if (form === "json") refuseUsed("file" in reached ? reached.file : reached.fd, name, "--events");
    return openEventOutput(reached, {
      policy: compiled.policy.description,
      form,
      name,
      // If events are lines on standard error, no other channel is left for this sentence.
      onLoss: form === "json" ? (sentence) => messages.write(sentence) : undefined,
    });
  } catch (error) {
    if (!(error instanceof DestinationError)) throw error;
    throw new Failure([diagnostic("P0910", error.message, { help: error.help })]);
  }
}

/** The same destination, if this process lacks the descriptors that portcullis was started with. */
function reachable(destination: Destination): Destination {
  if ("file" in destination) {
    try {
      // Not opened again: the command may write to the same file, at the offset that both share.
      const fd = callersOpenFile(destination.file);
      return fd === undefined ? destination : { fd, name: destination.file };
    } catch (error) {
      throw error instanceof StartError ? new DestinationError(error.message, error.help) : error;
    }
  }
  const own = destination.fd === 2 ? 2 : callersDescriptor(destination.fd);
  if (own >= 0) return { fd: own, name: `file descriptor ${destination.fd}` };
  throw notOpen(destination.fd, errnoText(-own));
}

function notForWriting(destination: Destination): DestinationError {
  if ("file" in destination)
    return new DestinationError(
      `${destination.file} is open for reading only`,
      "name a file, or a descriptor for writing",
    );
  const { fd } = destination;
  return new DestinationError(`file descriptor ${fd} is open for reading only`, openForEvents(fd));
}

/** The diagnostic for an error that prevented a start; other errors as they are. */
export function failureOf(error: unknown): unknown {
  if (error instanceof StartError) {
    return new Failure([diagnostic("P0911", error.message, { help: error.help })], undefined, error.status);
  }
  if (error instanceof NativeUnavailableError) {
    return new Failure([diagnostic("P0605", error.message, { help: error.help })]);
  }
  return error;
}
