/**
 * Reads OCI seccomp profiles like libseccomp's callers (runc, crun): into a flat list of rules. It shares no code with
 * the front end's reader, so that tests can compare the two.
 */
import { readFileSync } from "node:fs";
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import { callByName } from "../../src/abi/calls.ts";

export type Operator = "ne" | "lt" | "le" | "eq" | "ge" | "gt" | "masked_eq";

export interface Comparison {
  readonly index: number;
  readonly operator: Operator;
  /** The operands of libseccomp: with masked_eq, `a` is the mask and `b` the value. */
  readonly a: bigint;
  readonly b: bigint;
}

export interface Rule {
  /** `SECCOMP_RET_… | data`. */
  readonly action: number;
  readonly name: string;
  readonly number: number;
  /** All must hold. */
  readonly comparisons: readonly Comparison[];
}

export interface FlatProfile {
  readonly architecture: ArchitectureName;
  readonly defaultAction: number;
  readonly rules: readonly Rule[];
}

interface JsonRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly { index: number; value: string; valueTwo?: string; op: string }[] | null;
  readonly includes?: { readonly arches?: readonly string[]; readonly caps?: readonly string[] };
  readonly excludes?: { readonly arches?: readonly string[]; readonly caps?: readonly string[] };
}

const eperm = 1;
const words: { readonly [action: string]: number } = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: 0x8000_0000,
  SCMP_ACT_TRAP: 0x0003_0000,
  SCMP_ACT_ERRNO: 0x0005_0000,
  SCMP_ACT_NOTIFY: 0x7fc0_0000,
  SCMP_ACT_LOG: 0x7ffc_0000,
  SCMP_ACT_ALLOW: 0x7fff_0000,
};
const dockerNames: { readonly [A in ArchitectureName]: string } = { x86_64: "amd64", aarch64: "arm64" };

/** Reads a profile for a caller without capabilities. */
export function readProfile(text: string, architecture: ArchitectureName): FlatProfile {
  // 64-bit values must not pass through a double.
  const json = JSON.parse(text.replaceAll(/("value(?:Two)?"\s*:\s*)(\d+)/g, '$1"$2"')) as {
    readonly defaultAction: string;
    readonly defaultErrnoRet?: number;
    readonly syscalls: readonly JsonRule[];
  };
  const rules: Rule[] = [];
  for (const rule of json.syscalls) {
    const here = dockerNames[architecture];
    const included = rule.includes?.arches === undefined || rule.includes.arches.includes(here);
    const excluded = rule.excludes?.arches?.includes(here) === true;
    if (!included || excluded || (rule.includes?.caps?.length ?? 0) > 0) continue;
    for (const name of rule.names) {
      const number = callByName(name)?.number[architecture];
      if (number === undefined) continue;
      const action = actionWord(rule.action, rule.errnoRet);
      for (const comparisons of alternatives(rule.args ?? [])) rules.push({ action, name, number, comparisons });
    }
  }
  return { architecture, defaultAction: actionWord(json.defaultAction, json.defaultErrnoRet), rules };
}

/**
 * The newest call that a profile names. Above it runc returns ENOSYS before libseccomp's filter, unless the default
 * action allows calls (libcontainer/seccomp/patchbpf); undefined in that case.
 */
export function newestNamed({ defaultAction, rules }: FlatProfile): number {
  const passes = defaultAction === words["SCMP_ACT_ALLOW"] || defaultAction === words["SCMP_ACT_LOG"];
  return passes || rules.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...rules.map(({ number }) => number));
}

export function readProfileFile(path: string, architecture: ArchitectureName): FlatProfile {
  return readProfile(readFileSync(path, "utf8"), architecture);
}

/** A rule that compares one argument twice becomes several rules, one per comparison (runc, libcontainer/seccomp). */
function alternatives(args: NonNullable<JsonRule["args"]>): (readonly Comparison[])[] {
  const comparisons = args.map((argument): Comparison => {
    const [value, valueTwo] = [BigInt(argument.value), BigInt(argument.valueTwo ?? "0")];
    return {
      index: argument.index,
      operator: argument.op.replace("SCMP_CMP_", "").toLowerCase() as Operator,
      a: value,
      b: valueTwo,
    };
  });
  const indexes = new Set(comparisons.map((comparison) => comparison.index));
  return indexes.size < comparisons.length ? comparisons.map((comparison) => [comparison]) : [comparisons];
}

function actionWord(action: string, errno: number | undefined): number {
  const word = words[action];
  if (word === undefined) throw new Error(`no word for ${action}`);
  return action === "SCMP_ACT_ERRNO" ? word | (errno ?? eperm) : word;
}

export interface ExportOptions {
  /** 2 is libseccomp's binary tree, 1 its linear list. */
  readonly optimize?: 1 | 2;
  /** Rules are added as crun and runc add them. */
  readonly asRuntimes?: boolean;
}

/** The line protocol of libseccomp_export.c. */
export function exportLines(profile: FlatProfile, { optimize = 2, asRuntimes = false }: ExportOptions = {}): string {
  const rules = profile.rules.map(({ action, name, comparisons }) => {
    const tests = comparisons.map(({ index, operator, a, b }) => ` ${index} ${operator} ${a} ${b}`).join("");
    return `rule ${action} ${name}${tests}\n`;
  });
  return [
    `architecture ${profile.architecture}\n`,
    `default ${profile.defaultAction}\n`,
    `optimize ${optimize}\n`,
    asRuntimes ? "as-runtimes\n" : "",
    ...rules,
  ].join("");
}

/** The profile as JSON for container runtimes. */
export function ociText(profile: FlatProfile): string {
  const action = (word: number) => {
    const name = Object.keys(words).findLast((each) => words[each] === (word & 0xffff_0000) >>> 0)!;
    return `"${name}"${name === "SCMP_ACT_ERRNO" ? `, "errnoRet": ${word & 0xffff}` : ""}`;
  };
  const rules = profile.rules.map(({ name, action: word, comparisons }) => {
    const args = comparisons.map(({ index, operator, a, b }) => {
      const values = `"value": ${a}, "valueTwo": ${b}`;
      return `{ "index": ${index}, ${values}, "op": "SCMP_CMP_${operator.toUpperCase()}" }`;
    });
    return `{ "names": ["${name}"], "action": ${action(word)}, "args": [${args.join(", ")}] }`;
  });
  const defaults = action(profile.defaultAction).replace("errnoRet", "defaultErrnoRet");
  return `{ "defaultAction": ${defaults}, "syscalls": [\n${rules.join(",\n")}\n] }\n`;
}
