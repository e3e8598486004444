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
    hostsText(explanation, width),
    objectsText(explanation, width),
    warningsText(explanation, width),
  ];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

function table(explanation: Explanation, width: number): string {
  const head: Line = { calls: "CALLS", when: "WHEN", verdict: "VERDICT", decided: "DECIDED", at: "LINE" };
  const rows = explanation.rows.filter((row) => (!row.isOtherwise || row.cases.length > 1) && !isList(row));
  const lines = rows.map((row) => rowLines(row));
  const all = [head, ...lines.flat()];
  const widths = columnWidths(all, width);
  const print = (line: Line) => {
    const cells = columns.map(({ name }, index) => fold(line[name], widths[index]!));
    const height = Math.max(...cells.map((cell) => cell.length));
    return Array.from({ length: height }, (_, row) =>
      cells
        .map((cell, index) => (cell[row] ?? "").padEnd(widths[index]!))
        .join(gap)
        .trimEnd(),
    ).join("\n");
  };
  const unnamed = explanation.rows.filter((row) => row.isOtherwise && row.cases.length === 1);
  const others = unnamed.reduce((sum, row) => sum + row.calls.length, 0);
  const footer = others === 0 ? [] : [`(${others} more calls: as any other call)`];
  if (lines.length === 0) return footer.join("\n");
  return [...[[head], ...lines].map((group) => group.map(print).join("\n")), ...footer].join("\n");
}

/** The columns, each with the width at which it is read well, and the least before the others shrink, too. */
const columns = [
  { name: "calls", most: 60, fair: 16 },
  { name: "when", most: 44, fair: 20 },
  { name: "verdict", most: 34, fair: 34 },
  { name: "decided", most: 20, fair: 20 },
  { name: "at", most: 24, fair: 24 },
] as const;
const gap = "  ";

/** Widths with which the table fits, as far as each column has room for its longest word, which is not broken. */
function columnWidths(lines: readonly Line[], width: number): number[] {
  const least = columns.map(({ name }) => Math.max(...lines.map((line) => longestWord(line[name]))));
  const widths = columns.map(({ name, most }, index) =>
    Math.max(least[index]!, Math.min(most, Math.max(...lines.map((line) => line[name].length)))),
  );
  let excess = widths.reduce((sum, one) => sum + one, gap.length * (columns.length - 1)) - width;
  // The texts of the first two are long, and usually have room enough.
  columns.forEach(({ fair }, index) => {
    const narrow = Math.max(fair, least[index]!, widths[index]! - Math.max(0, excess));
    if (narrow >= widths[index]!) return;
    excess -= widths[index]! - narrow;
    widths[index] = narrow;
  });
  const heights = new Heights(lines);
  for (; excess > 0; excess--) {
    const narrower = columns.flatMap((_, index) =>
      widths[index]! > least[index]! ? [widths.map((one, at) => (at === index ? one - 1 : one))] : [],
    );
    const [first, ...others] = narrower;
    if (first === undefined) break;
    const best = others.reduce((one, other) => (heights.of(other) < heights.of(one) ? other : one), first);
    widths.splice(0, widths.length, ...best);
  }
  return widths;
}

/** How many lines a table takes. */
class Heights {
  readonly #lines: readonly Line[];
  readonly #known = new Map<string, readonly number[]>();

  constructor(lines: readonly Line[]) {
    this.#lines = lines;
  }

  of(widths: readonly number[]): number {
    const cells = columns.map(({ name }, index) => this.#cells(name, widths[index]!));
    return this.#lines.reduce((sum, _, row) => sum + Math.max(...cells.map((cell) => cell[row]!)), 0);
  }

  #cells(name: keyof Line, width: number): readonly number[] {
    const key = `${name} ${width}`;
    let found = this.#known.get(key);
    if (found === undefined) {
      found = this.#lines.map((line) => fold(line[name], width).length);
      this.#known.set(key, found);
    }
    return found;
  }
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

function hostsText({ hosts }: Explanation, width: number): string {
  return hosts
    .map(({ at, items }) => {
      const head = `hosts: the tree reaches only these, by portcullis's proxy, in a network of its own or else by the proxy alone (${at})`;
      const line = `  ${items.length === 0 ? "none but those of run --hosts" : items.join(" ")}`;
      return [...fold(head, width, "  "), ...fold(line, width, "  ")].join("\n");
    })
    .join("\n");
}

function objectsText({ objects }: Explanation, width: number): string {
  const blocks = objects.map(({ at, lists, names, linux, missing }) => {
    const name = Math.max(...lists.map((list) => list.name.length));
    const lines = [
      lists.every(isOfMounts)
        ? `objects: mounts (${at})`
        : `objects: Landlock permits only these (EACCES), Linux ${linux} (${at})`,
      ...lists.map((list) => `  ${list.name.padEnd(name)}  ${list.items.length === 0 ? "none" : list.items.join(" ")}`),
      ...(lists.some((list) => list.name === "files.except") ? [`  ${besideExceptions(names)}`] : []),
      ...(lists.some(isOfMounts) ? [`  ${byMounts}`] : []),
      ...missing.map((each) => `  this kernel cannot restrict ${each.what}, Linux ${each.linux} can`),
    ];
    return lines.flatMap((line) => fold(line, width, " ".repeat(name + 4))).join("\n");
  });
  return blocks.join("\n");
}

const isOfMounts = ({ name }: { readonly name: string }) =>
  name === "files.protect" || name === "files.private" || name.startsWith("limits.");
const byMounts =
  "`protect` is by read-only mounts (EROFS; EBUSY for a rename), `private` by empty file systems, in namespaces of the tree.";

function besideExceptions(names: boolean): string {
  const listing = names
    ? "The exceptions can be listed. In the directories that lead to them"
    : "The directories that lead to an exception cannot be listed. In them";
  return `${listing}, nothing can be made, and only the entries of the start can be used.`;
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

/** Where a line can be broken. */
const breaks = /(?<=\S) /;

function longestWord(text: string): number {
  return Math.max(...text.split(breaks).map((word) => word.length));
}

/** Breaks at spaces; a word that is too long is not broken. */
function fold(text: string, width: number, indent = ""): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(breaks)) {
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
