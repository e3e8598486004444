/**
 * `npm run generate` writes the tables of calls, errnos and flags and the types derived from them; with `--verify` it
 * compares them, for the tests. Any point release of Linux 6.12 is accepted that gives the same tables.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { buildTables } from "./build.ts";
import { copyErrorsHeader, emitCopyErrors } from "./copy-errors.ts";
import { renewLists } from "./document.ts";
import {
  emitCalls,
  emitCallTypes,
  emitConstants,
  emitErrnos,
  emitFlags,
  emitGroupTypes,
  emitNameTypes,
  emitRewrites,
  headerVersion,
  withoutHeader,
} from "./emit.ts";
import { allInputs } from "./inputs.ts";
import { cutNewer, newerInputs, openNewer } from "./newer.ts";
import { archivePath, type KernelSource, openSource, SourceError, seriesOf } from "./source.ts";
import { systemdList } from "./systemd.ts";

const usage = `usage: npm run generate -- [--verify] [--source FILE] [--newer FILE]
Writes src/abi/generated/ and the generated part of src/frontend/types/ from ${archivePath}.
  --verify        compare with the present files; on a difference print the first one and exit with 1
  --source FILE   another archive of the same layout
  --newer FILE    a newer kernel's archive (linux-source-7.3.tar.xz): first extract tools/generate/newer.txt from it
`;

/** The excerpts of a newer kernel, as a path from the root of the checkout. */
const newerExcerpts = "tools/generate/newer.txt";

/** Returns the exit status: 0, 1 if --verify finds a difference, 2 for an unusable source or command line. */
export function main(args: readonly string[], root: string): number {
  const rest = [...args];
  const verify = take(rest, "--verify");
  const archive = takeValue(rest, "--source") ?? archivePath;
  const newerArchive = takeValue(rest, "--newer");
  if (rest.length > 0) {
    process.stderr.write(usage);
    return 2;
  }
  try {
    const present = read(resolve(root, newerExcerpts));
    const excerpts = newerArchive === undefined ? present : excerptsOf(newerArchive, archive);
    const { version, files } = generate(archive, excerpts);
    files.set(newerExcerpts, excerpts);
    const document = "docs/language-reference.md";
    files.set(document, renewLists(read(resolve(root, document)), read(resolve(root, systemdList))));
    return verify ? compareAll(root, version, files) : writeAll(root, version, files);
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    process.stderr.write(`generate: ${error.message}\n`);
    return 2;
  }
}

/** The completely generated files: path from the root of the checkout → text. `excerpts` is the text of newer.txt. */
export function generate(archive: string, excerpts: string): { version: string; files: Map<string, string> } {
  return generateFrom(openSource(allInputs, archive), excerpts);
}

/** The same from a source of the kernel that is open. */
export function generateFrom(source: KernelSource, excerpts: string): { version: string; files: Map<string, string> } {
  const tables = buildTables(source, openNewer(excerpts));
  const files = new Map([
    ["src/abi/generated/calls.ts", emitCalls(source, tables)],
    ["src/abi/generated/constants.ts", emitConstants(source, tables)],
    ["src/abi/generated/errno.ts", emitErrnos(source, tables)],
    ["src/abi/generated/flags.ts", emitFlags(source, tables)],
    ["src/abi/generated/rewrites.ts", emitRewrites(source, tables)],
    ["src/frontend/types/calls.d.ts", emitCallTypes(source, tables)],
    ["src/frontend/types/names.d.ts", emitNameTypes(source, tables)],
    ["src/frontend/types/groups.d.ts", emitGroupTypes()],
    [copyErrorsHeader, emitCopyErrors()],
  ]);
  return { version: source.version, files };
}

function excerptsOf(newerArchive: string, archive: string): string {
  const newer = openSource(newerInputs, newerArchive, seriesOf(newerArchive));
  return cutNewer(newer, openSource(allInputs, archive));
}

function writeAll(root: string, version: string, files: ReadonlyMap<string, string>): number {
  for (const [path, text] of files) writeFileSync(resolve(root, path), text);
  process.stdout.write(`wrote ${files.size} files from Linux ${version}\n`);
  return 0;
}

function compareAll(root: string, version: string, files: ReadonlyMap<string, string>): number {
  let status = 0;
  let written: string | undefined;
  for (const [path, text] of files) {
    const present = read(resolve(root, path));
    written ??= headerVersion(present);
    const difference = firstDifference(withoutHeader(present), withoutHeader(text));
    if (difference === undefined) continue;
    process.stderr.write(`generate: ${path} differs from the table of Linux ${version}: ${difference}\n`);
    status = 1;
  }
  if (status === 0) process.stdout.write(`the tables (Linux ${written}) are equal to those of Linux ${version}\n`);
  else process.stderr.write("generate: run npm run generate, read the changes, and commit them\n");
  return status;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function firstDifference(present: string, wanted: string): string | undefined {
  if (present === wanted) return undefined;
  const [a, b] = [present.split("\n"), wanted.split("\n")];
  const at = a.findIndex((line, i) => line !== b[i]);
  const line = at < 0 ? a.length : at;
  // The header's two lines are not part of the compared text.
  return `line ${line + 3}: ${JSON.stringify(a[line]?.slice(0, 160))} is to be ${JSON.stringify(b[line]?.slice(0, 160))}`;
}

function takeValue(args: string[], option: string): string | undefined {
  const at = args.indexOf(option);
  return at < 0 ? undefined : (args.splice(at, 2)[1] ?? "");
}

function take(args: string[], flag: string): boolean {
  const at = args.indexOf(flag);
  if (at >= 0) args.splice(at, 1);
  return at >= 0;
}
