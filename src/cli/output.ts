/** The files that verbs write. No output replaces an input, whatever their names are (src/machine/inputs.ts). */
import { isUtf8 } from "node:buffer";
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { fileSystemMagic } from "../abi/file-systems.ts";
import { diagnostic } from "../diagnostics/catalogue.ts";
import { noteFile, useOf } from "../machine/inputs.ts";
import { codeOf } from "./file-fault.ts";
import { Failure } from "./verb.ts";

export interface Output {
  readonly file: string;
  readonly text: string | Uint8Array;
}

export interface OutputRules {
  /** The option that names the file, "-o". */
  readonly option: string;
  /** "private": only its owner may read it; "usual", the default: as the file that was there, or as a new one. */
  readonly access?: "private" | "usual";
  /** The verb writes beside the named file, or where people edit: it replaces only what it recognises as its own. */
  readonly replaces?: { readonly by: string; readonly mark: RegExp };
  /** The verb changes its inputs. */
  readonly edits?: true;
}

/**
 * Writes a file whole or not at all: a full disk leaves the file that was there. A device, a fifo, an open file
 * (/dev/stdout), and a file in a folder that admits no new one, are written in place.
 *
 * @throws Failure
 */
export function writeOutput(file: string, text: string | Uint8Array, rules: OutputRules): void {
  writeOutputs([{ file, text }], rules);
}

/** Several files of one option; nothing is written if the rules forbid one of them. @throws Failure */
export function writeOutputs(outputs: readonly Output[], rules: OutputRules): void {
  for (const { file } of outputs) checkOutput(file, rules);
  for (const { file, text } of outputs) {
    try {
      replace(file, text, rules.access ?? "usual");
    } catch (error) {
      throw new Failure([diagnostic("P0901", `${file} cannot be written (${codeOf(error)})`)]);
    }
    noteFile(file, "output");
  }
}

/**
 * A verb whose work is long also checks its output before.
 *
 * @throws Failure if the rules forbid to write the file
 */
export function checkOutput(file: string, { option, replaces, edits }: OutputRules): void {
  if (edits !== true) refuseUsed(file, file, option);
  if (replaces === undefined || isOwn(file, replaces.mark)) return;
  const message = `${file} exists, and ${replaces.by} has not written it`;
  throw new Failure([diagnostic("P0917", message, { help: `another file with ${option}; or move this one away` })]);
}

/**
 * For outputs that are not written here, such as events.
 *
 * @param file its name, or a descriptor of it
 * @throws Failure
 */
export function refuseUsed(file: string | number, name: string, option: string): void {
  const use = useOf(file);
  if (use === undefined) return;
  const message = `the output ${name} is also an ${use === "input" ? "input" : "output of another option"}`;
  throw new Failure([diagnostic("P0916", message, { help: `name another file with ${option}` })]);
}

/** @throws Node's error */
function replace(named: string, text: string | Uint8Array, access: "private" | "usual"): void {
  const file = targetOf(named);
  const there = file === undefined ? undefined : lstatSync(file, { throwIfNoEntry: false });
  // A file does not change its owner.
  const isInPlace =
    there !== undefined && (!there.isFile() || (access === "usual" && there.uid !== process.geteuid?.()));
  if (file === undefined || isInPlace) {
    writeFileSync(named, text);
    return;
  }
  if (there !== undefined) accessSync(file, constants.W_OK);
  // A short name, because the file's own may be as long as a name can be.
  const fresh = `${dirname(file)}/.portcullis-${process.pid}-${process.hrtime.bigint()}.new`;
  try {
    writeFileSync(fresh, text, { mode: access === "private" ? 0o600 : 0o666, flag: "wx" });
    if (access === "usual" && there !== undefined) resemble(fresh, there);
    renameSync(fresh, file);
  } catch (error) {
    rmSync(fresh, { force: true });
    if (access === "private" || there === undefined || !inPlaceCodes.has(codeOf(error))) throw error;
    writeFileSync(named, text);
  }
}

/** The folder admits no new file, or the file is a mount of its own; but it can be written. */
const inPlaceCodes: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "EBUSY"]);

/** @throws EPERM if this user may not give the file its group */
function resemble(fresh: string, there: Stats): void {
  if (statSync(fresh).gid !== there.gid) chownSync(fresh, there.uid, there.gid);
  chmodSync(fresh, there.mode & 0o777);
}

const mostLinks = 40;

/**
 * Where symbolic links lead. Undefined if that is an open file (/proc/self/fd/1): the process that has opened it would
 * not see the file that replaces it.
 *
 * @throws Node's error
 */
function targetOf(named: string): string | undefined {
  let file = named;
  for (let links = 0; links < mostLinks; links++) {
    if (lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return file;
    const folder = dirname(file);
    if (statfsSync(folder).type === fileSystemMagic.proc) return undefined;
    const target = readlinkSync(file, "buffer");
    if (!isUtf8(target)) return undefined;
    file = target[0] === 0x2f ? target.toString() : `${folder}/${target.toString()}`;
  }
  return undefined;
}

/** Nothing is lost of a file that is absent or empty, nor of what is no file. */
function isOwn(file: string, mark: RegExp): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    return codeOf(error) === "ENOENT";
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile() || stat.size === 0) return true;
    const head = Buffer.alloc(4096);
    return mark.test(head.toString("utf8", 0, readSync(descriptor, head)));
  } finally {
    closeSync(descriptor);
  }
}
