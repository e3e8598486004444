/** Prints an explanation for a terminal: one screen for a policy of a few dozen lines. */
import type { Case, Explanation, ExplanationRow, Outcome, PlacedVerdict } from "./explanation.ts";

export interface RenderOptions {
  /** Columns. Default 100. */
  readonly width?: number;
}

interface Line {
  readonly calls: string;
  readonly when: string;
  readonly verdict: string;
  readonly decided: string;
  readonly at: string;
}

const places: { readonly [D in Case["decided"]]: string } = {
  bitmap: "kernel, bitmap",
  filter: "kernel, filter",
  event: "supervisor, event",
  supervisor: "by state",
};

export function renderExplanation(explanation: Explanation, options: RenderOptions = {}): string {
  const width = options.width ?? 100;
  const blocks = [
    `any other call: ${outcomesText(explanation.otherwise, true)}`,
    table(explanation, width),
    listsText(explanation, width),
    stateText(explanation, width),
    roomsText(explanation, width),
    memoryText(explanation, width),
    procText(explanation, width),
    warningsText(explanation, width),
  ];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

function table(explanation: Explanation, width: number): string {
  const head: Line = { calls: "CALLS", when: "WHEN", verdict: "VERDICT", decided: "DECIDED", at: "LINE" };
  const rows = explanation.rows.filter((row) => (!row.isOtherwise || row.cases.length > 1) && !isList(row));
  const lines = rows.map((row) => rowLines(row));
  const all = [head, ...lines.flat()];
  const columnOf = (pick: (line: Line) => string, most: number) =>
    Math.min(most, Math.max(...all.map((line) => pick(line).length)));
  const verdict = columnOf((line) => line.verdict, 34);
  const decided = columnOf((line) => line.decided, 20);
  const at = columnOf((line) => line.at, 24);
  // The two columns with long texts share the remaining width.
  const rest = width - verdict - decided - at - 8;
  const wanted = columnOf((line) => line.when, 44);
  const calls = Math.max(
    16,
    Math.min(
      columnOf((line) => line.calls, 60),
      rest - wanted,
    ),
  );
  const when = Math.max(Math.min(20, wanted), Math.min(wanted, rest - calls));
  const print = (line: Line) => {
    const columns = [
      fold(line.calls, calls),
      fold(line.when, when),
      fold(line.verdict, verdict),
      fold(line.decided, decided),
      fold(line.at, at),
    ];
    const widths = [calls, when, verdict, decided, at];
    const height = Math.max(...columns.map((column) => column.length));
    return Array.from({ length: height }, (_, row) =>
      columns
        .map((column, index) => (column[row] ?? "").padEnd(widths[index]!))
        .filter((_, index) => widths[index]! > 0)
        .join("  ")
        .trimEnd(),
    ).join("\n");
  };
  const unnamed = explanation.rows.filter((row) => row.isOtherwise && row.cases.length === 1);
  const others = unnamed.reduce((sum, row) => sum + row.calls.length, 0);
  const footer = others === 0 ? [] : [`(${others} more calls: as any other call)`];
  if (lines.length === 0) return footer.join("\n");
  return [...[[head], ...lines].map((group) => group.map(print).join("\n")), ...footer].join("\n");
}

/** Many calls with one verdict are easier to read as a paragraph than in a column. */
function isList(row: ExplanationRow): boolean {
  const [only] = row.cases;
  return row.cases.length === 1 && only?.outcomes.length === 1 && row.compact.join(" ").length > 60;
}

function listsText(explanation: Explanation, width: number): string {
  return explanation.rows
    .filter((row) => !row.isOtherwise && isList(row))
    .map((row) => {
      const [line] = rowLines(row);
      const { verdict, decided, at } = line!;
      return [`${verdict}; ${decided}; ${at}`, ...fold(`  ${row.compact.join(" ")}`, width, "  ")].join("\n");
    })
    .join("\n\n");
}

function rowLines(row: ExplanationRow): Line[] {
  const lines: Line[] = [];
  for (const each of row.cases) {
    const last = each === row.cases.at(-1);
    const condition =
      each.conditions === undefined
        ? "depends on many conditions (see --json)"
        : each.conditions.length > 0
          ? each.conditions.join(" and ")
          : last && row.cases.length > 1
            ? "otherwise"
            : "";
    each.outcomes.forEach((outcome, index) => {
      const phases = outcome.phases === undefined ? "" : `in ${outcome.phases.join(", ")}`;
      const first = index === 0;
      const when = first ? [condition, phases].filter((part) => part !== "").join("; ") : phases;
      lines.push({
        calls: lines.length === 0 ? row.compact.join(" ") : "",
        when,
        verdict: unique(outcome.verdicts.map(actionText)).join(" or "),
        decided: first ? decidedText(each) : "",
        at: unique(outcome.verdicts.map((verdict) => verdict.at ?? "")).join(" "),
      });
    });
  }
  return lines;
}

function decidedText(each: Case): string {
  if (each.decided !== "supervisor") return places[each.decided];
  const parts: string[] = [];
  const both = each.reads.filter((name) => each.changes.includes(name));
  const memory = each.reads.filter((name) => name.startsWith("args."));
  const reads = each.reads.filter((name) => !both.includes(name) && !memory.includes(name));
  const changes = each.changes.filter((name) => !both.includes(name));
  if (memory.length > 0) parts.push(`reads ${memory.map((name) => name.slice("args.".length)).join(", ")}`);
  if (reads.length > 0) parts.push(`by ${reads.join(", ")}`);
  if (both.length > 0) parts.push(`by and changes ${both.join(", ")}`);
  if (changes.length > 0) parts.push(`changes ${changes.join(", ")}`);
  if (each.enters.length > 0) parts.push(`enters ${each.enters.join(", ")}`);
  if (each.reports.length > 0) parts.push("reports");
  if (parts.length === 0) parts.push(each.because.join(", "));
  return parts.join("; ");
}

function outcomesText(outcomes: readonly Outcome[], placed: boolean): string {
  return outcomes
    .map(({ phases, verdicts }) => {
      const text = verdicts.map((verdict) => verdictText(verdict, placed)).join(" or ");
      return phases === undefined ? text : `${text} (in ${phases.join(", ")})`;
    })
    .join("; ");
}

function actionText({ verdict, does }: PlacedVerdict): string {
  return does === undefined ? verdict : `${verdict} (${does})`;
}

function verdictText(verdict: PlacedVerdict, placed: boolean): string {
  const { at, reason } = verdict;
  const said = reason === undefined ? actionText(verdict) : `${actionText(verdict)} "${reason}"`;
  return placed && at !== undefined ? `${said}, ${at}` : said;
}

function stateText({ state }: Explanation, width: number): string {
  if (state.length === 0) return "";
  const lines = state.map((each) => {
    const changed = each.changedBy.length === 0 ? "never changed" : `changed by ${summary(each.changedBy)}`;
    const at = each.at === undefined ? "" : ` (${each.at})`;
    const fork = each.scope === "tree" ? "shared by all" : `at a fork ${each.onFork}`;
    const kind = each.kind === "phases" ? "phases" : each.kind;
    return `  ${each.name}: ${kind} per ${each.scope}, starts ${each.starts}, ${fork}, ${changed}${at}`;
  });
  return ["state", ...lines.flatMap((line) => fold(line, width, "    "))].join("\n");
}

function roomsText({ rooms }: Explanation, width: number): string {
  if (rooms.length === 0) return "";
  const lines = rooms.flatMap(({ name, scope, timeout, late, sides, at }) => [
    `  ${name}: rooms per ${scope}, ${late} after ${timeout}${at === undefined ? "" : ` (${at})`}`,
    ...sides.map((side) => {
      const alone = side.exclusive ? ", one at a time" : "";
      const calls = side.calls.length === 0 ? "no call" : summary(side.calls);
      return `    ${side.name}${alone}: ${calls}; each waits for ${side.waitsFor.join(", ")}`;
    }),
  ]);
  return ["rooms", ...lines.flatMap((line) => fold(line, width, "      "))].join("\n");
}

function memoryText({ memory }: Explanation, width: number): string {
  if (memory.length === 0) return "";
  const lines = memory.map(({ argument, calls, asks }) => `  ${argument} of ${summary(calls)}: ${some(asks)}`);
  return ["memory", ...lines.flatMap((line) => fold(line, width, "    "))].join("\n");
}

function procText({ readOnlyProc }: Explanation, width: number): string {
  if (!readOnlyProc) return "";
  const text =
    "proc file systems: files are opened for reading only (EACCES), nothing is mounted (EPERM), and new files in / are not written: by Landlock, Linux 5.19";
  return fold(text, width, "  ").join("\n");
}

/** More questions than this are in the JSON only. */
const mostQuestions = 16;

function some(asks: readonly string[]): string {
  const shown = asks.slice(0, mostQuestions).join(", ");
  return asks.length > mostQuestions ? `${shown} and ${asks.length - mostQuestions} more (see --json)` : shown;
}

function warningsText({ warnings }: Explanation, width: number): string {
  return warnings.flatMap(({ text, calls }) => fold(`note: ${summary(calls)}: ${text}`, width, "  ")).join("\n");
}

function summary(calls: readonly string[]): string {
  return calls.length <= 8 ? calls.join(", ") : `${calls.slice(0, 7).join(", ")} and ${calls.length - 7} more`;
}

/** Breaks at spaces; a word that is too long is not broken. */
function fold(text: string, width: number, indent = ""): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/(?<=\S) /)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = indent + word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list.filter((each) => each !== ""))];
}
