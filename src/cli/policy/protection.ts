/**
 * `files.protect` and `files.private` where the user can make no mounts: protected files are known by their names
 * (policies/shared/protected-paths.ts), and private directories are out of reach.
 */

import { existsSync, realpathSync } from "node:fs";
import { basename } from "node:path";
import { fileRights } from "../../abi/landlock.ts";
import { type Rule, type Ruleset, rulesetsOf } from "../../backend/landlock/rulesets.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { inheritedDescriptors } from "../../engines/command/inherited-descriptors.ts";
import { makeOwnDirectory, removeOwnDirectory } from "../../engines/command/own-directory.ts";
import { mayKernelCount, mountTrial } from "../../engines/launcher/mount-trial.ts";
import { StartError } from "../../engines/launcher/start-error.ts";
import type { CompiledPolicy } from "../../engines/registry.ts";
import type { Program } from "../../ir/program.ts";
import { landlockAbi } from "../../machine/landlock-abi.ts";
import { NativeUnavailableError } from "../../machine/native.ts";
import type { Context } from "../context.ts";
import { Failure } from "../verb.ts";
import {
  isBundle,
  ownDirectory,
  type PolicyRequest,
  type ProtectedNames,
  policyFile,
  type WithoutMounts,
} from "./arguments.ts";
import { loadRequested, type ValidPolicy } from "./load.ts";
import { preparePolicy } from "./prepare.ts";
import { protectedName } from "./protected-names.ts";
import type { RunRequest } from "./run-request.ts";

export interface Confined {
  readonly request: RunRequest;
  readonly policy: CompiledPolicy;
  /** The policy, or the one that `holdToHosts` compiles by this request, with the tree's own directory. */
  readonly complete: (policy: CompiledPolicy) => CompiledPolicy;
  /** Ends what the tree had instead of mounts. */
  readonly end: () => void;
}

/**
 * Undefined if the policy needs no mounts, or this user can make them, and the kernel counts the processes there or need not.
 *
 * @throws Failure
 */
export async function confineWithoutMounts(
  request: RunRequest,
  compiled: CompiledPolicy,
  context: Context,
): Promise<Confined | undefined> {
  const { objects } = compiled.policy;
  const file = policyFile(request.policy, context.workingDirectory);
  if (!needsMounts(objects) || isBundle(file) || file.name.endsWith(".json")) return undefined;
  const trial = mountTrial();
  if ("kernelCounts" in trial) {
    if (trial.kernelCounts || !objects.some(isCountedByKernel)) return undefined;
    const counted = { ...request, kernelCounts: false };
    const policy = await preparePolicy(counted, context);
    return { request: counted, policy, complete: (same) => same, end: () => undefined };
  }
  const { obstacle } = trial;
  const withoutMounts = wayWithoutMounts(objects);
  if (withoutMounts.names !== undefined) refuseGuardedPlaces(objects, withoutMounts.names);
  const held = { ...request, withoutMounts };
  const policy = await preparePolicy(held, context);
  if (!request.quiet) context.err(`portcullis: ${describeWay(withoutMounts, obstacle)}\n`);
  if (withoutMounts.sockets === undefined)
    return { request: held, policy, complete: (same) => same, end: () => undefined };
  const directory = makeOwnDirectory();
  const variables = [
    ...["TMPDIR", "TMP", "TEMP"].map((name) => `${name}=${directory}`),
    ...["XDG_CACHE_HOME", "npm_config_cache"].map((name) => `${name}=${directory}/cache`),
  ];
  return {
    request: { ...held, variables: [...(request.variables ?? []), ...variables] },
    policy,
    complete: (given) => {
      const all = given.policy.objects.map((one) => withOwnDirectory(one, directory));
      return { ...given, policy: { ...given.policy, objects: all } } as CompiledPolicy;
    },
    end: () => {
      removeOwnDirectory(directory);
    },
  };
}

/**
 * The policy as `run` would hold it on this machine, for `explain`: without mounts, if this user can make none.
 *
 * @throws Failure
 */
export async function loadForThisUser(request: PolicyRequest, context: Context): Promise<ValidPolicy> {
  const loaded = await loadRequested({ ...request, kernelCounts: mayKernelCount() }, context);
  const way = wayForThisUser(loaded.program, context);
  if (way === undefined) return loaded;
  const known = way === "counted" ? {} : { withoutMounts: way };
  return await loadRequested({ ...request, ...known }, context, { quiet: true });
}

/**
 * Prints and returns the way in which this user's trees are held without mounts; "counted" if they are held with mounts but the
 * policy's step must count the processes; undefined if nothing differs.
 */
export function wayForThisUser({ objects }: Program, context: Context): WithoutMounts | "counted" | undefined {
  const rulesets = rulesetsOf(objects);
  if (!needsMounts(rulesets)) return undefined;
  try {
    const trial = mountTrial();
    if ("kernelCounts" in trial) return trial.kernelCounts || !rulesets.some(isCountedByKernel) ? undefined : "counted";
    const way = wayWithoutMounts(rulesets);
    context.err(`note: ${describeWay(way, trial.obstacle)}\n`);
    return way;
  } catch (error) {
    // Without the native parts, nothing is known of this user.
    if (error instanceof StartError || error instanceof NativeUnavailableError) return undefined;
    if (!(error instanceof Failure)) throw error;
    for (const { message } of error.diagnostics) context.err(`note: ${message}: \`run\` does not start it\n`);
    return undefined;
  }
}

const needsMounts = (objects: readonly Ruleset[]): boolean =>
  objects.some(({ rules }) => rules.some(({ is }) => is === "protect" || is === "private"));

const isCountedByKernel = ({ rules }: Ruleset): boolean => rules.some(({ is }) => is === "processes");

/** @throws Failure if the policy cannot be held without mounts */
function wayWithoutMounts(objects: readonly Ruleset[]): WithoutMounts {
  const rules = objects.flatMap(({ rules: all }) => all);
  if (rules.some(({ is }) => is === "private-size"))
    throw refusal("the tree's directory of its own has no limit of its size", "leave out `limits.privateSize`");
  const hidden = rules.flatMap((rule) => (rule.is === "private" ? [rule.path] : []));
  for (const path of hidden) refuseReachable(objects, path, hidden);
  const isListed = (path: string, writable: boolean) =>
    !hidden.includes(path) &&
    !path.startsWith("/dev/") &&
    (writable || hidden.some((directory) => path.startsWith(`${directory}/`)));
  const listed = rules.flatMap((rule) =>
    rule.is === "beneath" && isListed(rule.path, isWritable(rule)) ? [rule.path] : [],
  );
  const sockets = [...new Set(listed)].filter((path) => existsSync(path)).sort();
  const own = landlockAbi() < fileRights["resolve-unix"].abi ? [] : [ownDirectory];
  return { names: namesOf(rules), sockets: hidden.length === 0 ? undefined : [...sockets, ...own] };
}

/** What the lists of one policy must restrict, so that a directory which they do not name is out of reach. */
const everyUse = [
  ...(["read-file", "read-dir", "write-file", "truncate", "remove-file", "remove-dir"] as const),
  ...(["make-reg", "make-dir", "make-sym", "make-sock", "make-fifo"] as const),
];

/** @throws Failure if the tree would reach the user's own directory */
function refuseReachable(objects: readonly Ruleset[], path: string, hidden: readonly string[]): void {
  if (landlockAbi() < fileRights.truncate.abi)
    throw refusal(
      "Landlock, which could refuse private directories since Linux 6.2, is missing or off",
      "a newer kernel",
    );
  const covers = (rule: Rule, of: string) =>
    rule.is === "beneath" &&
    !hidden.includes(rule.path) &&
    (rule.path === "/" || of === rule.path || of.startsWith(`${rule.path}/`));
  const names = [path, ...resolved(path)];
  const isHeld = objects.some(
    ({ files, rules }) =>
      everyUse.every((right) => files.includes(right)) &&
      !rules.some((rule) => names.some((name) => covers(rule, name))),
  );
  if (!isHeld)
    throw refusal(
      `the lists of \`files\` permit the private directory \`${path}\``,
      "lists of reads and of writes that name no directory above it",
    );
}

function withOwnDirectory(ruleset: Ruleset, directory: string): Ruleset {
  return {
    ...ruleset,
    rules: ruleset.rules.map((rule) =>
      rule.is === "beneath" && rule.path === ownDirectory ? { ...rule, path: directory, optional: false } : rule,
    ),
  };
}

/** The way and its cost, in one line. */
function describeWay({ names, sockets }: WithoutMounts, obstacle: string): string {
  const protect =
    names &&
    `files.protect holds by names: each call that opens or changes a file by its path is supervised, and these names are refused in all directories: ${[...names.names, ...names.entries.map((entry) => `${names.folders.join("|")}/…/${entry}`)].join(", ")}`;
  const hide =
    sockets &&
    "files.private holds by Landlock: the directories are out of reach, and the tree has one of its own (TMPDIR) instead";
  return `no mounts (${obstacle}): ${[protect, hide].filter((part) => part !== undefined).join("; ")}`;
}

/** Undefined if nothing is protected. */
function namesOf(rules: readonly Rule[]): ProtectedNames | undefined {
  const paths = rules.flatMap((rule) => (rule.is === "protect" ? [rule.path] : []));
  if (paths.length === 0) return undefined;
  const roots = rules.flatMap((rule) => (isWritable(rule) ? [rule.path] : []));
  const names = new Set<string>();
  const folders = new Set<string>();
  const entries = new Set<string>();
  for (const path of paths) {
    const { folder, name } = protectedName(path, roots);
    if (folder === undefined) names.add(name);
    else {
      folders.add(folder);
      entries.add(name);
    }
  }
  const above = rules.flatMap((rule) => (rule.is === "above-protected" ? [basename(rule.path)] : []));
  const list = (given: Iterable<string>): readonly string[] => [...new Set(given)].sort().map(literal);
  return { names: list(names), folders: list(folders), entries: list(entries), above: list([...above, ...folders]) };
}

function isWritable(rule: Rule): rule is Extract<Rule, { is: "beneath" }> {
  return rule.is === "beneath" && rule.access.some((right) => right === "write-file" || right === "make-reg");
}

/** As a glob of a parameter's list. */
function literal(name: string): string {
  if (name.includes(","))
    throw refusal(
      `the protected name ${JSON.stringify(name)} has a comma`,
      "protect its directory, or rename the file",
    );
  return name.replaceAll(/[*?[\]{}\\]/g, "\\$&");
}

function refusal(why: string, help: string): Failure {
  return new Failure([diagnostic("P0909", `this user can make no mounts, and ${why}`, { help })]);
}

/**
 * The names protect nothing if the command starts inside a guarded directory or with its descriptor, and would refuse all of
 * the project if its own path had one.
 *
 * @throws Failure
 */
function refuseGuardedPlaces(objects: readonly Ruleset[], { names, folders }: ProtectedNames): void {
  const guarded = [...names, ...folders];
  const guardedPart = (path: string) =>
    path.split("/").find((part) => !part.includes(",") && guarded.includes(literal(part)));
  const directories = objects
    .flatMap(({ rules }) => rules.flatMap((rule) => (isWritable(rule) ? [rule.path] : [])))
    .filter((path) =>
      objects.some(({ rules }) => rules.some((rule) => rule.is === "protect" && rule.path.startsWith(`${path}/`))),
    );
  for (const path of [process.cwd(), ...directories, ...directories.flatMap(resolved)]) {
    const part = guardedPart(path);
    if (part !== undefined)
      throw refusal(
        `\`${path}\` lies in a guarded directory (${part})`,
        "start the command in the project, and name the project by a path without it",
      );
  }
  for (const { name, path, isDirectory } of inheritedDescriptors()) {
    const help = `close it: ${name}<&-`;
    if (isDirectory)
      throw refusal(`descriptor ${name} is an open directory, by which the command could change protected files`, help);
    const part = guardedPart(path);
    if (part !== undefined) throw refusal(`descriptor ${name} is a guarded file (${part})`, help);
  }
}

function resolved(path: string): readonly string[] {
  try {
    return [realpathSync(path)];
  } catch {
    return [];
  }
}
