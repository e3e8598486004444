/** A status as lines of text: the screen of `portcullis top`, and its output where there is no terminal. */
import { basename } from "node:path";
import { printCall } from "../../abi/decode.ts";
import { safeText, shownCharacters } from "../../diagnostics/width.ts";
import { clock } from "../../events/line.ts";
import { phasesToShow } from "../../events/phases.ts";
import type { NamedState, RefusedGroup, Status, TableFill, VerdictCount } from "../../observe/status/status.ts";
import { type PlacedProcess, placeInTree, type ShownProcess } from "./processes.ts";

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/** The first one is that of the start; the key `o` chooses the next one. */
export const orders = ["refusals", "calls/s", "calls"] as const;
export type Order = (typeof orders)[number];
export type Part = "refused" | "calls" | "processes";

export interface View {
  readonly order: Order;
  readonly isTree: boolean;
  /** Undefined for all. */
  readonly only: Part | undefined;
  readonly isHelp: boolean;
  /** Keys are read, so the last line lists them. */
  readonly hasKeys: boolean;
}

export const firstView: View = { order: "refusals", isTree: true, only: undefined, isHelp: false, hasKeys: false };

/** The view after a key; the same for a key without a meaning. */
export function viewAfter(view: View, key: string): View {
  if (view.isHelp) return { ...view, isHelp: false };
  const part = partKeys[key];
  if (part !== undefined) return { ...view, only: view.only === part ? undefined : part };
  switch (key) {
    case "o":
      return { ...view, order: orders[(orders.indexOf(view.order) + 1) % orders.length]! };
    case "t":
      return { ...view, isTree: !view.isTree };
    case "?":
    case "h":
      return { ...view, isHelp: true };
    default:
      return view;
  }
}

const partKeys: Readonly<Record<string, Part>> = { r: "refused", c: "calls", p: "processes" };

export interface ScreenLine {
  readonly text: string;
  /** Absent: plain. */
  readonly style?: "title" | "keys";
}

/** A part of the screen that is shortened by whole entries. */
interface Section {
  readonly title: string;
  /** The names of the columns; none for a section without entries. */
  readonly head: readonly string[];
  /** The lines of each. */
  readonly entries: readonly (readonly string[])[];
}

/** From this width on each refused call has one line. */
const wide = 120;

/** Lines without their ends. With a size, at most that many, and none wider than the terminal. */
export function statusScreen(
  status: Status,
  processes: readonly ShownProcess[],
  view: View,
  size: ScreenSize | undefined,
): readonly ScreenLine[] {
  const columns = size?.columns ?? Number.POSITIVE_INFINITY;
  const head = headOf(status);
  const sections = view.isHelp ? [helpSection(status)] : sectionsOf(status, processes, view, columns);
  const keys: readonly ScreenLine[] = view.hasKeys ? [{ text: keysLine(view), style: "keys" }] : [];
  const room = size === undefined ? Number.POSITIVE_INFINITY : size.rows - head.length - keys.length;
  const body = [...head.map((text) => ({ text })), ...allot(sections, room).flatMap(linesOf)];
  const most = size === undefined ? body.length : Math.max(0, size.rows - keys.length);
  // The keys stay at the bottom.
  const blank = Array.from({ length: keys.length > 0 ? Math.max(0, most - body.length) : 0 }, () => ({ text: "" }));
  return [...body.slice(0, most), ...blank, ...keys].map(({ text, ...style }) => ({
    text: cut(text, columns),
    ...style,
  }));
}

function headOf(status: Status): readonly string[] {
  const { command, policy, engine, pid, running, audit } = status;
  return [
    command.join(" "),
    `${audit ? "AUDIT: nothing is enforced; " : ""}policy ${policy}, engine ${engine}, portcullis ${pid}, ${duration(running)}`,
    callsLine(status),
  ];
}

function callsLine({ calls, perSecond, refusedByPortcullis, verdicts, unknown }: Status): string {
  // The kernel judges, and reports some calls only.
  const isKernels = unknown.length > 0;
  if (calls > 0) {
    const refused = verdicts.filter(isRefusing).reduce((sum, one) => sum + one.calls, refusedByPortcullis);
    const without = refusedByPortcullis === 0 ? "" : ` (${number(refusedByPortcullis)} without a rule)`;
    return `${isKernels ? "reported" : "judged"}: ${number(perSecond)} calls/s, ${number(calls)} in all, ${number(refused)} refused${without}`;
  }
  return isKernels
    ? "the kernel has reported no call yet"
    : "no call has needed the supervisor yet; the filter decides others by itself";
}

function isRefusing({ verdict }: VerdictCount): boolean {
  return !/^(?:allow|log|ask)\b/.test(verdict);
}

function keysLine({ order, isTree, only, isHelp }: View): string {
  if (isHelp) return "any key: back  q quit";
  const parts = only === undefined ? "r c p: one part" : "r c p: this part or all";
  return `q quit  o order: ${order}  t ${isTree ? "list" : "tree"}  ${parts}  ? help`;
}

function helpSection({ unknown, engine }: Status): Section {
  return {
    title: "keys",
    head: [],
    entries: [
      "q       quit; Ctrl-C, too",
      "o       the next order: refusals first, calls a second, or calls in all",
      "t       processes as a tree, or as a list",
      "r c p   only refused calls, calls, or processes; the same key again: all",
      "? h     this page",
      "",
      "Calls that the kernel's filter decides by itself are not counted.",
      "A group of refused calls has the same call, verdict, program and phase.",
      ...(unknown.length === 0 ? [] : ["", `not known under ${engine}:`, ...unknown.map((what) => `  ${what}`)]),
    ].map((line) => [line]),
  };
}

function sectionsOf(
  status: Status,
  processes: readonly ShownProcess[],
  view: View,
  columns: number,
): readonly Section[] {
  const { unknown, engine } = status;
  const all: readonly (readonly [Part | undefined, Section])[] = [
    ["refused", refusedSection(status, view, columns)],
    ["calls", rulesSection(status, view, columns)],
    ["processes", processesSection(status, processes, view)],
    [undefined, { title: `not known under ${engine}`, head: [], entries: unknown.map((what) => [`  ${what}`]) }],
  ];
  return all
    .filter(([part, { entries }]) =>
      view.only === undefined ? part !== undefined || entries.length > 0 : part === view.only,
    )
    .map(([, section]) => section);
}

// ── Refused calls ───────────────────────────────────────────────────────────────────────────────────────────────────

function refusedSection({ refused, refusedBefore }: Status, { order }: View, columns: number): Section {
  const before = refusedBefore === 0 ? "" : `, and ${number(refusedBefore)} earlier calls of other groups`;
  if (refused.length === 0) return { title: `refused calls: none${before}`, head: [], entries: [] };
  // By the rate they would change their places each second.
  const groups = [...refused].reverse().sort(byOrder(order === "refusals" ? "calls" : order, () => false));
  const isWide = columns >= wide;
  const names = ["calls/s", "calls", "call", "verdict", "role, phase", "rule", ...(isWide ? ["last"] : [])];
  const rows = groups.map((group) => [
    number(group.perSecond),
    number(group.calls),
    ...refusedCells(group, columns),
    ...(isWide ? [lastCall(group)] : []),
  ]);
  const [head, ...lines] = table(names, rows, 2);
  return {
    title: `refused calls${before}`,
    head: [head!],
    entries: lines.map((line, index) => (isWide ? [line] : [line, `${" ".repeat(9)}${lastCall(groups[index]!)}`])),
  };
}

function refusedCells({ event }: RefusedGroup, columns: number): readonly string[] {
  return [
    event.call,
    `${event.audit === true ? "would " : ""}${event.verdict.replace("-", " ")}${event.errno === undefined ? "" : ` ${event.errno}`}`,
    stateName(event.phases ?? {}),
    event.rule === undefined ? "portcullis itself" : place(event.rule, columns),
  ];
}

function lastCall({ event }: RefusedGroup): string {
  const reason = event.reason === undefined ? "" : `  (${event.reason})`;
  const who = `${event.command === "" ? "?" : event.command}[${event.pid}]`;
  return `${clock(event.time).slice(0, 8)} ${who} ${printCall(event.call, event.arguments)}${reason}`;
}

/** Ties keep their order. */
function byOrder<One extends { readonly calls: number; readonly perSecond: number }>(
  order: Order,
  isFirst: (one: One) => boolean,
): (one: One, other: One) => number {
  return (one, other) =>
    (order === "refusals" ? Number(isFirst(other)) - Number(isFirst(one)) : 0) ||
    (order === "calls" ? 0 : other.perSecond - one.perSecond) ||
    other.calls - one.calls;
}

// ── Calls ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Columns of the names of calls, at most and at least. */
const [mostNames, leastNames] = [60, 20];

function rulesSection({ verdicts, refused }: Status, { order }: View, columns: number): Section {
  if (verdicts.length === 0) return { title: "calls: none yet", head: [], entries: [] };
  const sorted = [...verdicts].sort(byOrder(order, isRefusing));
  const seen = new Map<string | undefined, Set<string>>();
  for (const { event } of refused) seen.set(event.rule, (seen.get(event.rule) ?? new Set()).add(event.call));
  const room = Math.max(leastNames, Math.min(mostNames, columns - 50));
  const rows = sorted.map((one) => [
    number(one.perSecond),
    number(one.calls),
    one.verdict,
    cut(callNames(one, seen.get(one.rule)), room),
    `${one.rule === undefined ? "" : place(one.rule, columns)}${one.reason === undefined || columns < wide ? "" : `  ${one.reason}`}`,
  ]);
  const [head, ...lines] = table(["calls/s", "calls", "verdict", "calls of the rule", "rule"], rows, 2);
  return { title: "calls by rule", head: [head!], entries: lines.map((line) => [line]) };
}

/** @param refused the calls that a rule is known to have refused: a rule for all other calls names hundreds */
function callNames(one: VerdictCount, refused: ReadonlySet<string> | undefined): string {
  const { names, moreNames = 0 } = one;
  if (refused !== undefined && isRefusing(one)) return [...refused].sort().join(" ");
  if (names === undefined) return "";
  return moreNames === 0 ? names.join(" ") : `${names.length + moreNames}: ${names.join(" ")}…`;
}

/** The folder would fill a terminal's line. */
function place(rule: string, columns: number): string {
  return columns === Number.POSITIVE_INFINITY ? rule : basename(rule);
}

// ── Processes ───────────────────────────────────────────────────────────────────────────────────────────────────────

function processesSection({ state, unknown }: Status, processes: readonly ShownProcess[], { isTree }: View): Section {
  // A tree that makes no supervised call would otherwise seem to have no state.
  const isUnknown = state === undefined && unknown.length === 0;
  const ofTree = state === undefined ? "" : describeState(state.tree);
  const since = ofTree === "" && state?.processes.length === 0 ? 0 : (state?.callsSince ?? 0);
  const notes = [
    ...(isUnknown ? ["phases and state: not known before the next judged call"] : []),
    ...(ofTree === "" ? [] : [`tree: ${ofTree}`]),
    ...(since > 0 ? [`the state is that before the last ${since === 1 ? "call" : `${number(since)} calls`}`] : []),
    ...((state?.more ?? 0) > 0 ? [`${number(state!.more)} more processes are not listed`] : []),
  ];
  const placed: readonly PlacedProcess[] = isTree
    ? placeInTree(processes)
    : processes.map((one) => ({ ...one, lead: "" })).sort((one, other) => one.pid - other.pid);
  const rows = placed.map((one) => [
    String(one.pid),
    number(one.threads),
    `${one.lead}${one.name}`,
    one.state === undefined ? "" : describeState(one.state),
  ]);
  const [head, ...lines] = rows.length === 0 ? [] : table(["pid", "threads", "name", "phases and state"], rows, 2);
  return {
    title: "processes",
    head: [...notes, ...(head === undefined ? [] : [head])],
    entries: lines.map((line) => [line]),
  };
}

function describeState({ phases, values, tables }: NamedState): string {
  return [
    ...(Object.keys(phases).length === 0 ? [] : [stateName(phases)]),
    ...Object.entries(values).map(([name, value]) => `${name}=${value}`),
    ...tables.map(fill),
  ].join("  ");
}

/** "child, running" of a policy with roles, else "phase serving". */
function stateName(phases: Readonly<Record<string, string>>): string {
  const shown = phasesToShow(phases);
  const hasRole = phases["role"] !== undefined;
  return shown.map(([name, phase]) => (hasRole ? phase : `${name} ${phase}`)).join(hasRole ? ", " : "  ");
}

/** seen [###.......] 3 of 10 */
function fill({ name, keys, capacity }: TableFill): string {
  const full = Math.round((10 * keys) / capacity);
  return `${name} [${"#".repeat(full)}${".".repeat(10 - full)}] ${number(keys)} of ${number(capacity)}`;
}

// ── Parts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Shortens the sections to the number of lines: all have the same number of entries' lines, as far as they need them. In a
 * small terminal the last sections are left out.
 */
function allot(all: readonly Section[], room: number): readonly Section[] {
  const least = ({ head, entries }: Section) => 2 + head.length + (entries[0]?.length ?? 0);
  let sections = all;
  while (sections.length > 1 && sections.reduce((sum, one) => sum + least(one), 0) > room)
    sections = sections.slice(0, -1);
  const fixed = sections.reduce((sum, { head }) => sum + 2 + head.length, 0);
  const needs = sections.map(({ entries }) => entries.flat().length);
  const given = needs.map(() => 0);
  let left = room - fixed;
  for (let open = needs.map((_, index) => index); left > 0 && open.length > 0; ) {
    const each = Math.max(1, Math.floor(left / open.length));
    for (const index of open) {
      const more = Math.min(each, needs[index]! - given[index]!, left);
      given[index]! += more;
      left -= more;
    }
    open = open.filter((index) => given[index]! < needs[index]!);
  }
  return sections.map((section, index) => {
    const perEntry = section.entries[0]?.length ?? 1;
    const shown = Math.min(section.entries.length, Math.floor(given[index]! / perEntry));
    if (shown === section.entries.length) return section;
    const title = `${section.title} (${number(shown)} of ${number(section.entries.length)})`;
    return { ...section, title, entries: section.entries.slice(0, shown) };
  });
}

function linesOf({ title, head, entries }: Section): readonly ScreenLine[] {
  return [{ text: "" }, { text: title, style: "title" }, ...[...head, ...entries.flat()].map((text) => ({ text }))];
}

/** @param numbers how many columns at the start are aligned to the right */
function table(head: readonly string[], rows: readonly (readonly string[])[], numbers: number): readonly string[] {
  const safe = [head, ...rows].map((row) => row.map(safeText));
  const widths = head.map((_, column) => Math.max(...safe.map((row) => cells(row[column]!))));
  return safe.map((row) =>
    row
      .map((cell, column) => {
        const blank = " ".repeat(widths[column]! - cells(cell));
        return column < numbers ? `${blank}${cell}` : `${cell}${blank}`;
      })
      .join("  ")
      .trimEnd(),
  );
}

/** Safe for a terminal. Longer texts end in an ellipsis. */
function cut(text: string, columns: number): string {
  const safe = safeText(text);
  if (cells(safe) <= columns) return safe;
  let used = 0;
  let shown = "";
  for (const character of shownCharacters(safe)) {
    used += character.cells;
    if (used > columns - 1) break;
    shown += character.text;
  }
  return columns < 1 ? "" : `${shown}…`;
}

function cells(text: string): number {
  let sum = 0;
  for (const character of shownCharacters(text)) sum += character.cells;
  return sum;
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

/** 12 s, 3:12 min, 1:03:12 h */
function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (value: number) => String(value).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}:${two(whole % 60)} min`;
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)} h`;
}
