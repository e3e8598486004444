/**
 * Excerpts of a newer kernel than that of the tables: its additional calls, a few constants, and the lines that
 * rewrites.ts cites. newer.txt has them, because the installed Debian release does not offer that kernel's source
 * package. `npm run generate -- --newer FILE` extracts them again, with `--verify` it compares.
 */
import { createHash } from "node:crypto";
import { readDefinitionTexts, tableRows } from "./prototypes.ts";
import { type Citation, rewriteRules } from "./rewrites.ts";
import { type KernelSource, SourceError } from "./source.ts";

/** The files of the newer source, in the order of newer.txt. */
export const newerInputs: readonly string[] = [
  "arch/x86/entry/syscalls/syscall_64.tbl",
  "scripts/syscall.tbl",
  "arch/x86/kernel/uprobes.c",
  "fs/file_attr.c",
  "fs/namespace.c",
  "fs/open.c",
  "fs/xattr.c",
  "kernel/bpf/syscall.c",
  "kernel/fork.c",
  "kernel/nstree.c",
  "kernel/rseq.c",
  "kernel/seccomp.c",
  "include/uapi/asm-generic/fcntl.h",
  "include/uapi/linux/bpf.h",
  "include/uapi/linux/futex.h",
  "include/uapi/linux/mount.h",
  "include/uapi/linux/sched.h",
];

/** Names of the headers above that the sets (sets.ts) and the rewrites use. */
const constants = [
  "FUTEX_ROBUST_UNLOCK",
  "FUTEX_ROBUST_LIST32",
  "O_EMPTYPATH",
  "OPEN_TREE_NAMESPACE",
  "UNSHARE_EMPTY_MNTNS",
];

/** The headers among the inputs, for `Constants`. */
export const newerHeaders: readonly string[] = newerInputs.filter((file) => file.endsWith(".h"));

/** The text of newer.txt. @throws {SourceError} if the newer source lacks a file or a line. */
export function cutNewer(newer: KernelSource, base: KernelSource): string {
  const parts = newerInputs.map((file) => {
    const text = newer.read(file);
    const cut = [
      ...(file.endsWith(".tbl") ? newRows(text, base.read(file)) : []),
      ...readDefinitionTexts(text)
        .filter(({ name }) => newNames(newer, base).has(name))
        .map((one) => one.text),
      ...constants.flatMap((name) => text.match(new RegExp(`^#define[ \\t]+${name}\\b.*$`, "m"))?.[0] ?? []),
      ...citedLines(file, text),
      ...(file === "kernel/seccomp.c" ? [exemption(text)] : []),
    ];
    if (cut.length === 0) throw new SourceError(`${file}: nothing to extract (newer.ts)`);
    return `--- ${file} ${sha256(text)}\n${cut.join("\n")}\n`;
  });
  const body = parts.join("");
  return `# What Linux ${newer.version} has and the tables' own kernel lacks, and lines that are cited: cut out of Debian's
# linux-source package by \`npm run generate -- --newer FILE\`. After each file's name stands the SHA-256 of all of it.
# SHA-256 of the lines below: ${sha256(body)}
${body}`;
}

/** newer.txt as a source of excerpts; files without excerpts are empty. @throws {SourceError} if it was edited. */
export function openNewer(text: string): KernelSource {
  const lines = text.split("\n");
  const body = lines.slice(3).join("\n");
  const digest = lines[2]?.match(/^# SHA-256 of the lines below: ([0-9a-f]{64})$/)?.[1];
  const version = lines[0]?.match(/^# What Linux (\S+) has/)?.[1];
  if (version === undefined || digest !== sha256(body)) {
    throw new SourceError("newer.txt was changed by hand: run npm run generate -- --newer FILE");
  }
  const excerpts = new Map<string, string>();
  for (const part of body.split(/^--- /m).slice(1)) {
    excerpts.set(part.slice(0, part.indexOf(" ")), part.slice(part.indexOf("\n") + 1));
  }
  return { version, digest, read: (path) => excerpts.get(path) ?? "" };
}

function newRows(newer: string, base: string): string[] {
  const known = new Set(tableRows(base).map((row) => `${row[1]} ${row[2]}`));
  return tableRows(newer)
    .filter((row) => !known.has(`${row[1]} ${row[2]}`))
    .map((row) => row.join("\t"));
}

function newNames(newer: KernelSource, base: KernelSource): Set<string> {
  const tables = newerInputs.filter((file) => file.endsWith(".tbl"));
  const entries = tables.flatMap((file) => newRows(newer.read(file), base.read(file)));
  return new Set(entries.map((row) => (row.split("\t")[3] ?? "").replace(/^sys_/, "")));
}

function citedLines(file: string, text: string): string[] {
  const cited: readonly Citation[] = rewriteRules.flatMap((rule) => rule.cited);
  return cited
    .filter((one) => one.newer === true && one.file === file)
    .map(({ line }) => {
      if (!text.split("\n").some((each) => plain(each) === plain(line))) {
        throw new SourceError(`${file} of the newer kernel lacks "${line}" (rewrites.ts)`);
      }
      return line;
    });
}

/** The function that exempts calls from seccomp. */
function exemption(text: string): string {
  const found = text.match(/^static bool seccomp_uprobe_exception[\s\S]*?^}$/m)?.[0];
  if (found === undefined) throw new SourceError("kernel/seccomp.c lacks seccomp_uprobe_exception");
  return found;
}

/** A line without the kernel's indentation. */
export function plain(line: string): string {
  return line.replace(/\s+/g, " ").trim();
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
