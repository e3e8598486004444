/**
 * The conversation with the launcher (native/launcher): orders, one start, one status. All engines that enforce share it.
 *
 * The launcher is always a child of this process. If the front (native/launcher/front.c) has started both, the launcher
 * still has all attributes that the command inherits. Otherwise this file starts it, and the command inherits Node's.
 */

import { read, readlinkSync, realpathSync } from "node:fs";
import { isIPv4 } from "node:net";
import { basename, dirname, join, resolve } from "node:path";
import { callNumber } from "../../abi/call-numbers.ts";
import { errnoName } from "../../abi/errno.ts";
import { endingSignal, exitCode, shellStatus } from "../../abi/signals.ts";
import { close, receiveWithDescriptors, socketPair } from "../../machine/descriptors.ts";
import { frontSocket } from "../../machine/front.ts";
import { native, nativeFile } from "../../machine/native.ts";
import { exitAtOnce } from "../../machine/process.ts";
import { StartError, TreeStartError } from "./start-error.ts";

export type LauncherMessage =
  /** `status` as wait(2) gives it. */
  | { readonly kind: "ended"; readonly status: number }
  /** The time limit was reached, and the launcher ends the command. */
  | { readonly kind: "timed-out" }
  | { readonly kind: "tree-ended" }
  /** The front was killed; the launcher continues. */
  | { readonly kind: "front-gone" }
  /** Protected files had lost their mounts. `error`: 0 if they have them again, or an errno; then the tree ends. */
  | { readonly kind: "protected-again"; readonly error: number }
  /** The tree has as many processes and threads as it may. */
  | { readonly kind: "processes-reached"; readonly most: number }
  /** A private directory has no space left. `number`: among those of the layers. */
  | { readonly kind: "private-full"; readonly number: number }
  /** The launcher has ended. */
  | { readonly kind: "closed" };

export interface LauncherOrders {
  /** Bits of `launcherFlag`. */
  readonly flags: number;
  /** Classic instructions; with `extended` the bytes of the bundle. */
  readonly filterLength: number;
  /** Classic instructions; with `extended` the words of open parameters behind the bundle. */
  readonly fallbackLength: number;
  /** Milliseconds until the command is ended; 0: none. */
  readonly timeLimit: number;
  /** 16 bytes; zeros with `extended`. */
  readonly token: Uint8Array;
  /** The size of the layers at the end of the payload (native/launcher/layer_format.h); 0 with `extended`. */
  readonly layersSize?: number;
  /** Changes of the command's environment, behind the payload: `NAME=VALUE`, or `NAME` to remove it. */
  readonly variables?: readonly string[];
  /** A number by which the kernel's audit names the domains of the layers, from 1 to 2^32 − 1; 0 for none. */
  readonly label?: number;
  /** The bytes that follow the header. */
  readonly payload: readonly Uint8Array[];
}

export const launcherFlag = {
  wantListener: 1,
  endTree: 2,
  dieWithParent: 4,
  extended: 8,
  ownCgroup: 16,
  keepPrivileges: 32,
  separate: 64,
  readOnlyProc: 128,
  bestEffort: 256,
  inNetwork: 512,
} as const;

/** Conditions that end the command's tree. The launcher enforces them, even if this process has ended or is stopped. */
export interface TreeOptions {
  /** Milliseconds, below 2^32: then the command gets SIGTERM, and two seconds later its whole tree SIGKILL. */
  readonly timeout?: number | undefined;
  /** When the command has ended, the rest of its tree gets SIGTERM, and two seconds later SIGKILL. */
  readonly killTree?: boolean | undefined;
  /** The tree gets SIGKILL when a process of portcullis has ended. */
  readonly dieWithParent?: boolean | undefined;
  /** The command gets a cgroup, so that one write kills its whole tree at once. */
  readonly cgroup?: boolean | undefined;
  /** The tree cannot signal or trace processes outside it; without Landlock's scopes (Linux 6.12) nothing starts. */
  readonly separate?: boolean | undefined;
  /** The tree reaches named hosts only, by these changes of its environment, in the network of `makeNetwork` or in ours. */
  readonly hosts?: { readonly inNetwork: boolean; readonly variables: readonly string[] } | undefined;
  /** Other changes of the command's environment. */
  readonly variables?: readonly string[] | undefined;
}

export function treeOrders(options: TreeOptions): Required<Pick<LauncherOrders, "flags" | "timeLimit" | "variables">> {
  const { timeout = 0, killTree = false, dieWithParent = false, cgroup = false, separate = false, hosts } = options;
  return {
    flags:
      (killTree ? launcherFlag.endTree : 0) |
      (dieWithParent ? launcherFlag.dieWithParent : 0) |
      (cgroup ? launcherFlag.ownCgroup : 0) |
      (separate ? launcherFlag.separate : 0) |
      (hosts?.inNetwork === true ? launcherFlag.inNetwork : 0),
    timeLimit: timeout,
    variables: [...(options.variables ?? []), ...(hosts?.variables ?? [])],
  };
}

/** `enum stage` of native/launcher/extended.h: the step of a start that has failed. */
export const launcherStage = {
  clone: 2,
  noNewPrivileges: 3,
  install: 4,
  execve: 5,
  readBundle: 6,
  capabilities: 7,
  makeMaps: 8,
  findFunctions: 9,
  loadProgram: 10,
  attach: 11,
  findCommand: 12,
  makeCgroup: 13,
  enterDomain: 14,
  passDescriptors: 15,
  protectProc: 16,
  restrictObjects: 17,
  enterNetwork: 18,
  enterMounts: 19,
} as const;

export interface Started {
  /** The socket of the launcher's further messages, for `readMessage`. */
  readonly socket: number;
  readonly launcher: number;
  /** The command's first process. */
  readonly pid: number;
  readonly pidfd: number;
  /** Other descriptors from the launcher. */
  readonly descriptors: readonly number[];
  readonly detail: number;
}

/** The command was not started. `stage` is the step that failed. */
export class LauncherFault extends Error {
  readonly stage: number;
  readonly errno: number;
  /** Details, if the launcher has any; behind the first line, the verifier's log. */
  readonly text: string;
  constructor(stage: number, errno: number, text: string) {
    super(`stage ${stage}: ${errnoText(errno)}`);
    this.stage = stage;
    this.errno = errno;
    this.text = text;
  }
}

/** `struct orders_header` and `struct message` of native/launcher/orders.h: sizes, and offsets of members. */
export const orders = {
  magic: 0x7063_7634,
  headerSize: 64,
  descriptor: 24,
  timeLimit: 28,
  token: 32,
  layersSize: 48,
  variablesSize: 52,
  label: 56,
  messageSize: 16,
} as const;
/** `enum order` and `enum message_kind` of that file. */
export const orderKind = { start: 1, become: 2, descriptor: 3, makeNetwork: 4, tryMounts: 5 } as const;
export const messageKind = {
  started: 1,
  notStarted: 2,
  timedOut: 3,
  ended: 4,
  treeEnded: 5,
  given: 6,
  frontGone: 7,
  made: 14,
  protectedAgain: 15,
  tried: 16,
  processesReached: 17,
  privateFull: 18,
} as const;
/** Bits of `Started.detail`. */
export const startedDetail = { withoutListener: 1 } as const;
const noOrders: LauncherOrders = {
  flags: 0,
  timeLimit: 0,
  filterLength: 0,
  fallbackLength: 0,
  token: new Uint8Array(16),
  payload: [],
};

/**
 * Starts the command by these orders. With a front, `command` must be the front's last words: the launcher executes the
 * front's own bytes of them, which Node may have decoded with loss.
 * Throws a LauncherFault if the launcher reports an error, and a StartError if the launcher itself fails.
 */
export function startCommand(command: readonly string[], given: LauncherOrders): Started {
  const front = frontSocket();
  const socket = front ?? preparedLauncher ?? startLauncher(command);
  write(socket, startOrders(given, command.length));
  try {
    const { message, descriptors } = answer(socket);
    const started = parseStarted(message, descriptors);
    if (started === undefined) throw otherVersion();
    return { socket, ...started };
  } catch (error) {
    if (front === undefined) close(socket);
    throw error;
  }
}

/** The bytes that order a launcher to start its last `words` words. */
export function startOrders(given: LauncherOrders, words: number): Uint8Array {
  return encodeOrders(orderKind.start, given, words);
}

/** Undefined for another message than that the command runs. */
export function parseStarted(
  message: DataView,
  [pidfd = -1, ...descriptors]: readonly number[],
): Omit<Started, "socket"> | undefined {
  if (message.getUint32(0, true) !== messageKind.started) return undefined;
  return {
    launcher: message.getInt32(4, true),
    pid: message.getInt32(8, true),
    // The command runs already, and can have lowered our limit of descriptors (prlimit). Then the kernel drops them. An
    // error would say that nothing was started.
    pidfd,
    descriptors,
    detail: message.getUint32(12, true),
  };
}

/** A socket in the command's network, `struct endpoint` of native/launcher/namespaces.h. */
export interface Endpoint {
  /** Without a zone; `::` for all addresses of both families. */
  readonly address: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
}

/** The launcher that has made a network, if no front has started this process. */
let preparedLauncher: number | undefined;

/**
 * Lets the launcher make a network in which the command can be started (`launcherFlag.inNetwork`), and returns its sockets.
 * Throws a LauncherFault if this user may not, and a StartError if the launcher itself fails.
 */
export function makeNetwork(command: readonly string[], endpoints: readonly Endpoint[]): readonly number[] {
  const socket = frontSocket() ?? preparedLauncher ?? startLauncher(command);
  if (frontSocket() === undefined) preparedLauncher = socket;
  return networkOf(socket, endpoints);
}

/** Makes a network by a launcher that starts nothing, and ends both. Throws as `makeNetwork`. */
export function tryNetwork(endpoint: Endpoint): void {
  const socket = startLauncher(["true"]);
  try {
    for (const one of networkOf(socket, [endpoint])) close(one);
  } finally {
    close(socket);
  }
}

/**
 * Lets a launcher make mounts as a policy needs them, which end at once. Returns whether the kernel limits the processes of such a
 * tree. Throws as `makeNetwork`.
 */
export function tryMounts(): boolean {
  const front = frontSocket();
  const socket = front ?? startLauncher(["true"]);
  try {
    write(socket, encodeOrders(orderKind.tryMounts, noOrders, 0));
    const { message } = answer(socket);
    if (message.getUint32(0, true) !== messageKind.tried) throw otherVersion();
    return message.getInt32(4, true) === 1;
  } finally {
    if (front === undefined) close(socket);
  }
}

function networkOf(socket: number, endpoints: readonly Endpoint[]): readonly number[] {
  const payload = endpoints.map(encodeEndpoint);
  write(socket, encodeOrders(orderKind.makeNetwork, { ...noOrders, filterLength: endpoints.length, payload }, 0));
  const sockets: number[] = [];
  while (sockets.length < endpoints.length) {
    const { message, descriptors } = answer(socket);
    if (message.getUint32(0, true) !== messageKind.made || descriptors.length === 0) throw otherVersion();
    sockets.push(...descriptors);
  }
  return sockets;
}

function encodeEndpoint({ address, port, protocol }: Endpoint): Uint8Array {
  const bytes = new Uint8Array(20);
  if (isIPv4(address)) bytes.set([0xff, 0xff, ...address.split(".").map(Number)], 10);
  else bytes.set(bytesOfIPv6(address));
  const view = new DataView(bytes.buffer);
  view.setUint16(16, port, true);
  view.setUint16(18, protocol === "udp" ? 1 : 0, true);
  return bytes;
}

function bytesOfIPv6(address: string): Uint8Array {
  // The URL parser writes an IPv4 address at the end as two words.
  const words = (text: string) => text.split(":").filter((word) => word !== "");
  const [before = "", after = ""] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::");
  const [first, last] = [words(before), words(after)];
  const all = [...first, ...new Array(8 - first.length - last.length).fill("0"), ...last];
  return Uint8Array.from(all.flatMap((word) => [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 255]));
}

/**
 * Lets the front become the command, and ends this process. Throws a LauncherFault or a StartError if that is impossible.
 * The front reports later errors on standard error, with status 125.
 */
export function replaceFront(command: readonly string[], given: LauncherOrders): never {
  const socket = frontSocket();
  if (socket === undefined)
    throw new StartError(125, "portcullis was not started by its launcher", "bin/portcullis run");
  write(socket, encodeOrders(orderKind.become, given, command.length));
  const message = new DataView(new ArrayBuffer(orders.messageSize));
  const { count } = receiveWithDescriptors(socket, new Uint8Array(message.buffer));
  if (count === orders.messageSize) throw faultOf(socket, message);
  // Reaped here, because the command would not reap it if portcullis is a container's init.
  native().syscall(callNumber("wait4"), -1, null, 0, null);
  return exitAtOnce(0);
}

/**
 * A copy of a descriptor that portcullis was started with, or a negative errno. The command does not inherit a requested
 * descriptor above 2.
 */
export function callersDescriptor(descriptor: number): number {
  const socket = frontSocket();
  if (socket === undefined) return descriptor;
  write(socket, encodeOrders(orderKind.descriptor, noOrders, 0, descriptor));
  const { message, descriptors } = answer(socket);
  if (message.getUint32(0, true) !== messageKind.given) throw otherVersion();
  return descriptors[0] ?? -message.getInt32(4, true);
}

/** The process that will clone the command (the launcher's starter); undefined if no front started this process. */
export function starterProcess(): number | undefined {
  const socket = frontSocket();
  if (socket === undefined) return undefined;
  write(socket, encodeOrders(orderKind.descriptor, noOrders, 0, -1));
  return answer(socket).message.getInt32(8, true);
}

/**
 * The same file under a name that this process can open. Names like /dev/fd/63 (`>(…)` of a shell), /dev/stdin, or links
 * to them mean descriptors with which portcullis was started, and Node has others of these numbers.
 *
 * @throws StartError if portcullis was started without the descriptor
 */
export function callersFile(file: string): string {
  const own = callersOpenFile(file);
  return own === undefined ? file : `/dev/fd/${own}`;
}

/**
 * The descriptor in this process, if the file's name leads to one with which portcullis was started.
 *
 * @throws StartError if portcullis was started without the descriptor
 */
export function callersOpenFile(file: string): number | undefined {
  if (frontSocket() === undefined) return undefined;
  const descriptor = ownDescriptor(file);
  if (descriptor === undefined || descriptor === 2) return descriptor;
  const own = callersDescriptor(descriptor);
  if (own >= 0) return own;
  const name = errnoName(-own) ?? `errno ${-own}`;
  throw new StartError(125, `${file}: file descriptor ${descriptor} is not open (${name})`, "open it in the shell");
}

/** The descriptor of this process that the file's name leads to. */
function ownDescriptor(file: string): number | undefined {
  const folder = new RegExp(`^/proc/${process.pid}/(?:task/\\d+/)?fd$`);
  let name = file;
  try {
    for (let links = 0; links < 40; links++) {
      const parent = realpathSync.native(dirname(name));
      const last = basename(name);
      if (folder.test(parent) && /^\d{1,6}$/.test(last)) return Number(last);
      name = resolve(parent, readlinkSync(join(parent, last)));
    }
  } catch {
    // The name leads to no link.
  }
  return undefined;
}

/** Starts the launcher, if the front has not started this process. Returns our end of the socket. */
function startLauncher(command: readonly string[]): number {
  const [ours, theirs] = socketPair();
  // Loaded here only, because a start through the front does not need it.
  const { spawn } = process.getBuiltinModule("node:child_process");
  const launcher = spawn(nativeFile("launcher"), ["serve", ...command], {
    argv0: "portcullis-launcher",
    stdio: ["inherit", "inherit", "inherit", theirs],
  });
  launcher.on("error", () => {}); // the socket reports the failure: the launcher's end closes
  launcher.unref();
  close(theirs);
  return ours;
}

function otherVersion(): StartError {
  return new StartError(125, "the launcher and portcullis are of different versions", "run `make build`");
}

/** The launcher's next message. Throws a LauncherFault if that reports an error. */
function answer(socket: number): { readonly message: DataView; readonly descriptors: readonly number[] } {
  const message = new DataView(new ArrayBuffer(orders.messageSize));
  const { count, descriptors } = receiveWithDescriptors(socket, new Uint8Array(message.buffer));
  if (count !== orders.messageSize) throw new StartError(125, "the launcher ended before it had started the command");
  if (message.getUint32(0, true) === messageKind.notStarted) throw faultOf(socket, message);
  return { message, descriptors };
}

function faultOf(socket: number, message: DataView): LauncherFault {
  const text = readText(socket, message.getInt32(8, true));
  return new LauncherFault(message.getUint32(12, true), message.getInt32(4, true), text);
}

function encodeOrders(kind: number, given: LauncherOrders, words: number, descriptor = -1): Uint8Array {
  const { flags, timeLimit, filterLength, fallbackLength, token, layersSize = 0, variables = [], label = 0 } = given;
  const changes = Buffer.from(variables.map((one) => `${one}\0`).join(""));
  const payload = [...given.payload, changes];
  const bytes = new Uint8Array(payload.reduce<number>((size, one) => size + one.length, orders.headerSize));
  const view = new DataView(bytes.buffer);
  [orders.magic, kind, flags, filterLength, fallbackLength, words].forEach((word, index) => {
    view.setUint32(4 * index, word, true);
  });
  view.setInt32(orders.descriptor, descriptor, true);
  view.setUint32(orders.timeLimit, timeLimit, true);
  bytes.set(token, orders.token);
  view.setUint32(orders.layersSize, layersSize, true);
  view.setUint32(orders.variablesSize, changes.length, true);
  view.setUint32(orders.label, label, true);
  let at: number = orders.headerSize;
  for (const one of payload) {
    bytes.set(one, at);
    at += one.length;
  }
  return bytes;
}

/** Returns early if the launcher has ended, because its last message explains more than the failed write. */
function write(socket: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    const count = native().syscall(callNumber("write"), socket, bytes.subarray(at), bytes.length - at);
    if (count <= 0) return;
    at += count;
  }
}

function readText(socket: number, size: number): string {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; ) {
    const { count } = receiveWithDescriptors(socket, bytes.subarray(at));
    if (count <= 0) break;
    at += count;
  }
  return Buffer.from(bytes).toString("utf8");
}

/** The next message of a launcher, from the bytes that it wrote. */
export function readMessage(socket: number): LauncherMessage {
  const message = new DataView(new ArrayBuffer(orders.messageSize));
  const { count } = receiveWithDescriptors(socket, new Uint8Array(message.buffer));
  return count === orders.messageSize ? parseMessage(message) : { kind: "closed" };
}

/** Passes each further message to `heed` without blocking this thread, until `heed` returns false: the last message. */
export function awaitMessages(socket: number, heed: (message: LauncherMessage) => boolean): Promise<LauncherMessage> {
  return new Promise((resolve) => {
    const buffer = new Uint8Array(orders.messageSize);
    const next = (): void => {
      read(socket, buffer, 0, buffer.length, null, (error, count) => {
        const isWhole = error === null && count === buffer.length;
        const message: LauncherMessage = isWhole ? parseMessage(new DataView(buffer.buffer)) : { kind: "closed" };
        if (heed(message)) next();
        else resolve(message);
      });
    };
    next();
  });
}

/** A message after the start. */
export function parseMessage(message: DataView): LauncherMessage {
  const value = message.getInt32(4, true);
  switch (message.getUint32(0, true)) {
    case messageKind.ended:
      return { kind: "ended", status: value };
    case messageKind.timedOut:
      return { kind: "timed-out" };
    case messageKind.treeEnded:
      return { kind: "tree-ended" };
    case messageKind.protectedAgain:
      return { kind: "protected-again", error: Math.max(0, -value) };
    case messageKind.processesReached:
      return { kind: "processes-reached", most: value };
    case messageKind.privateFull:
      return { kind: "private-full", number: value };
    case messageKind.frontGone:
      return { kind: "front-gone" };
    default:
      return { kind: "closed" };
  }
}

/** The exit status of portcullis for a command's wait(2) status; 125 if that is unknown. */
export function exitStatus(status: number | undefined): number {
  if (status === undefined) return 125;
  const signal = endingSignal(status);
  return signal === 0 ? exitCode(status) : shellStatus(signal);
}

// ── Error messages ──────────────────────────────────────────────────────────────────────────────────────────────────

const explained: Readonly<Record<string, string>> = {
  EACCES: "EACCES: permission denied",
  ETXTBSY: "ETXTBSY: it is being written",
  ELOOP: "ELOOP: too many symbolic links",
};

/** Errors that mean something else in other calls than execve(2). */
const explainedForExecve: Readonly<Record<string, string>> = {
  E2BIG: "E2BIG: the arguments are too long",
  ENOEXEC: "ENOEXEC: no program and no script with a #! line",
};

/** The way out of E2BIG from landlock_restrict_self(2): LANDLOCK_MAX_NUM_LAYERS (security/landlock/limits.h). */
const fewerDomains = "start it in fewer nested sandboxes: a process can be in 16 Landlock domains";

export function errnoText(errno: number): string {
  const name = errnoName(errno) ?? `errno ${errno}`;
  return explained[name] ?? name;
}

/**
 * Starts a command, and turns the launcher's fault into a StartError with a message. `whyNot` has the engine's messages,
 * for stages that other engines do not have.
 */
export function explaining<Result>(
  [name = ""]: readonly string[],
  whyNot: (fault: LauncherFault) => StartError,
  start: () => Result,
): Result {
  try {
    return start();
  } catch (error) {
    if (!(error instanceof LauncherFault)) throw error;
    throw commonFault(name, error) ?? whyNot(error);
  }
}

/** The fault of a stage that all engines have; undefined for the others. `name` is the command's first word. */
function commonFault(name: string, { stage, errno, text }: LauncherFault): StartError | undefined {
  const code = errnoText(errno);
  const cause = text === "" ? code : `${text} (${code})`;
  switch (stage) {
    case launcherStage.findCommand:
      return notFound(name, errnoName(errno));
    case launcherStage.execve:
      if (code === "ENOENT") {
        return new StartError(127, `${name}: no such file, or its interpreter is missing`);
      }
      return new StartError(
        126,
        `${name}: cannot be run (${explainedForExecve[code] ?? code})`,
        text === "" ? undefined : text,
      );
    case launcherStage.noNewPrivileges:
      return new TreeStartError(125, `no_new_privs cannot be set (${code})`);
    case launcherStage.makeCgroup:
      return new TreeStartError(
        125,
        `the command cannot get a cgroup: ${cause}`,
        "this user must own the current cgroup: `systemd-run --user --scope -p Delegate=yes portcullis run …`",
      );
    case launcherStage.enterDomain:
      return new TreeStartError(
        125,
        `the command's tree cannot be separated from other processes: ${cause}`,
        code === "E2BIG"
          ? `${fewerDomains}; without --separate the policy is still enforced`
          : "Landlock since Linux 6.12 is required; without --separate the policy is still enforced",
      );
    case launcherStage.protectProc:
      return new TreeStartError(
        125,
        `files of proc file systems cannot be made read-only: ${cause}`,
        code === "E2BIG"
          ? `${fewerDomains}; \`--set read-only-proc=false\` (of ready policies) starts the command without one`
          : "this policy requires Landlock, since Linux 5.19; `--set read-only-proc=false` (of ready policies) or --best-effort starts the command without it",
      );
    case launcherStage.restrictObjects:
      return new TreeStartError(
        125,
        `the policy's files, ports and scopes cannot be restricted: ${cause}`,
        helpForObjects(code),
      );
    case launcherStage.passDescriptors:
      return new StartError(
        125,
        `the launcher cannot pass descriptors to its parent (${code})`,
        "an outer sandbox refuses sendmsg, such as another portcullis: start this one outside of it",
      );
    case launcherStage.enterMounts:
      return new TreeStartError(
        125,
        `the policy's files cannot be protected: ${cause}`,
        "`files.protect` and `files.private` need a user and a mount namespace; --best-effort starts the command without `protect`",
      );
    case launcherStage.enterNetwork:
      return new TreeStartError(125, `the command cannot enter its network: ${cause}`);
    case launcherStage.clone:
      return new TreeStartError(125, `the launcher cannot make a process (${code})`);
    default:
      return undefined;
  }
}

function helpForObjects(code: string): string | undefined {
  switch (code) {
    case "E2BIG":
      return fewerDomains;
    case "EOPNOTSUPP":
      return "--best-effort starts the command without what this kernel cannot restrict; `portcullis doctor` lists it";
    default:
      return undefined;
  }
}

function notFound(name: string, why: string | undefined): StartError {
  if (name === "") return new StartError(127, "the command's name is empty");
  if (why === "EACCES") return new StartError(126, `${name}: permission denied`);
  if (why === "EISDIR") return new StartError(126, `${name}: is a directory`);
  if (!name.includes("/")) return new StartError(127, `${name}: command not found`);
  return new StartError(127, `${name}: no such file${why === "ENOENT" ? "" : ` (${why})`}`);
}
