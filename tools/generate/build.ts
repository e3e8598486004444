/** Combines the kernel source and our own lists into tables: calls, errnos, sets of names. */
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import type { CallDescription, CallParameter, NameSet, Rewrite } from "../../src/abi/call.ts";
import { exemptCalls } from "../../src/abi/exempt-calls.ts";
import { pointeeOf, structures } from "../../src/abi/pointees.ts";
import { argumentSets, narrowings, pointerTypes, readings, renamings, unlikePrototypes } from "./arguments.ts";
import { Constants } from "./constants.ts";
import {
  architectureHeaders,
  commonHeaders,
  definitionFiles,
  errnoHeaders,
  libraryNames,
  loneHeaders,
} from "./inputs.ts";
import { manualNames } from "./manual.ts";
import { newerHeaders, newerInputs, plain } from "./newer.ts";
import { architectures, type KernelParameter, prototypeFor, readCallTables, readDefinitions } from "./prototypes.ts";
import { type Citation, type RewriteRule, rewriteRules } from "./rewrites.ts";
import { loneConstants, type SetRule, setRules } from "./sets.ts";
import { type KernelSource, SourceError } from "./source.ts";

/** A parameter as a policy sees it, with the kernel's name. */
export interface BuiltParameter extends CallParameter {
  readonly kernelName: string;
}

export interface BuiltCall extends CallDescription {
  readonly parameters: readonly BuiltParameter[];
}

export interface Tables {
  readonly calls: readonly BuiltCall[];
  readonly errnos: readonly { readonly name: string; readonly number: number }[];
  readonly sets: readonly (NameSet & { readonly about: string; readonly is: "flags" | "choice" })[];
  /** Constants that are in no set, sorted by name; the same on both architectures. */
  readonly lone: readonly { readonly name: string; readonly value: bigint }[];
  /** In the order in which they apply. */
  readonly rewrites: readonly BuiltRewrite[];
}

export interface BuiltRewrite {
  readonly call: string;
  readonly parameter: string;
  readonly rewrite: { readonly [A in ArchitectureName]: Rewrite };
}

type ConstantsOf = { readonly [A in ArchitectureName]: Constants };

/** @param newer excerpts of a newer kernel (newer.ts). */
export function buildTables(source: KernelSource, newer: KernelSource): Tables {
  const constants = {
    x86_64: readConstants(source, newer, "x86_64"),
    aarch64: readConstants(source, newer, "aarch64"),
  };
  checkExemptions(source, newer);
  const sets = setRules.map((rule) => buildSet(rule, constants)).sort((a, b) => (a.name < b.name ? -1 : 1));
  const calls = buildCalls(source, newer);
  const rewrites = buildRewrites(source, newer, calls, constants);
  // Last, because the further headers redefine names of the sets.
  const lone = buildLone(source, constants, new Set(sets.flatMap((set) => set.members.map(({ name }) => name))));
  return { calls, errnos: buildErrnos(source), sets, lone, rewrites };
}

// ── Calls ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function buildCalls(source: KernelSource, newer: KernelSource): BuiltCall[] {
  for (const { call, parameter, cited } of narrowings) {
    checkCitations(source, cited, `is ${call}'s ${parameter} still narrowed? (arguments.ts)`);
  }
  const tables = readCallTables(source, newer);
  const definitions = new Map([...readDefinitions(newer, newerInputs), ...readDefinitions(source, definitionFiles)]);
  const names = new Set(architectures.flatMap((architecture) => tables[architecture].map((entry) => entry.name)));
  const used = new Set<string>();
  const calls = [...names].sort().map((name): BuiltCall => {
    const number: { [A in ArchitectureName]?: number } = {};
    const prototypes: { [A in ArchitectureName]?: readonly KernelParameter[] } = {};
    for (const architecture of architectures) {
      const entry = tables[architecture].find((candidate) => candidate.name === name);
      if (!entry) continue;
      number[architecture] = entry.number;
      const prototype = entry.entry && prototypeFor(source, definitions, entry.entry, architecture);
      if (prototype) prototypes[architecture] = prototype;
    }
    const kernel = prototypes.x86_64 ?? prototypes.aarch64 ?? [];
    const registers = otherRegisters(name, prototypes);
    const parameters = kernel.map((parameter, i) => buildParameter(name, parameter, i, registers, used));
    if (new Set(parameters.map((parameter) => parameter.name)).size < parameters.length) {
      throw new SourceError(`${name}: two arguments of one name; arguments.ts must rename one`);
    }
    return { name, number, prototype: prototypeText(name, kernel), parameters };
  });
  for (const names of Object.values(argumentSets)) {
    for (const name of names)
      if (!used.has(name)) throw new SourceError(`arguments.ts: no call has an argument ${name}`);
  }
  for (const [call, names] of Object.entries(renamings)) {
    for (const name of Object.keys(names)) {
      const found = calls.some(
        (description) =>
          (call === "*" || call === description.name) &&
          description.parameters.some((parameter) => parameter.kernelName === name),
      );
      if (!found) throw new SourceError(`arguments.ts: ${call} has no argument ${name} to rename`);
    }
  }
  for (const [call, names] of Object.entries(manualNames)) {
    const description = calls.find((candidate) => candidate.name === call);
    if (description?.parameters.length !== names.length) {
      throw new SourceError(`manual.ts: ${call} has ${description?.parameters.length ?? "no"} arguments`);
    }
  }
  return calls;
}

/** For each parameter, its register on arm64 if that differs from its position on x86-64. */
function otherRegisters(
  call: string,
  prototypes: { readonly [A in ArchitectureName]?: readonly KernelParameter[] },
): readonly (number | undefined)[] {
  const { x86_64, aarch64 } = prototypes;
  if (!x86_64 || !aarch64) return [];
  const registers = x86_64.map((parameter, i) => {
    const register = aarch64.findIndex((other) => other.name === parameter.name);
    const other = aarch64[register];
    const same = other && (other.type === parameter.type || unlikePrototypes[call] === parameter.name);
    if (!same) throw new SourceError(`${call}: ${parameter.name} differs between x86-64 and arm64`);
    return register === i ? undefined : register;
  });
  if (x86_64.length !== aarch64.length) throw new SourceError(`${call}: x86-64 and arm64 differ in their arguments`);
  return registers;
}

function buildParameter(
  call: string,
  { type, name: kernelName }: KernelParameter,
  position: number,
  registers: readonly (number | undefined)[],
  used: Set<string>,
): BuiltParameter {
  const plain = kernelName.replace(/^_+/, "");
  const name = renamings[call]?.[kernelName] ?? renamings["*"]?.[kernelName] ?? plain;
  const aliases = [kernelName, plain, manualNames[call]?.[position] ?? name];
  const bare = type.replace(/\bconst\b/g, "").trim();
  const isPointer = type.includes("*") || pointerTypes.includes(bare);
  const narrowed = narrowings.find((entry) => entry.call === call && entry.parameter === kernelName);
  const reading = narrowed ?? (isPointer ? { width: 64 as const, signed: false } : readings[bare]);
  if (!reading) throw new SourceError(`${call}: the width of the type ${type} is not known (arguments.ts)`);
  const qualified = `${call}.${name}`;
  const set = Object.entries(argumentSets).find(([, names]) => names.includes(qualified))?.[0];
  if (set !== undefined) {
    if (isPointer) throw new SourceError(`arguments.ts: ${qualified} is a pointer, not one of ${set}`);
    used.add(qualified);
  }
  const rule = setRules.find((candidate) => candidate.name === set);
  if (set !== undefined && !rule) throw new SourceError(`arguments.ts: no set is named ${set}`);
  const register = registers[position];
  return {
    name,
    kernelName,
    aliases: [...new Set(aliases)].filter((alias) => alias !== name),
    type,
    width: reading.width,
    signed: reading.signed,
    kind: rule ? { is: rule.is, set: rule.name } : { is: isPointer ? "pointer" : "integer" },
    ...(register === undefined ? {} : { register: { aarch64: register } }),
  };
}

function prototypeText(name: string, parameters: readonly KernelParameter[]): string {
  const list = parameters.map(({ type, name }) => (type.endsWith("*") ? `${type}${name}` : `${type} ${name}`));
  return `${name}(${list.join(", ") || "void"})`;
}

/** Each cited line must be in the kernel's source: if it is not, the source must be reviewed. */
function checkCitations(source: KernelSource, cited: readonly Citation[], question: string): void {
  for (const { file, line } of cited) {
    const lines = source.read(file).split("\n");
    if (lines.some((candidate) => plain(candidate) === plain(line))) continue;
    throw new SourceError(`${file} no longer has "${line}": ${question}`);
  }
}

// ── What the kernel changes ─────────────────────────────────────────────────────────────────────────────────────────

function buildRewrites(
  source: KernelSource,
  newer: KernelSource,
  calls: readonly BuiltCall[],
  constants: ConstantsOf,
): BuiltRewrite[] {
  for (const { calls, parameter, cited } of rewriteRules) {
    const question = `is ${calls[0]}'s ${parameter} still changed? (rewrites.ts)`;
    checkCitations(
      source,
      cited.filter((one) => one.newer !== true),
      question,
    );
    checkCitations(
      newer,
      cited.filter((one) => one.newer === true),
      question,
    );
  }
  return rewriteRules.flatMap((rule) =>
    rule.calls.map((call) => {
      const described = calls.find((candidate) => candidate.name === call);
      for (const name of [rule.parameter, ...(rule.when ?? []).flatMap((one) => one.parameter ?? [])]) {
        if (!hasArgument(described, name)) throw new SourceError(`rewrites.ts: ${call} has no argument ${name}`);
      }
      const rewrite = {
        x86_64: buildRewrite(rule, constants.x86_64),
        aarch64: buildRewrite(rule, constants.aarch64),
      };
      return { call, parameter: rule.parameter, rewrite };
    }),
  );
}

/** `name` may be a field: "how.flags". */
function hasArgument(call: BuiltCall | undefined, name: string): boolean {
  const [parameter = "", field] = name.split(".");
  if (call?.parameters.some((one) => one.name === parameter) !== true) return false;
  if (field === undefined) return true;
  const behind = pointeeOf(call.name, parameter);
  return behind?.is === "structure" && structures[behind.structure].fields.some((one) => one.name === field);
}

function buildRewrite({ parameter, when = [], clear = "0", set = "0" }: RewriteRule, constants: Constants): Rewrite {
  const word = (expression: string) => BigInt.asUintN(64, constants.expression(expression));
  return {
    when: when.map((one) => ({
      parameter: one.parameter ?? parameter,
      mask: word(one.mask),
      values: one.values.map(word),
    })),
    clear: word(clear),
    set: word(set),
  };
}

/** seccomp exempts a few calls: exactly those that the newer kernel names. */
function checkExemptions(source: KernelSource, newer: KernelSource): void {
  const named = (text: string) =>
    [...new Set([...text.matchAll(/sd->nr == __NR_(\w+)/g)].map(([, name = ""]) => name))].sort();
  const newerNames = named(newer.read("kernel/seccomp.c"));
  const unlisted = named(source.read("kernel/seccomp.c")).filter((name) => !newerNames.includes(name));
  if (unlisted.length > 0 || newerNames.join() !== exemptCalls.join()) {
    throw new SourceError(`kernel/seccomp.c exempts ${newerNames.join(", ")}: src/abi/exempt-calls.ts names others`);
  }
}

// ── Names ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function readConstants(source: KernelSource, newer: KernelSource, architecture: ArchitectureName): Constants {
  const macro = architecture === "x86_64" ? "__x86_64__" : "__aarch64__";
  const constants = new Constants(
    source,
    [...architectureHeaders[architecture], ...commonHeaders],
    [macro, "CONFIG_64BIT", "__BITS_PER_LONG=64", "__UAPI_DEF_IN_IPPROTO", "__UAPI_DEF_IPPROTO_V6", "__UAPI_DEF_XATTR"],
  );
  constants.add(newer, newerHeaders);
  return constants;
}

function buildLone(source: KernelSource, constants: ConstantsOf, inSets: ReadonlySet<string>): Tables["lone"] {
  for (const architecture of architectures) constants[architecture].add(source, loneHeaders);
  const found = constants.x86_64
    .names()
    .filter((name) => !inSets.has(name) && loneConstants.some((one) => one.test(name)));
  return found
    .flatMap((name) => {
      const [value, other] = architectures.map((architecture) => constants[architecture].value(name));
      if (value !== other) throw new SourceError(`${name} has a value for each architecture: it needs a set (sets.ts)`);
      return value === undefined ? [] : [{ name, value }];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function constant(constants: Constants, name: string): bigint | undefined {
  const library = libraryNames[name];
  if (library === undefined) return constants.value(name);
  return /^\d+$/.test(library) ? BigInt(library) : constants.value(library);
}

function matches(name: string, patterns: readonly (string | RegExp)[]): boolean {
  return patterns.some((pattern) => (typeof pattern === "string" ? pattern === name : pattern.test(name)));
}

function buildSet(rule: SetRule, constants: ConstantsOf): Tables["sets"][number] {
  const known = [...new Set([...Object.keys(libraryNames), ...constants.x86_64.names(), ...constants.aarch64.names()])];
  for (const pattern of [...rule.members, ...(rule.without ?? [])]) {
    if (!known.some((name) => matches(name, [pattern])))
      throw new SourceError(`${rule.name}: no header has ${pattern}`);
  }
  const names = known.filter((name) => matches(name, rule.members) && !matches(name, rule.without ?? []));
  const members = names.map((name) => {
    const field = rule.fields?.find((candidate) => matches(name, candidate.members));
    const value: { [A in ArchitectureName]?: bigint } = {};
    const mask: { [A in ArchitectureName]?: bigint } = {};
    for (const architecture of architectures) {
      const bits = constant(constants[architecture], name);
      if (bits === undefined) continue;
      if (bits < 0n || bits >= 1n << 64n) throw new SourceError(`${rule.name}: ${name} is ${bits}`);
      value[architecture] = bits;
      mask[architecture] = memberMask(rule, name, bits, field?.mask, constants[architecture]);
    }
    return { name, value, mask };
  });
  members.sort((a, b) => compare(a.value.x86_64 ?? a.value.aarch64, b.value.x86_64 ?? b.value.aarch64));
  return { name: rule.name, about: rule.about, is: rule.is, members };
}

/** A choice is compared whole; a flag under its field's mask, or under its own bits. */
function memberMask(rule: SetRule, name: string, bits: bigint, field: string | undefined, from: Constants): bigint {
  if (rule.is === "choice") return (1n << 64n) - 1n;
  const mask = field === undefined ? bits : BigInt.asUintN(32, from.expression(field));
  if (mask === 0n) throw new SourceError(`${rule.name}: ${name} is 0, so it needs a field (sets.ts)`);
  if ((bits & ~mask) !== 0n) throw new SourceError(`${rule.name}: ${name} does not lie in its field ${field}`);
  return mask;
}

function compare(a: bigint | undefined, b: bigint | undefined): number {
  return a === undefined || b === undefined || a === b ? 0 : a < b ? -1 : 1;
}

/**
 * All of 1 … 133; the kernel's internal 512 and up never reach a program. Of two names for one number the first is
 * used.
 */
function buildErrnos(source: KernelSource): Tables["errnos"] {
  const constants = new Constants(source, errnoHeaders, []);
  const numbers = new Map<string, number>();
  for (const name of constants.names()) {
    if (!/^E[A-Z0-9]+$/.test(name)) continue;
    const value = constants.value(name);
    if (value !== undefined && value >= 1n && value <= 133n) numbers.set(name, Number(value));
  }
  const errnos = [...numbers].map(([name, number]) => ({ name, number }));
  // The sort is stable: an alias (EWOULDBLOCK is EAGAIN) follows the original name.
  errnos.sort((a, b) => a.number - b.number || Number(isAlias(a.name)) - Number(isAlias(b.name)));
  const missing = Array.from({ length: 133 }, (_, i) => i + 1).filter(
    (number) => number !== 41 && number !== 58 && !errnos.some((errno) => errno.number === number),
  );
  if (missing.length > 0) throw new SourceError(`no errno is numbered ${missing.join(", ")}`);
  return errnos;
}

function isAlias(name: string): boolean {
  return name === "EWOULDBLOCK" || name === "EDEADLOCK";
}
