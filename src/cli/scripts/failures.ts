/**
 * What the scripts lacked that have failed, until `portcullis propose --scripts` adds it to portcullis-scripts.json. Each
 * failure is a file beside the caches of its package, where no script can write, until the package's next script begins.
 */
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { shellWord } from "../../diagnostics/shell-word.ts";
import type { Context } from "../context.ts";
import { readInput } from "../input.ts";
import { writeOutput } from "../output.ts";
import { Failure } from "../verb.ts";
import { type Exceptions, exceptionOf } from "./exceptions.ts";
import { failureName, type Rooms, roomsOfUser } from "./rooms.ts";

export interface FailedScript {
  /** The package, as `Place` names it. */
  readonly name: string;
  /** When it has failed, in milliseconds since 1970. */
  readonly time: number;
  /** The file of its exceptions. */
  readonly exceptions: string;
  /** A sentence for each refusal. */
  readonly refused: readonly string[];
  /** The exceptions that the script had, and those that it lacked. */
  readonly entry: Exceptions;
}

/** @throws Failure */
export function storeFailure(script: FailedScript, { failure }: Rooms): void {
  writeOutput(failure, `${JSON.stringify(script)}\n`, { option: "script-shell", access: "private" });
}

/**
 * The failures of the packages whose exceptions are in this file. Their folders can be gone: npm removes what it has
 * unpacked when a script fails.
 *
 * @throws Failure
 */
export function failuresFor(exceptions: string, context: Context): FailedScript[] {
  const { scripts } = roomsOfUser(context);
  const folders = existsSync(scripts) ? readdirSync(scripts) : [];
  return folders
    .map((folder) => join(scripts, folder, failureName))
    .filter((file) => existsSync(file))
    .map(readFailure)
    .filter((script) => canonical(script.exceptions) === canonical(exceptions))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** npm names a project by the path that it was started in. */
function canonical(file: string): string {
  const folder = dirname(file);
  return existsSync(folder) ? join(realpathSync(folder), basename(file)) : file;
}

/** @throws Failure */
function readFailure(file: string): FailedScript {
  const found = parsed(readInput(file)) as Partial<Record<keyof FailedScript, unknown>> | null | undefined;
  const { name, time, exceptions, refused, entry } = found ?? {};
  const texts = [name, exceptions, ...(Array.isArray(refused) ? refused : [undefined])];
  if (!isTime(time) || texts.some((one) => typeof one !== "string")) {
    const help = `rm ${shellWord(file)}`;
    throw new Failure([diagnostic("P0903", `${file} is not what portcullis-script-shell has written`, { help })]);
  }
  const script = found as FailedScript;
  const exception = exceptionOf(script.name, JSON.stringify({ [script.name]: entry }), file);
  return { ...script, entry: typeof exception === "string" ? {} : exception };
}

/** What a Date can hold, in milliseconds (ECMAScript, "Time Values and Time Range"). */
const isTime = (value: unknown): boolean => typeof value === "number" && Math.abs(value) <= 8.64e15;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
