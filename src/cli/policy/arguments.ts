/** The options that name and configure a policy, and the request that they form. */
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { ArchitectureName } from "../../abi/architecture.ts";
import { hostArchitecture } from "../../abi/architecture.ts";
import { capabilityNames } from "../../abi/capability-names.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { nearestName } from "../../diagnostics/suggest.ts";
import { callersFile } from "../../engines/launcher/launcher.ts";
import { StartError } from "../../engines/launcher/start-error.ts";
import { packageFile } from "../../machine/package.ts";
import { Failure, type Invocation, type OptionTable } from "../verb.ts";

const policyOption = (bundle: string): OptionTable[string] => ({
  short: "p",
  value: "POLICY",
  about: `The policy: a TypeScript module (.ts), an OCI seccomp profile (.json), ${bundle}or the name of a ready policy (exec-once, against/cve-2016-0728, …).`,
  complete: "policy",
});

export const policyOptions: OptionTable = {
  policy: policyOption(""),
  set: {
    short: "s",
    value: "NAME=VALUE",
    multiple: true,
    about: "The value of one of the policy's parameters.",
    complete: "parameter",
  },
  cap: {
    value: "NAME",
    multiple: true,
    about:
      "A capability of the command (CAP_SYS_ADMIN, or ALL), for rules of an OCI profile that depend on it. By default it has none.",
    complete: ["ALL", ...capabilityNames],
  },
};

/** The options of verbs that also read a bundle. */
export const policyOrBundleOptions: OptionTable = { ...policyOptions, policy: policyOption("a bundle (.pcl), ") };

export const architectureOption: OptionTable = {
  architecture: {
    value: "NAME",
    about: "Compile for x86_64 or aarch64 instead of this machine.",
    complete: ["x86_64", "aarch64"],
  },
};

/** The parameters of policies/shared/protected-paths.ts. */
export interface ProtectedNames {
  readonly names: readonly string[];
  readonly folders: readonly string[];
  readonly entries: readonly string[];
  readonly above: readonly string[];
}

export interface WithoutMounts {
  /** Undefined if nothing is protected. */
  readonly names: ProtectedNames | undefined;
  /** Sockets, and directories with sockets, to which the tree may connect; undefined if no directory is private. */
  readonly sockets: readonly string[] | undefined;
}

/** The path in a compiled policy of the directory that the tree has instead of its private ones. It never exists. */
export const ownDirectory = "/.portcullis/own-directory";

/** The policy that the command line requests. Every verb parses its options into this once. */
export interface PolicyRequest {
  /** A file, or the name of a ready policy. */
  readonly policy: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** Sorted; undefined without --cap. */
  readonly capabilities: readonly string[] | undefined;
  readonly architecture: ArchitectureName;
  /** The port of 127.0.0.1 to which the policy must hold its tree, because that can have no network of its own. */
  readonly proxyPort?: number;
  /** The kernel counts the processes of the policy's tree, if that has mounts. Without it the policy's step counts them. */
  readonly kernelCounts?: boolean;
  /** How the policy holds `files.protect` and `files.private`, because no mounts can. */
  readonly withoutMounts?: WithoutMounts;
}

/** @throws Failure if an option has an invalid value */
export function policyRequest(policy: string, invocation: Invocation): PolicyRequest {
  return {
    policy,
    parameters: readParameters(invocation),
    capabilities: givenCapabilities(invocation),
    architecture: chosenArchitecture(invocation),
  };
}

/** The policy of -p, or else the first word; and the remaining words. */
export function policyAndWords(invocation: Invocation): { readonly policy: string; readonly words: readonly string[] } {
  const given = invocation.text("policy");
  const [first, ...rest] = invocation.words;
  if (given !== undefined) return { policy: given, words: invocation.words };
  if (first === undefined) throw missing("a policy", "-p POLICY");
  return { policy: first, words: rest };
}

export function missing(what: string, how: string): Failure {
  return new Failure([diagnostic("P0908", `${what} is missing`, { help: how })]);
}

export function noMoreWords(words: readonly string[]): void {
  if (words.length === 0) return;
  throw new Failure([diagnostic("P0909", `superfluous words: ${words.map((one) => JSON.stringify(one)).join(", ")}`)]);
}

/**
 * Refuses options that are for another use of the verb.
 *
 * @param use completes "is for"
 * @throws Failure if one of them is given
 */
export function refuseOptions(invocation: Invocation, names: readonly string[], use: string): void {
  const given = names.find((name) => invocation.has(name));
  if (given !== undefined) throw new Failure([diagnostic("P0909", `--${given} is for ${use}`)]);
}

/**
 * Refuses options that are for other actions of the verb.
 *
 * @param users the actions of each option that not all actions have
 * @throws Failure
 */
export function refuseOptionsOfOthers<Action extends string>(
  invocation: Invocation,
  verb: string,
  action: Action,
  users: { readonly [option: string]: readonly Action[] },
): void {
  for (const [option, actions] of Object.entries(users))
    if (!actions.includes(action))
      refuseOptions(invocation, [option], listed.format(actions.map((one) => `\`${verb} ${one}\``)));
}

const listed = new Intl.ListFormat("en-GB", { type: "conjunction" });

/**
 * The prefix by which modules import policies of the package, and by which they are named beside a file of the same
 * name.
 */
const packagePrefix = "portcullis/policies/";

export interface PolicyFile {
  /** For messages; its ending shows the kind of the file. */
  readonly name: string;
  /** For this process, to which the name can mean another file. */
  readonly openedAs: string;
}

export function isBundle({ name }: PolicyFile): boolean {
  return name.endsWith(".pcl");
}

const inPlace = (name: string): PolicyFile => ({ name, openedAs: name });

function reachable(name: string): PolicyFile {
  try {
    return { name, openedAs: callersFile(name) };
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    throw new Failure([diagnostic("P0901", error.message, { help: error.help })]);
  }
}

/**
 * The file of a named policy. A bare name that is not a file, also one of against/ or agents/, means one of the package's policies.
 * If a source has that name with a suffix, the bare name is ambiguous and refused. A bundle (.pcl) is often the compiled
 * ready policy of the same name; it is named with its suffix.
 *
 * @param workingDirectory its path, to compare with that of the package; it need not lead there (`FileStore`)
 * @throws Failure that suggests the nearest file or ready policy
 */
export function policyFile(named: string, workingDirectory: string): PolicyFile {
  const isBare = /^(?:(?:against|agents)\/)?[A-Za-z0-9_-]+$/.test(named);
  // A folder is not a policy: beside a folder nginx/ the bare name still means the ready policy.
  if (existsSync(named) && !(isBare && statSync(named).isDirectory())) return reachable(named);
  if (named.startsWith(packagePrefix)) {
    const inPackage = packageFile(join("policies", join("/", named.slice(packagePrefix.length))));
    return existsSync(inPackage) ? inPlace(inPackage) : reachable(named);
  }
  if (!isBare) return reachable(named);
  const ready = packageFile(`policies/${named}.ts`);
  const withEnding = (...endings: readonly string[]) =>
    endings.map((ending) => `${named}${ending}`).find((one) => existsSync(one));
  if (existsSync(ready)) {
    const file = withEnding(".ts", ".json");
    if (file === undefined || resolve(workingDirectory, file) === ready) return inPlace(ready);
    throw new Failure([
      diagnostic("P0901", `${named} is a ready policy, and ${file} is here`, {
        help: `-p ./${file} is the file; -p ${packagePrefix}${named}.ts is the ready policy`,
      }),
    ]);
  }
  const file = withEnding(".ts", ".json", ".pcl");
  if (file !== undefined) {
    throw new Failure([
      diagnostic("P0901", `no file is named ${JSON.stringify(named)}, and ${file} is here`, { help: `-p ${file}` }),
    ]);
  }
  const near = readyPolicies.find((name) => name.endsWith(`/${named}`)) ?? nearestName(named, readyPolicies);
  throw new Failure([
    diagnostic("P0901", `no file and no ready policy is named ${JSON.stringify(named)}`, {
      help: near === undefined ? `the ready ones are ${readyPolicies.join(", ")}` : `write ${near}`,
    }),
  ]);
}

export const readyPolicies = [
  "against/busybox-9071",
  "against/cve-2016-0728",
  "against/cve-2016-5195",
  "against/cve-2017-5123",
  "against/cve-2017-7533",
  "against/cve-2018-18281",
  "against/cve-2019-11487",
  "against/cve-2022-0847",
  "against/cve-2024-1086",
  "against/cve-2024-21626",
  "against/cve-2026-23415",
  "against/npm-worm",
  "agent",
  "agent-socket",
  "agents/migrations-only",
  "agents/no-git",
  "agents/read-only-helper",
  "agents/read-only-review",
  "agents/redact-before-sending",
  "agents/reviewed-release",
  "agents/secrets-stay",
  "agents/tests-before-commit",
  "agents/untrusted-input",
  "agents/workspace",
  "build-step",
  "call-flow",
  "children",
  "connect-hosts",
  "exec-once",
  "exec-only",
  "fork-rate",
  "nginx",
  "no-secrets",
  "order",
  "package-script",
  "read-only-home",
  "server",
] as const;

/** The name of a ready policy; undefined for a file. */
export function readyNameOf(named: string): string | undefined {
  const name = named.startsWith(packagePrefix) ? named.slice(packagePrefix.length).replace(/\.ts$/, "") : named;
  return readyPolicies.find((one) => one === name);
}

/** @throws Failure */
function readParameters(invocation: Invocation): ReadonlyMap<string, string> {
  const set = new Map<string, string>();
  for (const given of invocation.texts("set")) {
    const at = given.indexOf("=");
    if (at < 1)
      throw new Failure([diagnostic("P0907", `--set ${given} sets no parameter`, { help: "--set NAME=VALUE" })]);
    const name = given.slice(0, at);
    if (set.has(name)) throw new Failure([diagnostic("P0909", `the parameter ${name} is set twice`)]);
    set.set(name, given.slice(at + 1));
  }
  return set;
}

/**
 * The capabilities that --cap names, sorted; undefined without --cap.
 *
 * @throws Failure
 */
function givenCapabilities(invocation: Invocation): readonly string[] | undefined {
  const given = invocation.texts("cap");
  if (given.length === 0) return undefined;
  const names = given.flatMap((text) => {
    const upper = text.toUpperCase();
    if (upper === "ALL") return capabilityNames;
    const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    if (capabilityNames.includes(name)) return [name];
    const near = nearestName(name, capabilityNames);
    throw new Failure([
      diagnostic("P0907", `no capability is called ${JSON.stringify(text)}`, {
        help: near === undefined ? "see capabilities(7)" : `write --cap ${near}`,
      }),
    ]);
  });
  return [...new Set(names)].sort();
}

/** @throws Failure */
export function chosenArchitecture(invocation: Invocation): ArchitectureName {
  const given = invocation.text("architecture");
  if (given === "x86_64" || given === "aarch64") return given;
  if (given !== undefined) {
    throw new Failure([
      diagnostic("P0907", `no architecture is called ${JSON.stringify(given)}`, { help: "x86_64 or aarch64" }),
    ]);
  }
  const host = hostArchitecture();
  if (host !== undefined) return host;
  throw new Failure([
    diagnostic("P0908", `portcullis has no table of system calls for ${process.arch}`, {
      help: "--architecture x86_64 or aarch64",
    }),
  ]);
}
