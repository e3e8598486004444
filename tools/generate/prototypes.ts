/**
 * Reads call numbers from the kernel's tables, and prototypes from its SYSCALL_DEFINEn. It ignores
 * COMPAT_SYSCALL_DEFINEn, the 32-bit entries, because a foreign ABI is refused before a policy is evaluated.
 */
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import { type KernelSource, SourceError } from "./source.ts";

export const architectures = ["x86_64", "aarch64"] as const satisfies readonly ArchitectureName[];

export interface TableEntry {
  readonly name: string;
  readonly number: number;
  /** "sys_openat"; undefined for a reserved number, which returns ENOSYS. */
  readonly entry: string | undefined;
}

export interface KernelParameter {
  /** "const char *", without __user and the like. */
  readonly type: string;
  readonly name: string;
}

/**
 * The ABI column selects an architecture's rows of a table. For arm64, `syscall_abis_64` in
 * arch/arm64/kernel/Makefile.syscalls adds ABIs to those that scripts/Makefile.asm-headers gives every 64-bit
 * architecture.
 */
export function readCallTables(
  source: KernelSource,
  newer?: KernelSource,
): { readonly [A in ArchitectureName]: readonly TableEntry[] } {
  const additions = source.read("arch/arm64/kernel/Makefile.syscalls").match(/^syscall_abis_64 \+= (.*)$/m)?.[1];
  if (additions === undefined) throw new SourceError("arch/arm64/kernel/Makefile.syscalls: no syscall_abis_64");
  return {
    x86_64: readTable([source, newer], "arch/x86/entry/syscalls/syscall_64.tbl", ["common", "64"]),
    aarch64: readTable([source, newer], "scripts/syscall.tbl", ["common", "64", ...additions.trim().split(/\s+/)]),
  };
}

/** The rows of a table, split into columns: number, ABI, name, entry point. */
export function tableRows(text: string): string[][] {
  return text
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([number]) => number && !number.startsWith("#"));
}

/** The rows of a newer kernel are only those that the older one lacks. */
function readTable(
  sources: readonly (KernelSource | undefined)[],
  file: string,
  abis: readonly string[],
): TableEntry[] {
  const entries: TableEntry[] = [];
  for (const row of sources.flatMap((source) => tableRows(source?.read(file) ?? ""))) {
    const [number = "", abi, name, entry] = row;
    if (!/^\d+$/.test(number) || !abi || !name) throw new SourceError(`${file}: cannot read "${row.join(" ")}"`);
    if (!abis.includes(abi)) continue;
    entries.push({ name, number: Number(number), entry: entry === "sys_ni_syscall" ? undefined : entry });
  }
  for (const key of ["name", "number"] as const) {
    const seen = new Set<string | number>();
    for (const entry of entries) {
      if (seen.has(entry[key])) throw new SourceError(`${file}: ${entry[key]} twice`);
      seen.add(entry[key]);
    }
  }
  if (entries.length < 300) throw new SourceError(`${file}: only ${entries.length} calls`);
  return entries;
}

interface Definition {
  readonly parameters: readonly KernelParameter[];
  readonly file: string;
  /** The preprocessor conditions around it, outermost first. */
  readonly conditions: readonly string[];
}

const definition = /^[ \t]*SYSCALL_DEFINE([0-6])\((\w+)\s*(?:,([^)]*))?\)/gm;

/** The text of each definition in a file, up to the body. */
export function readDefinitionTexts(text: string): { readonly name: string; readonly text: string }[] {
  return [...text.matchAll(definition)].map(([whole, , name = ""]) => ({ name, text: whole }));
}

/** All definitions in these files, by entry point ("sys_openat"). */
export function readDefinitions(source: KernelSource, files: readonly string[]): Map<string, Definition[]> {
  const definitions = new Map<string, Definition[]>();
  for (const file of files) {
    const text = source.read(file);
    for (const match of text.matchAll(definition)) {
      const [, count, name, list] = match;
      const parts = (list ?? "").split(",").map((part) => part.replace(/\s+/g, " ").trim());
      if (parts.length !== Math.max(1, Number(count) * 2)) {
        throw new SourceError(`${file}: cannot read the parameters of ${name}`);
      }
      const parameters: KernelParameter[] = [];
      for (let i = 0; i < Number(count) * 2; i += 2) {
        parameters.push({ type: plainType(parts[i] ?? ""), name: parts[i + 1] ?? "" });
      }
      const conditions = openConditions(text.slice(0, match.index));
      const known = definitions.get(`sys_${name}`) ?? [];
      known.push({ parameters, file, conditions });
      definitions.set(`sys_${name}`, known);
    }
  }
  return definitions;
}

/** "const struct iovec __user *" → "const struct iovec *". */
function plainType(type: string): string {
  return type
    .replace(/\b__user\b|\b__force\b/g, "")
    .replace(/\s+/g, " ")
    .replace(/\s*\*\s*/g, "*")
    .replace(/(\w)\*/g, "$1 *")
    .trim();
}

function openConditions(before: string): string[] {
  const open: string[] = [];
  for (const line of before.split("\n")) {
    const directive = line.match(/^\s*#\s*(ifdef|ifndef|if|elif|else|endif)\b\s*(.*?)\s*(\/\*.*)?$/);
    if (!directive) continue;
    const [, word, condition = ""] = directive;
    if (word === "endif") open.pop();
    else if (word === "elif") open[open.length - 1] = condition;
    else if (word === "else") open[open.length - 1] = `not (${open.at(-1)})`;
    else open.push(word === "ifdef" ? `defined(${condition})` : word === "ifndef" ? `not (${condition})` : condition);
  }
  return open;
}

/** Numbered everywhere but defined only by other architectures: these return ENOSYS here (kernel/sys_ni.c). */
const withoutDefinition: { readonly [A in ArchitectureName]?: readonly string[] } = {
  aarch64: ["sys_map_shadow_stack"],
};

/**
 * The definition that an architecture compiles. Several equal definitions are equivalent; if they differ,
 * `CONFIG_CLONE_BACKWARDS` decides (the only such case of 6.12), and Kconfig shows which architecture selects it.
 */
export function prototypeFor(
  source: KernelSource,
  definitions: ReadonlyMap<string, readonly Definition[]>,
  entry: string,
  architecture: ArchitectureName,
): readonly KernelParameter[] | undefined {
  const folder = architecture === "x86_64" ? "arch/x86/" : "arch/arm64/";
  const candidates = (definitions.get(entry) ?? []).filter(
    (definition) => !definition.file.startsWith("arch/") || definition.file.startsWith(folder),
  );
  const [first] = candidates;
  if (!first && withoutDefinition[architecture]?.includes(entry)) {
    const conditional = `COND_SYSCALL(${entry.replace(/^sys_/, "")});`;
    if (source.read("kernel/sys_ni.c").split("\n").includes(conditional)) return undefined;
  }
  if (!first) throw new SourceError(`${entry} is not defined in the files listed in inputs.ts`);
  const shapes = new Set(candidates.map((candidate) => JSON.stringify(candidate.parameters)));
  if (shapes.size === 1) return first.parameters;

  const backwards = selects(source.read(`${folder}Kconfig`), "CLONE_BACKWARDS", architecture);
  const wanted = backwards ? "defined(CONFIG_CLONE_BACKWARDS)" : "not (defined(CONFIG_CLONE_BACKWARDS3))";
  const chosen = candidates.filter((candidate) => candidate.conditions.at(-1) === wanted);
  if (entry !== "sys_clone" || !chosen[0] || chosen.length > 1) {
    throw new SourceError(`${entry} has ${shapes.size} different prototypes, and no rule says which is compiled`);
  }
  return chosen[0].parameters;
}

/** Whether a Kconfig symbol that is always on for this architecture selects the option. (X86_32 does.) */
function selects(kconfig: string, option: string, architecture: ArchitectureName): boolean {
  const symbols = architecture === "x86_64" ? ["X86", "X86_64"] : ["ARM64"];
  let block = "";
  for (const line of kconfig.split("\n")) {
    block = line.match(/^config (\w+)$/)?.[1] ?? block;
    if (line.trim() === `select ${option}` && symbols.includes(block)) return true;
  }
  return false;
}
