/** What a script was refused, from its events, and the entry of portcullis-scripts.json that permits it. */
import { existsSync, realpathSync, statSync } from "node:fs";
import { dirname, relative } from "node:path";
import type { DecisionEvent, PolicyEvent } from "../../events/event.ts";
import { isPlainPath, permitHost } from "../../events/permit.ts";
import type { Exceptions } from "./exceptions.ts";
import type { Granted } from "./grants.ts";
import { isBelow } from "./places.ts";

export interface Refusals {
  /** A sentence each, with the line of the policy. */
  readonly lines: readonly string[];
  readonly entry: Exceptions;
}

interface Refused {
  readonly line: string;
  readonly list?: "execute" | "read" | "write" | "hosts";
  readonly value?: string;
}

/** @param begun when the script was started, in milliseconds since 1970 */
export function refusalsIn(
  events: readonly PolicyEvent[],
  granted: Granted,
  given: Exceptions,
  begun: number,
): Refusals {
  const found = events.flatMap((event) => refused(event, granted, begun));
  const lists = new Map<string, Set<string>>();
  for (const { list, value } of found) {
    if (list === undefined) continue;
    const values = lists.get(list) ?? new Set(given[list]);
    if (value !== undefined) values.add(value);
    lists.set(list, values);
  }
  const entry = { ...given, ...Object.fromEntries([...lists].map(([list, values]) => [list, [...values]])) };
  return { lines: [...new Set(found.map(({ line }) => line))], entry };
}

function refused(event: PolicyEvent, granted: Granted, begun: number): Refused[] {
  if (event.kind === "host") {
    const port = event.port === 443 ? undefined : event.port;
    const line = `host ${event.host}${port === undefined ? "" : `:${port}`}: ${event.reason}`;
    const value = permitHost(event.host, port)?.at(-1);
    return [value === undefined ? { line } : { line, list: "hosts", value }];
  }
  if (event.kind !== "decision") return [];
  return event.verdict === "log" ? logged(event, granted, begun) : denied(event);
}

function denied(event: DecisionEvent): Refused[] {
  const { call, reason = "", rule = "", command } = event;
  // The script shell's own question, what programs try at each start, and a list of names that each program asks for.
  if (reason.startsWith("answers ") || event.errno === "ENOSYS" || isNameService(event)) return [];
  const path = pathOf(event);
  const line = `${command}: ${call}${path === undefined ? "" : ` ${path}`}: ${reason} (${rule})`;
  return [call === "socket" && reason.includes("network") ? { line, list: "hosts" } : { line }];
}

function isNameService({ memory = {} }: DecisionEvent): boolean {
  return Object.values(memory).some(
    (one) => typeof one === "object" && "kind" in one && one.kind === "unix" && String(one.path).includes("/nscd/"),
  );
}

/** The policy has let the call through to Landlock, whose answer is known if no list has the file. */
function logged(event: DecisionEvent, granted: Granted, begun: number): Refused[] {
  const path = pathOf(event);
  if (path === undefined) return [];
  const { call, command, rule = "" } = event;
  const list = call === "execve" ? "execute" : isReading(event) ? "read" : "write";
  const made = list === "write" && !existsSync(path);
  const file = made ? path : realpath(path);
  if (file === undefined) return [];
  const { folder, read, write, execute } = granted;
  const lists = { execute, write: [folder, ...write], read: [folder, ...write, ...read] };
  if (lists[list].some((one) => isBelow(file, one))) return [];
  const line = `${command}: ${call} ${path}: in no list \`${list}\` (${rule})`;
  // A hidden file is the user's settings: programs look for it and do without.
  const isHidden = file.includes("/.") && list !== "execute";
  const isFolder = !made || call.startsWith("mkdir");
  if (!isFolder || isHidden || !isPlainPath(file)) return [{ line }];
  const permitted = list === "execute" && isBelow(file, folder) ? existedAt(begun, file, folder) : file;
  return [{ line, list, value: shownFrom(folder, permitted) }];
}

/** Landlock permits what exists when the script starts: for a file that the script has made, the directory above. */
function existedAt(begun: number, file: string, folder: string): string {
  const isNewer = file !== folder && statSync(file).birthtimeMs >= begun;
  return isNewer ? existedAt(begun, dirname(file), folder) : file;
}

/** Relative inside of the project's node_modules, so that the entry means the same in each checkout. */
function shownFrom(folder: string, file: string): string {
  const [project, ...rest] = folder.split("/node_modules/");
  return rest.length > 0 && isBelow(file, `${project}/node_modules`) ? relative(folder, file) || "." : file;
}

function realpath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function isReading({ call, arguments: given }: DecisionEvent): boolean {
  const flags = given.find(({ name }) => name === "flags")?.text ?? "";
  return (call === "open" || call === "openat") && !/O_WRONLY|O_RDWR|O_CREAT|O_TRUNC/.test(flags);
}

function pathOf({ memory }: DecisionEvent): string | undefined {
  const path = memory?.["path"] ?? memory?.["newpath"];
  return typeof path === "string" ? path : undefined;
}
