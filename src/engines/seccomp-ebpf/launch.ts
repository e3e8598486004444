/** Starting a command under a bundle: with somebody who waits for it, or in our own place. */
import { callNumber } from "../../linux/call-numbers.ts";
import { errnoName } from "../../linux/errno.ts";
import { native, nativeFile } from "../../linux/native.ts";
import { StartError } from "../command.ts";
import {
  commonFault,
  encodeOrders,
  errnoText,
  LauncherFault,
  type LauncherOrders,
  launcherFlag,
  launcherStage,
  type Started,
  startLauncher,
} from "../launcher.ts";

import type { SeccompEbpfPolicy } from "./policy.ts";

export interface LaunchOptions {
  /** Whether to hear of the end of the whole tree. */
  readonly ownsTree: boolean;
  readonly killTree: boolean;
  readonly dieWithParent: boolean;
}

export interface Launched extends Started {
  /** The ring buffer, and the map with the count of records that did not fit. */
  readonly events: number;
  readonly dropped: number;
}

type Word = string | Uint8Array;
type LaunchedPolicy = Pick<SeccompEbpfPolicy, "bundle" | "parameters">;

/** Throws a StartError where nothing was started. */
export function launch(file: string, argv: readonly Word[], policy: LaunchedPolicy, options: LaunchOptions): Launched {
  const { ownsTree, killTree, dieWithParent } = options;
  const flags =
    (ownsTree || killTree || dieWithParent ? launcherFlag.ownTheTree : 0) |
    (killTree ? launcherFlag.endTree : 0) |
    (dieWithParent ? launcherFlag.dieWithParent : 0);
  try {
    const started = startLauncher(file, argv, ordersFor(policy, flags));
    const [events, dropped] = started.descriptors;
    if (events === undefined || dropped === undefined) {
      throw new StartError(125, "the launcher and portcullis are of different versions", "run `make build`");
    }
    return { ...started, events, dropped };
  } catch (error) {
    if (!(error instanceof LauncherFault)) throw error;
    throw commonFault(file, error) ?? whyNot(error);
  }
}

/**
 * This process becomes the launcher, which becomes the command: nobody of ours is left. Throws a StartError where not
 * even that can be done; what goes wrong later the launcher says on standard error, with status 125.
 */
export function becomeCommand(file: string, argv: readonly Word[], policy: LaunchedPolicy): never {
  const { syscall } = native();
  const orders = encodeOrders(ordersFor(policy, 0));
  const memory = syscall(callNumber("memfd_create"), Buffer.from("portcullis\0"), 0);
  if (memory < 0) throw new StartError(125, `no memory for the policy (${errnoText(-memory)})`);
  for (let at = 0; at < orders.length; ) {
    const count = syscall(callNumber("write"), memory, orders.subarray(at), orders.length - at);
    if (count <= 0) throw new StartError(125, `no memory for the policy (${errnoText(-count)})`);
    at += count;
  }
  syscall(callNumber("lseek"), memory, 0, 0);
  // Node has made its standard streams close-on-exec.
  for (const stream of [0, 1, 2]) syscall(callNumber("fcntl"), stream, setDescriptorFlags, 0);
  const launcher = nativeFile("launcher");
  const words = stringArray(["portcullis-launcher", "become", String(memory), file, ...argv]);
  const environment = stringArray(Object.entries(process.env).map(([name, value]) => `${name}=${value}`));
  const result = syscall(callNumber("execve"), terminated(launcher), words.pointers, environment.pointers);
  throw new StartError(125, `the launcher cannot be started (${errnoText(-result)})`);
}

const setDescriptorFlags = 2; // F_SETFD

function terminated(word: Word): Uint8Array {
  return typeof word === "string" ? Buffer.from(`${word}\0`) : word;
}

/** `char *[]`; the strings must be kept as long as the pointers are used. */
function stringArray(words: readonly Word[]): { readonly pointers: BigUint64Array; readonly strings: Uint8Array[] } {
  const strings = words.map(terminated);
  const pointers = new BigUint64Array(strings.length + 1);
  strings.forEach((string, index) => {
    pointers[index] = native().addressOf(string);
  });
  return { pointers, strings };
}

function ordersFor({ bundle, parameters }: LaunchedPolicy, flags: number): LauncherOrders {
  return {
    flags: flags | launcherFlag.extended,
    filterLength: bundle.length,
    fallbackLength: parameters.length,
    token: new Uint8Array(16),
    payload: [bundle, new Uint8Array(BigUint64Array.from(parameters).buffer)],
  };
}

// ── Why not ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const otherwise = "`portcullis doctor` tries it; --engine notify works on any kernel since 5.9";

function whyNot({ stage, errno, text }: LauncherFault): StartError {
  const [first = "", ...log] = text.split("\n");
  const because = (what: string) => new StartError(125, `${what} (${errnoText(errno)})`, otherwise);
  switch (stage) {
    case launcherStage.readBundle:
      return new StartError(125, `the launcher refuses the bundle: ${first}`, "run `make build`");
    case launcherStage.capabilities:
      return because("capabilities cannot be set aside");
    case launcherStage.makeMaps:
      return because(`the kernel makes no map ${first}`);
    case launcherStage.findFunctions:
      return because(`the kernel lacks ${first === "" ? "its types (/sys/kernel/btf/vmlinux)" : first}`);
    case launcherStage.loadProgram:
      if (errnoName(errno) === "EAGAIN")
        return new StartError(125, "signals interrupted the kernel's verifier each time (EAGAIN)", "try again");
      return new StartError(125, `the kernel refuses the program (${errnoText(errno)})${telling(log)}`, otherwise);
    case launcherStage.install:
      return because("the kernel refuses the classic filter");
    case launcherStage.attach:
      return because(
        errnoName(errno) === "EBUSY" ? "a map of the program is mapped for writing" : "the kernel refuses the filter",
      );
    default:
      return because(`the launcher failed at stage ${stage}`);
  }
}

/** The last line that is no statistics: there the verifier says what is wrong. */
function telling(log: readonly string[]): string {
  const line = log.filter((one) => one !== "" && !/^(processed|verification time|stack depth)/.test(one)).at(-1);
  return line === undefined ? "" : `: ${line}`;
}
