/** `limits` of a policy's settings: how much of the machine the tree can use. */
import type { PolicyValue } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { countingPolicy } from "./declared-steps.ts";
import { Options } from "./options.ts";

/** PID_MAX_LIMIT of the kernel (include/linux/threads.h): no tree has more tasks. */
const mostProcesses = 4_194_304n;
const kibibyte = 1024n;
/** The launcher's number of KiB has 32 bits. */
const largestSize = kibibyte * 0xffff_ffffn;

/** Undefined if the policy has none, or after an error, which sets `failed`. */
export function limitsOf(c: Compilation, options: Options): PolicyValue["limits"] {
  const value = options.get("limits");
  if (value === undefined) return undefined;
  const known = ["processes", "privateSize"];
  const limits = new Options(c, value, options.placeOfValue("limits"), "the settings of `limits`", known);
  const processes = upTo(limits, "processes", 0n, mostProcesses);
  const size = upTo(limits, "privateSize", kibibyte, largestSize);
  if (limits.failed) options.failed = true;
  if (options.failed) return undefined;
  const at = (name: string) => c.file.location(limits.placeOf(name));
  const origin = (name: string) => {
    const given = limits.get(name);
    return given?.is === "integer" && given.setting !== undefined ? { setting: given.setting } : {};
  };
  return {
    processes:
      processes === undefined
        ? undefined
        : {
            most: Number(processes),
            at: at("processes"),
            ...origin("processes"),
            counter: countingPolicy(c, limits.placeOf("processes"), processes, origin("processes").setting),
          },
    privateSize:
      size === undefined
        ? undefined
        : { most: Number(size / kibibyte), at: at("privateSize"), ...origin("privateSize") },
  };
}

/** Undefined for 0, which is no limit. */
function upTo(limits: Options, name: string, least: bigint, most: bigint): bigint | undefined {
  const given = limits.integer(name);
  if (given === undefined || given === 0n) return undefined;
  if (given >= least && given <= most) return given;
  limits.refuse(
    name,
    "P0213",
    `\`${name}\` is ${least === 0n ? 1n : least} to ${most}, or 0 for no limit, and this is ${given}`,
  );
  return undefined;
}
