/** Puts together what the kernel source says and what our own lists add: calls, errnos, sets of names. */
import type { ArchitectureName } from "../../src/linux/architecture.ts";
import type { CallDescription, CallParameter, NameSet } from "../../src/linux/call.ts";
import { argumentSets, narrowings, pointerTypes, readings, renamings, unlikePrototypes } from "./arguments.ts";
import { Constants } from "./constants.ts";
import { architectureHeaders, commonHeaders, definitionFiles, errnoHeaders, libraryNames } from "./inputs.ts";
import { manualNames } from "./manual.ts";
import { architectures, type KernelParameter, prototypeFor, readCallTables, readDefinitions } from "./prototypes.ts";
import { type SetRule, setRules } from "./sets.ts";
import { type KernelSource, SourceError } from "./source.ts";

/** A parameter as the policy sees it, with the kernel's own name of it. */
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
}

export function buildTables(source: KernelSource): Tables {
  const constants = {
    x86_64: readConstants(source, "x86_64"),
    aarch64: readConstants(source, "aarch64"),
  };
  const sets = setRules.map((rule) => buildSet(rule, constants)).sort((a, b) => (a.name < b.name ? -1 : 1));
  return { calls: buildCalls(source), errnos: buildErrnos(source), sets };
}

// ── Calls ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function buildCalls(source: KernelSource): BuiltCall[] {
  checkNarrowings(source);
  const tables = readCallTables(source);
  const definitions = readDefinitions(source, definitionFiles);
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

/** For each parameter, its register on arm64 where that is not its position on x86-64. */
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

/** Each cited line must stand in the kernel's source still: else somebody has to read it again. */
function checkNarrowings(source: KernelSource): void {
  const plain = (line: string) => line.replace(/\s+/g, " ").trim();
  for (const { call, parameter, cited } of narrowings) {
    for (const { file, line } of cited) {
      if (
        source
          .read(file)
          .split("\n")
          .some((candidate) => plain(candidate) === plain(line))
      )
        continue;
      throw new SourceError(
        `${file} no longer has "${line}": is ${call}'s ${parameter} still narrowed? (arguments.ts)`,
      );
    }
  }
}

// ── Names ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function readConstants(source: KernelSource, architecture: ArchitectureName): Constants {
  const macro = architecture === "x86_64" ? "__x86_64__" : "__aarch64__";
  return new Constants(
    source,
    [...architectureHeaders[architecture], ...commonHeaders],
    [macro, "CONFIG_64BIT", "__UAPI_DEF_XATTR"],
  );
}

function constant(constants: Constants, name: string): bigint | undefined {
  const library = libraryNames[name];
  if (library === undefined) return constants.value(name);
  return /^\d+$/.test(library) ? BigInt(library) : constants.value(library);
}

function matches(name: string, patterns: readonly (string | RegExp)[]): boolean {
  return patterns.some((pattern) => (typeof pattern === "string" ? pattern === name : pattern.test(name)));
}

function buildSet(rule: SetRule, constants: { readonly [A in ArchitectureName]: Constants }): Tables["sets"][number] {
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

/** A choice is compared whole; a flag under its field's mask, else under its own bits. */
function memberMask(rule: SetRule, name: string, bits: bigint, field: string | undefined, from: Constants): bigint {
  if (rule.is === "choice") return (1n << 64n) - 1n;
  const mask = field === undefined ? bits : fieldMask(field, from);
  if (mask === 0n) throw new SourceError(`${rule.name}: ${name} is 0, so it needs a field (sets.ts)`);
  if ((bits & ~mask) !== 0n) throw new SourceError(`${rule.name}: ${name} does not lie in its field ${field}`);
  return mask;
}

/** `A|B`, `A<<B`, `number-A`, a name or a number. Arguments that have fields are 32 or 64 bits; masks are kept to 32. */
function fieldMask(text: string, constants: Constants): bigint {
  const term = (word: string): bigint => {
    const value = /^\d/.test(word) ? BigInt(word) : constants.value(word);
    if (value === undefined) throw new SourceError(`no header has the mask ${word}`);
    return value;
  };
  const [left = "", right] = text.split(/<<|-/);
  if (text.includes("<<")) return term(left) << term(right ?? "");
  if (text.includes("-")) return term(left) & ~term(right ?? "");
  return text.split("|").reduce((mask, word) => mask | BigInt.asUintN(32, term(word)), 0n);
}

function compare(a: bigint | undefined, b: bigint | undefined): number {
  return a === undefined || b === undefined || a === b ? 0 : a < b ? -1 : 1;
}

/** All of 1 … 133; the kernel's own 512 and up never reach a program. Of two names for one number the first counts. */
function buildErrnos(source: KernelSource): Tables["errnos"] {
  const constants = new Constants(source, errnoHeaders, []);
  const numbers = new Map<string, number>();
  for (const name of constants.names()) {
    if (!/^E[A-Z0-9]+$/.test(name)) continue;
    const value = constants.value(name);
    if (value !== undefined && value >= 1n && value <= 133n) numbers.set(name, Number(value));
  }
  const errnos = [...numbers].map(([name, number]) => ({ name, number }));
  // A stable sort: an alias (EWOULDBLOCK is EAGAIN) comes after the name that it stands for.
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
