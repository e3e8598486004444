/** Starts a command under the classic filter, and takes over the listener for the supervisor. */

import { callNumber } from "../../abi/call-numbers.ts";
import { errnoName } from "../../abi/errno.ts";
import { encodeRulesets } from "../../backend/landlock/encode.ts";
import type { Ruleset } from "../../backend/landlock/rulesets.ts";
import { native } from "../../machine/native.ts";
import {
  errnoText,
  explaining,
  type LauncherFault,
  type LauncherOrders,
  launcherFlag,
  launcherStage,
  type Started,
  startCommand,
  startedDetail,
  type TreeOptions,
  treeOrders,
} from "../launcher/launcher.ts";
import { StartError } from "../launcher/start-error.ts";
import type { ArmedFilter } from "./policy/policy.ts";

export interface LaunchOptions {
  readonly filter: ArmedFilter;
  /** The filter that is installed if another listener exists. */
  readonly fallback: ArmedFilter | undefined;
  readonly tree: TreeOptions;
  /** The tree opens files of proc file systems for reading only; with `bestEffort`, only if Landlock is available. */
  readonly readOnlyProc?: boolean;
  readonly objects?: readonly Ruleset[];
  /** The label of the domains of `objects` in the kernel's audit. */
  readonly label?: number | undefined;
  readonly bestEffort?: boolean;
  /** Do not set no_new_privs. The kernel then accepts a filter only from a privileged process. */
  readonly keepsPrivileges?: boolean;
  /** If another listener exists and there is no fallback; by default the sentences for a policy. */
  readonly busy?: { readonly message: string; readonly help: string };
}

const busyForPolicy = {
  message: "another supervisor already listens here, and this policy needs one of its own",
  help: "supervisors do not nest; a policy without state works without one (`--no-denial-events`)",
};

export interface Launched {
  /** For `readMessage`. */
  readonly socket: number;
  readonly launcher: number;
  /** The command's first process. */
  readonly pid: number;
  readonly pidfd: number;
  /** Undefined if the filter notifies of nothing, or if another listener exists. */
  readonly listener: number | undefined;
  /** Another listener exists, and the fallback is in force. */
  readonly fellBack: boolean;
}

/** Starts a command under a filter, or throws a StartError. The command runs; calls that the filter reports wait. */
export function launch(command: readonly string[], options: LaunchOptions): Launched {
  const started = explaining(
    command,
    (fault) => whyNot(fault, options),
    () => startCommand(command, ordersFor(options)),
  );
  return launched(started);
}

export function launched({ descriptors, detail, ...started }: Started): Launched {
  return { ...started, listener: descriptors[0], fellBack: (detail & startedDetail.withoutListener) !== 0 };
}

/** Throws a StartError if the kernel gives no random bytes. */
export function ordersFor({ filter, fallback, tree, ...options }: LaunchOptions): LauncherOrders {
  const token = new Uint8Array(16);
  if (native().syscall(callNumber("getrandom"), token, token.length, 0) !== token.length) {
    throw new StartError(125, "the kernel gives no random bytes");
  }
  const { flags, timeLimit, variables } = treeOrders(tree);
  const layers = encodeRulesets(options.objects ?? []);
  return {
    flags:
      flags |
      (filter.notifies ? launcherFlag.wantListener : 0) |
      (options.keepsPrivileges === true ? launcherFlag.keepPrivileges : 0) |
      (options.readOnlyProc === true ? launcherFlag.readOnlyProc : 0) |
      (options.bestEffort === true ? launcherFlag.bestEffort : 0),
    timeLimit,
    filterLength: filter.instructions.length / 8,
    fallbackLength: (fallback?.instructions.length ?? 0) / 8,
    token,
    layersSize: layers.length,
    variables,
    label: options.label ?? 0,
    payload: [arm(filter, token), ...(fallback === undefined ? [] : [arm(fallback, token)]), layers],
  };
}

/** The filter's instructions with the token's words in their places. */
function arm({ instructions, tokenPositions }: ArmedFilter, token: Uint8Array): Uint8Array {
  const armed = instructions.slice();
  tokenPositions.forEach((position, index) => {
    armed.set(token.subarray(4 * index, 4 * index + 4), 8 * position + 4);
  });
  return armed;
}

function whyNot({ stage, errno, message }: LauncherFault, { filter, busy = busyForPolicy }: LaunchOptions): StartError {
  if (stage !== launcherStage.install) return new StartError(125, `the launcher failed (${message})`);
  switch (errnoName(errno)) {
    case "EBUSY":
      return new StartError(125, busy.message, busy.help);
    case "EINVAL":
      if (filter.notifies) {
        return new StartError(125, "this kernel has no seccomp notifications", "portcullis needs Linux 5.9 or newer");
      }
      break;
    default:
  }
  return new StartError(125, `the kernel refuses the filter (${errnoText(errno)})`);
}
