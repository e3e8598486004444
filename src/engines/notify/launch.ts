/** The conversation with the launcher (native/launcher/launcher.c): configuration, one start, one status. */
import { callNumber } from "../../linux/call-numbers.ts";
import { close, receiveWithDescriptors, socketPair } from "../../linux/descriptors.ts";
import { native, nativeFile } from "../../linux/native.ts";
import { StartError } from "./command.ts";
import type { ArmedFilter } from "./policy.ts";

export interface LaunchOptions {
  readonly filter: ArmedFilter;
  /** What is installed where another listener is in the way. */
  readonly fallback: ArmedFilter | undefined;
  /** End what is left of the tree when the command has ended. */
  readonly killTree: boolean;
  /** End the tree when this process is gone. */
  readonly dieWithParent: boolean;
  /** Be able to end the tree on demand. */
  readonly endable: boolean;
}

export interface Launched {
  /** The conversation goes on here: `readMessage`. */
  readonly socket: number;
  readonly launcher: number;
  /** The command's first process. */
  readonly pid: number;
  readonly pidfd: number;
  /** Undefined where the filter asks nothing, or where another listener was in the way. */
  readonly listener: number | undefined;
  /** Another listener was in the way, and the fallback is in force. */
  readonly fellBack: boolean;
}

export type LauncherMessage =
  /** `status` as wait(2) gives it. */
  | { readonly kind: "ended"; readonly status: number }
  | { readonly kind: "stopped"; readonly signal: number }
  | { readonly kind: "tree-ended" }
  /** The launcher is gone. */
  | { readonly kind: "closed" };

const magic = 0x7063_7632;
const headerSize = 32;
const messageSize = 16;
const flag = { wantListener: 1, ownTheTree: 2, endTree: 4, dieWithParent: 8 } as const;
const messageKind = { started: 1, failed: 2, stopped: 3, ended: 4, treeEnded: 5 } as const;
const withoutListener = 1;
const stage = { clone: 2, noNewPrivileges: 3, seccomp: 4, execve: 5 } as const;
const errno = { ENOENT: 2, EACCES: 13, EBUSY: 16, EINVAL: 22, ELOOP: 40 } as const;

/**
 * Starts a command under a filter, or throws a StartError. `argv` is the command's own; strings, or bytes that end with a
 * NUL. It runs from here on; what its filter asks waits.
 */
export function launch(file: string, argv: readonly (string | Uint8Array)[], options: LaunchOptions): Launched {
  const [ours, theirs] = socketPair();
  writeAll(ours, configuration(options));
  const launcher = native().spawn(nativeFile("launcher"), ["portcullis-launcher", file, ...argv], [theirs]);
  close(theirs);
  if (launcher < 0) throw new StartError(125, `the launcher cannot be started (errno ${-launcher})`);
  const message = new DataView(new ArrayBuffer(messageSize));
  const { count, descriptors } = receiveWithDescriptors(ours, new Uint8Array(message.buffer));
  if (count !== messageSize) throw new StartError(125, "the launcher ended before it had started the command");
  const kind = message.getUint32(0, true);
  const value = message.getInt32(4, true);
  const detail = message.getUint32(12, true);
  if (kind === messageKind.failed) {
    close(ours);
    throw whyNot(file, detail, value, options);
  }
  const [pidfd, listener] = descriptors;
  if (kind !== messageKind.started || pidfd === undefined) {
    throw new StartError(125, "the launcher and portcullis are of different versions", "run `make build`");
  }
  return {
    socket: ours,
    launcher,
    pid: message.getInt32(8, true),
    pidfd,
    listener,
    fellBack: (detail & withoutListener) !== 0,
  };
}

/** The next message of a launcher, from the bytes that it wrote. */
export function readMessage(socket: number): LauncherMessage {
  const message = new DataView(new ArrayBuffer(messageSize));
  const { count } = receiveWithDescriptors(socket, new Uint8Array(message.buffer));
  return count === messageSize ? parseMessage(message) : { kind: "closed" };
}

export function parseMessage(message: DataView): LauncherMessage {
  const value = message.getInt32(4, true);
  switch (message.getUint32(0, true)) {
    case messageKind.ended:
      return { kind: "ended", status: value };
    case messageKind.stopped:
      return { kind: "stopped", signal: value };
    case messageKind.treeEnded:
      return { kind: "tree-ended" };
    default:
      return { kind: "closed" };
  }
}

/** Asks the launcher to end the whole tree (`endable`). */
export function endTree(socket: number): void {
  native().syscall(callNumber("write"), socket, new Uint8Array([0x6b /* k */]), 1);
}

function configuration({ filter, fallback, killTree, dieWithParent, endable }: LaunchOptions): Uint8Array {
  const token = new Uint8Array(16);
  if (native().syscall(callNumber("getrandom"), token, token.length, 0) !== token.length) {
    throw new StartError(125, "the kernel gives no random bytes");
  }
  const armed = [arm(filter, token), ...(fallback === undefined ? [] : [arm(fallback, token)])];
  const bytes = new Uint8Array(armed.reduce((size, one) => size + one.length, headerSize));
  const view = new DataView(bytes.buffer);
  const owns = killTree || dieWithParent || endable;
  view.setUint32(0, magic, true);
  view.setUint32(
    4,
    (filter.asks ? flag.wantListener : 0) |
      (owns ? flag.ownTheTree : 0) |
      (killTree ? flag.endTree : 0) |
      (dieWithParent ? flag.dieWithParent : 0),
    true,
  );
  view.setUint32(8, filter.instructions.length / 8, true);
  view.setUint32(12, (fallback?.instructions.length ?? 0) / 8, true);
  bytes.set(token, 16);
  let at = headerSize;
  for (const one of armed) {
    bytes.set(one, at);
    at += one.length;
  }
  return bytes;
}

/** The filter's instructions with the token's words in their places. */
function arm({ instructions, tokenPositions }: ArmedFilter, token: Uint8Array): Uint8Array {
  const armed = instructions.slice();
  tokenPositions.forEach((position, index) => {
    armed.set(token.subarray(4 * index, 4 * index + 4), 8 * position + 4);
  });
  return armed;
}

function writeAll(socket: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    const count = native().syscall(callNumber("write"), socket, bytes.subarray(at), bytes.length - at);
    if (count <= 0) throw new StartError(125, `the launcher cannot be configured (errno ${-count})`);
    at += count;
  }
}

function whyNot(file: string, failedStage: number, error: number, options: LaunchOptions): StartError {
  switch (failedStage) {
    case stage.execve:
      if (error === errno.ENOENT) {
        return new StartError(127, `${file}: no such file, or its interpreter is missing`);
      }
      return new StartError(126, `${file}: cannot be run (${errorText(error)})`);
    case stage.seccomp:
      if (error === errno.EBUSY) {
        return new StartError(
          125,
          "another supervisor already listens here, and this policy needs one of its own",
          "supervisors do not nest; a policy without state works without one (`--no-denial-events`)",
        );
      }
      if (error === errno.EINVAL && options.filter.asks) {
        return new StartError(125, "this kernel has no seccomp notifications", "Linux 5.9 is the oldest that will do");
      }
      return new StartError(125, `the kernel refuses the filter (${errorText(error)})`);
    case stage.noNewPrivileges:
      return new StartError(125, `no_new_privs cannot be set (${errorText(error)})`);
    default:
      return new StartError(125, `the launcher failed (stage ${failedStage}, ${errorText(error)})`);
  }
}

function errorText(error: number): string {
  const known: Readonly<Record<number, string>> = {
    1: "EPERM",
    7: "E2BIG: the arguments are too long",
    8: "ENOEXEC: no program and no script with a #! line",
    [errno.EACCES]: "EACCES: permission denied",
    20: "ENOTDIR",
    [errno.EINVAL]: "EINVAL",
    26: "ETXTBSY: it is being written",
    [errno.ELOOP]: "ELOOP: too many symbolic links",
  };
  return known[error] ?? `errno ${error}`;
}
