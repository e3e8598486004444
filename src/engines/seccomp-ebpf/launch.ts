/** Starts a command under a bundle: as a process that this one waits for, or by replacing the front. */
import { errnoName } from "../../abi/errno.ts";
import type { RunOptions } from "../engine/run.ts";
import {
  errnoText,
  explaining,
  type LauncherFault,
  type LauncherOrders,
  launcherFlag,
  launcherStage,
  replaceFront,
  type Started,
  startCommand,
  type TreeOptions,
  treeOrders,
} from "../launcher/launcher.ts";
import { StartError } from "../launcher/start-error.ts";
import type { SeccompEbpfPolicy } from "./policy.ts";

export interface Launched extends Started {
  /** The ring buffer, and the map with the number of records that did not fit. */
  readonly events: number;
  readonly dropped: number;
  /** Descriptors of the maps with the tree's first tables, in the order of the bundle. */
  readonly tables: readonly number[];
}

export type LaunchOptions = TreeOptions & Pick<RunOptions, "bestEffort">;
type LaunchedPolicy = Pick<SeccompEbpfPolicy, "bundle" | "parameters">;

/** Throws a StartError if the command was not started. */
export function launch(command: readonly string[], policy: LaunchedPolicy, options: LaunchOptions): Launched {
  return explaining(command, whyNot, () => {
    const started = startCommand(command, ordersFor(policy, options));
    const [events, dropped, ...tables] = started.descriptors;
    if (events === undefined || dropped === undefined) {
      // Not a StartError: the command runs. It can have lowered our limit of descriptors (prlimit).
      throw new Error(
        "no file descriptor was left at the start: the policy is enforced, and its events cannot be read",
      );
    }
    return { ...started, events, dropped, tables };
  });
}

/** Lets the front become the command, so that no process of portcullis remains. Throws a StartError if it cannot. */
export function becomeCommand(
  command: readonly string[],
  policy: LaunchedPolicy,
  { bestEffort }: Pick<LaunchOptions, "bestEffort">,
): never {
  return explaining(command, whyNot, () => replaceFront(command, ordersFor(policy, { bestEffort })));
}

function ordersFor({ bundle, parameters }: LaunchedPolicy, options: LaunchOptions): LauncherOrders {
  const { flags, timeLimit, variables } = treeOrders(options);
  return {
    flags: flags | launcherFlag.extended | (options.bestEffort === true ? launcherFlag.bestEffort : 0),
    timeLimit,
    filterLength: bundle.length,
    fallbackLength: parameters.length,
    token: new Uint8Array(16),
    variables,
    payload: [bundle, new Uint8Array(BigUint64Array.from(parameters).buffer)],
  };
}

// ── Error messages ──────────────────────────────────────────────────────────────────────────────────────────────────

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
      return because(attachFaults[errnoName(errno) ?? ""] ?? "the kernel refuses the filter");
    default:
      return because(`the launcher failed at stage ${stage}`);
  }
}

const attachFaults: Readonly<Record<string, string>> = {
  EBUSY: "a map of the program is mapped for writing",
  E2BIG: "the kernel's filters cannot read the memory behind pointers, as the policy does",
  EOPNOTSUPP: "the kernel does not copy an argument that the policy reads",
};

/** The log's last line before its statistics, which contains the verifier's error. */
function telling(log: readonly string[]): string {
  const line = log.filter((one) => one !== "" && !/^(processed|verification time|stack depth)/.test(one)).at(-1);
  return line === undefined ? "" : `: ${line}`;
}
