/** A status as text: what `portcullis top` shows. */
import { readFileSync } from "node:fs";
import { safeText } from "../diagnostics/width.ts";
import { printLine } from "../events/line.ts";
import type { NamedState, ProcessStatus, Status, TableFill } from "../status/status.ts";

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

const shownVerdicts = 12;
const shownRefusals = 5;

/** Lines without their ends, at most `size.rows`, each at most `size.columns` wide. */
export function statusScreen(status: Status, size: ScreenSize | undefined): readonly string[] {
  const {
    command,
    policy,
    pid,
    running,
    calls,
    perSecond,
    refusedByPortcullis,
    verdicts,
    state,
    refusals,
    audit,
    unknown,
  } = status;
  const head = [
    `${command.join(" ")}  (portcullis ${pid}, policy ${policy}${audit ? ", AUDIT: nothing is enforced" : ""}, for ${running.toFixed(0)} s)`,
    callsLine(calls, perSecond, refusedByPortcullis, unknown.length > 0),
  ];
  const rules = table(
    ["verdict", "calls/s", "calls", "rule"],
    verdicts
      .slice(0, shownVerdicts)
      .map(({ verdict, perSecond: rate, calls: count, rule, reason }) => [
        verdict,
        String(rate),
        String(count),
        `${rule ?? ""}${reason === undefined ? "" : `  ${reason}`}`,
      ]),
  );
  const tail = refusals.slice(-shownRefusals).map((event) => printLine(event));
  const parts = [
    head,
    rules,
    ...stateParts(state, unknown.length > 0),
    tail.length === 0 ? [] : ["last refusals:", ...tail],
    unknown.length === 0 ? [] : ["not known under this engine:", ...unknown.map((what) => `  ${what}`)],
  ];
  const lines = parts.filter((part) => part.length > 0).flatMap((part, index) => (index === 0 ? part : ["", ...part]));
  const safe = lines.map(safeText);
  if (size === undefined) return safe;
  const fitting =
    safe.length <= size.rows
      ? safe
      : [...safe.slice(0, Math.max(0, size.rows - 1)), `… ${safe.length - size.rows + 1} more lines`];
  return fitting.map((line) =>
    line.length > size.columns ? `${line.slice(0, Math.max(0, size.columns - 1))}…` : line,
  );
}

/** @param isKernels the kernel judges, and reports some calls only */
function callsLine(calls: number, perSecond: number, refused: number, isKernels: boolean): string {
  if (calls > 0) {
    const what = isKernels ? "reported" : "judged";
    return `${what}: ${perSecond} calls/s, ${calls} in all, ${refused} of them refused without a rule`;
  }
  return isKernels
    ? "the kernel has reported no call yet"
    : "no call has needed the supervisor yet; the filter decides others by itself";
}

function stateParts(state: Status["state"], isKernels: boolean): readonly (readonly string[])[] {
  // A tree that makes no supervised call would otherwise seem to have no processes.
  if (state === undefined) return isKernels ? [] : [["phases and state: not known before the next judged call"]];
  const { tree, processes, more, callsSince } = state;
  const ofTree = describeState(tree);
  const age = callsSince === 0 ? [] : [`(the state is that before the last ${callsSince} calls)`];
  const rows = processes.map((one) => [String(one.pid), String(one.threads), nameOf(one.pid), describeState(one)]);
  return [
    ofTree === "" ? [] : [`tree: ${ofTree}`],
    processes.length === 0
      ? []
      : [
          ...table(["pid", "threads", "name", "phases and state"], rows, 2),
          ...(more > 0 ? [`and ${more} more processes`] : []),
          ...age,
        ],
  ];
}

function describeState({ phases, values, tables }: NamedState): string {
  return [
    ...Object.entries(phases).map(([name, phase]) => `${name} ${phase}`),
    ...Object.entries(values).map(([name, value]) => `${name}=${value}`),
    ...tables.map(fill),
  ].join("  ");
}

/** seen [###.......] 3 of 10 */
function fill({ name, keys, capacity }: TableFill): string {
  const full = Math.round((10 * keys) / capacity);
  return `${name} [${"#".repeat(full)}${".".repeat(10 - full)}] ${keys} of ${capacity}`;
}

/** The process's present name. The server does not read it, because that would take time. */
function nameOf(pid: ProcessStatus["pid"]): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd();
  } catch {
    return "?";
  }
}

/** @param words how many columns at the end are text, which is not aligned to the right */
function table(head: readonly string[], rows: readonly (readonly string[])[], words = 1): readonly string[] {
  if (rows.length === 0) return [];
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const isText = (column: number) => column === 0 || column >= head.length - words;
  return all.map((row) =>
    row
      .map((cell, column) => (isText(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd(),
  );
}
