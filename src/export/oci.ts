/**
 * Exports a policy as the `linux.seccomp` object of the OCI runtime specification, which container runtimes translate by
 * libseccomp.
 *
 * A rule says exactly what the classic filter says, or notifies the agent, which evaluates the filter. What libseccomp decides
 * otherwise is stricter:
 *
 * | call | filter | profile |
 * | --- | --- | --- |
 * | of another ABI | ENOSYS | its thread is killed |
 * | that the runtime's libseccomp does not know | the policy's verdict | ENOSYS |
 */

import type { ArchitectureName } from "../abi/architecture.ts";
import { errno } from "../abi/errno-numbers.ts";
import { returnWord, splitReturnWord } from "../abi/return-word.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Mode } from "../engines/engine/engine.ts";
import type { Program } from "../ir/program.ts";
import { actions } from "../ir/verdicts.ts";
import { type ContainerFilter, containerFilter } from "./container-filter.ts";
import { type PolicyName, toMetadata } from "./metadata.ts";
import { type CallRules, type Condition, everyBit, notify, rulesOf } from "./rules.ts";

export interface OciArgument {
  readonly index: number;
  /** With SCMP_CMP_MASKED_EQ the mask. */
  readonly value: bigint;
  readonly valueTwo?: bigint;
  readonly op: "SCMP_CMP_EQ" | "SCMP_CMP_MASKED_EQ";
}

export interface OciRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly OciArgument[];
}

export interface OciProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures: readonly string[];
  readonly flags?: readonly string[];
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
  readonly syscalls: readonly OciRule[];
}

export interface OciOptions {
  /** reported: static refusals notify the agent, too, so that they become events. */
  readonly mode: Exclude<Mode, "audit">;
  readonly listenerPath: string;
  readonly name: PolicyName;
  /** SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, which runc before 1.5 refuses. */
  readonly waitsKillable?: boolean;
  /** The return word of calls without a rule. */
  readonly usual?: number;
  /** The largest number that the format has: 64 bits by default. */
  readonly mostValue?: bigint;
}

export interface OciExport {
  /** Undefined if and only if the diagnostics contain an error. */
  readonly profile: OciProfile | undefined;
  readonly filter: ContainerFilter | undefined;
  /** Sentences about runtimes that cannot start a container with the profile. */
  readonly hindrances: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

const ociArchitecture: { readonly [A in ArchitectureName]: string } = {
  x86_64: "SCMP_ARCH_X86_64",
  aarch64: "SCMP_ARCH_AARCH64",
};

/** The calls between the installation of the profile and execve, with noNewPrivileges (crun 1.21, runc 1.1.15; strace). */
const callsOfRuntime: { readonly [runtime: string]: readonly string[] } = {
  crun: ["close", "close_range", "execve"],
  runc: "close epoll_ctl execve fcntl fstatfs futex getdents64 getpid nanosleep openat read write".split(" "),
};

/** Sentences about runtimes that cannot start a container with the rules. */
function hindrancesOf(calls: readonly CallRules[]): readonly string[] {
  const passing = new Set(calls.filter(({ rules }) => rules.some(({ word }) => passes(word))).map(({ name }) => name));
  const refusals = Object.entries(callsOfRuntime).flatMap(([runtime, own]) => {
    const refused = own.filter((call) => !passing.has(call));
    return refused.length === 0
      ? []
      : [`${runtime} cannot start with this profile, which refuses ${refused.join(", ")}`];
  });
  const notifiesOfWrite = calls.some(
    ({ name, rules }) => name === "write" && rules.some(({ word }) => word === notify),
  );
  // libcontainer/seccomp/seccomp_linux.go: runc itself sends the listener by a write.
  return notifiesOfWrite ? [...refusals, "runc refuses a profile that notifies of write; crun accepts it"] : refusals;
}

function passes(word: number): boolean {
  const { action } = splitReturnWord(word);
  return action === "ALLOW" || action === "LOG" || action === "USER_NOTIF";
}

const noSuchCall = returnWord("ERRNO", errno.ENOSYS);

/** Throws as `compileForNotify`. */
export function exportOci(program: Program, options: OciOptions): OciExport {
  const { usual = noSuchCall, mostValue } = options;
  const make = (forcesAgent: boolean) => {
    const { filter, diagnostics } = containerFilter(program, options.mode, forcesAgent);
    const rules = filter === undefined ? undefined : rulesOf(program, filter, usual, mostValue);
    return { filter, diagnostics, rules };
  };
  let made = make(false);
  // What the rules cannot say is decided by the agent.
  if (made.rules?.isExact === false && made.filter?.needsAgent === false) made = make(true);
  const { filter, diagnostics, rules } = made;
  if (filter === undefined || rules === undefined) {
    return { profile: undefined, filter, hindrances: [], diagnostics };
  }
  const flags = options.waitsKillable === true ? { flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] } : {};
  const { syscalls, ...profile } = profileOf(program.architecture, rules.calls, usual);
  const listener = { ...flags, listenerPath: options.listenerPath, listenerMetadata: toMetadata(options.name) };
  return {
    profile: { ...profile, ...(filter.needsAgent ? listener : {}), syscalls },
    filter,
    hindrances: hindrancesOf(rules.calls),
    diagnostics,
  };
}

/** Without a listener. `usual` is the return word of calls without a rule. */
export function profileOf(architecture: ArchitectureName, calls: readonly CallRules[], usual: number): OciProfile {
  return { ...defaultOf(usual), architectures: [ociArchitecture[architecture]], syscalls: grouped(calls) };
}

/** One line for each member, and for each rule. */
export function ociText({ syscalls, ...profile }: OciProfile): string {
  const members = Object.entries(profile).map(([key, value]) => `  ${JSON.stringify(key)}: ${jsonOf(value)}`);
  const rules = syscalls.map((rule) => `    ${jsonOf(rule)}`).join(",\n");
  return `{\n${[...members, `  "syscalls": [\n${rules}\n  ]`].join(",\n")}\n}\n`;
}

/** JSON.stringify writes no numbers of 64 bits. */
function jsonOf(value: unknown): string {
  const text = JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? `#${each}#` : each));
  return text.replaceAll(/(?<!\\)"#(\d+)#"/g, "$1");
}

/** Calls with equal rules share them. */
function grouped(calls: readonly CallRules[]): readonly OciRule[] {
  const groups = new Map<string, { readonly names: string[]; readonly rules: readonly Omit<OciRule, "names">[] }>();
  for (const { name, rules } of calls) {
    const written = rules.map(({ word, conditions }) => ({
      ...actionOf(word),
      ...(conditions.size === 0 ? {} : { args: [...conditions].map(argumentOf).sort((a, b) => a.index - b.index) }),
    }));
    const key = jsonOf(written);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { names: [name], rules: written });
    else group.names.push(name);
  }
  const all = [...groups.values()].flatMap(({ names, rules }) => rules.map((rule) => ({ names, ...rule })));
  return [...all.filter(({ args }) => args === undefined), ...all.filter(({ args }) => args !== undefined)];
}

function argumentOf([index, { mask, value }]: readonly [number, Condition]): OciArgument {
  return mask === everyBit
    ? { index, value, op: "SCMP_CMP_EQ" }
    : { index, value: mask, valueTwo: value, op: "SCMP_CMP_MASKED_EQ" };
}

function actionOf(word: number): { readonly action: string; readonly errnoRet?: number } {
  const { action, data } = splitReturnWord(word);
  const oci = Object.values(actions).find(({ seccomp }) => seccomp === action)?.oci;
  if (oci === undefined) throw new Error(`no OCI action for the return word ${word}`);
  return action === "ERRNO" ? { action: oci, errnoRet: data } : { action: oci };
}

function defaultOf(word: number): Pick<OciProfile, "defaultAction" | "defaultErrnoRet"> {
  const { action, errnoRet } = actionOf(word);
  return { defaultAction: action, ...(errnoRet === undefined ? {} : { defaultErrnoRet: errnoRet }) };
}
