/** `portcullis propose --scripts`: adds to portcullis-scripts.json what scripts lacked that have failed. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { shellWord } from "../../diagnostics/shell-word.ts";
import { jsonText, safeText } from "../../diagnostics/width.ts";
import { readJson } from "../../frontend/oci/json.ts";
import type { Context } from "../context.ts";
import { readInput } from "../input.ts";
import { writeOutput } from "../output.ts";
import { missing, noMoreWords } from "../policy/arguments.ts";
import { Failure, type Invocation } from "../verb.ts";
import { type Exceptions, exceptionsName, readExceptions } from "./exceptions.ts";
import { failuresFor } from "./failures.ts";
import { exceptionsFile } from "./places.ts";

const usable: ReadonlySet<string> = new Set(["scripts", "output", "quiet"]);

/** @returns the exit status. @throws Failure */
export function proposeExceptions(invocation: Invocation, options: readonly string[], context: Context): number {
  const superfluous = options.filter((option) => invocation.has(option) && !usable.has(option));
  if (superfluous.length > 0) {
    const names = superfluous.map((option) => `--${option}`).join(", ");
    throw new Failure([diagnostic("P0909", `--scripts reads no traces, so it does not take ${names}`)]);
  }
  noMoreWords(invocation.words);
  const output = invocation.text("output") ?? "-";
  const file = output === "-" ? ownFile(context) : resolve(context.workingDirectory, output);
  const text = existsSync(file) ? readInput(file) : "{}\n";
  const given = readExceptions(text, file);
  const entries = new Map<string, Exceptions>();
  const lines: string[] = [];
  for (const { name, time, refused, entry } of failuresFor(file, context)) {
    const has = given.get(name) ?? {};
    if (typeof has === "string") continue;
    const wanted = union(has, entry);
    if (JSON.stringify(wanted) === JSON.stringify(has)) continue;
    entries.set(name, wanted);
    const when = new Date(time).toISOString().slice(0, "2026-12-03T12:00".length).replace("T", " ");
    lines.push(`${name}, failed ${when} UTC: ${entryText(wanted)}`, ...refused.map((line) => `  refused: ${line}`));
  }
  const say = (line: string) => context.err(`${safeText(line)}\n`);
  if (entries.size === 0) {
    say(`no script of a package has failed for an exception that ${file} lacks`);
    return 1;
  }
  const proposed = withEntries(text, entries);
  // An entry that cannot be read would stop the scripts of all packages.
  readExceptions(proposed, file);
  if (output === "-") context.out(proposed);
  else writeOutput(output, proposed, { option: "-o", edits: true });
  if (invocation.has("quiet")) return 0;
  for (const line of lines) say(line);
  say("read each entry: a hostile package chooses what it asks for");
  if (output === "-") say(`to write the file: portcullis propose --scripts -o ${shellWord(file)}`);
  return 0;
}

/** @throws Failure */
function ownFile({ workingDirectory, environment }: Context): string {
  const file = exceptionsFile(workingDirectory, environment);
  if (file === undefined) throw missing("a file of exceptions", `portcullis propose --scripts -o ${exceptionsName}`);
  return file;
}

function union(one: Exceptions, other: Exceptions): Exceptions {
  const result: Record<string, unknown> = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const had = result[key];
    if (Array.isArray(value)) result[key] = [...new Set([...(Array.isArray(had) ? had : []), ...value])];
    else result[key] = Math.max(typeof had === "number" ? had : 0, value);
  }
  return result as Exceptions;
}

/** The text with these entries in place of those of the same name, or after the others; all else stays. */
export function withEntries(text: string, entries: ReadonlyMap<string, Exceptions>): string {
  const outcome = readJson(text);
  if ("problem" in outcome || outcome.root.kind !== "object") throw new Error("no object of packages");
  const { members, start, end } = outcome.root;
  const edits = members.flatMap(({ name, value }) => {
    const entry = entries.get(name);
    return entry === undefined ? [] : [{ start: value.start, end: value.end, text: entryText(entry) }];
  });
  const known = new Set(members.map(({ name }) => name));
  const fresh = [...entries].filter(([name]) => !known.has(name));
  if (fresh.length > 0) {
    const at = members.at(-1)?.value.end ?? start + 1;
    const lines = fresh.map(([name, entry]) => `\n  ${jsonText(name)}: ${entryText(entry)}`).join(",");
    const before = members.length > 0 ? "," : "";
    const after = text.slice(at, end).includes("\n") ? "" : "\n";
    edits.push({ start: at, end: at, text: before + lines + after });
  }
  return edits.reduceRight((edited, one) => edited.slice(0, one.start) + one.text + edited.slice(one.end), text);
}

function entryText(entry: Exceptions): string {
  const members = Object.entries(entry).map(([key, value]) => {
    const shown = Array.isArray(value) ? `[${value.map((one) => jsonText(one)).join(", ")}]` : `${value}`;
    return `${JSON.stringify(key)}: ${shown}`;
  });
  return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`;
}
