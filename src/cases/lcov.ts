/**
 * Coverage in the format of lcov (geninfo(1)), which genhtml and services for coverage read. A rule or
 * statement is a line; an arm of a condition is a branch.
 */
import type { CountedArm, Coverage, FileCoverage } from "./coverage.ts";

export function printLcov(coverage: Coverage): string {
  return coverage.files.map(recordOf).join("");
}

function recordOf({ file, lines, arms }: FileCoverage): string {
  const branches = branchesOf(arms);
  const count = (list: readonly { readonly count: number }[]) => list.filter((one) => one.count > 0).length;
  return `${[
    "TN:",
    `SF:${file.replaceAll("\n", " ")}`,
    ...branches.map(({ text }) => text),
    `BRF:${branches.length}`,
    `BRH:${count(branches)}`,
    ...lines.map((line) => `DA:${line.line},${line.count}`),
    `LF:${lines.length}`,
    `LH:${count(lines)}`,
    "end_of_record",
  ].join("\n")}\n`;
}

/** A condition is a block: its number is the place of the condition in its line. */
function branchesOf(arms: readonly CountedArm[]): readonly { readonly text: string; readonly count: number }[] {
  const columns = new Map<number, number[]>();
  for (const { line, column } of arms) {
    const known = columns.get(line) ?? [];
    if (!known.includes(column)) known.push(column);
    columns.set(line, known);
  }
  const total = new Map<string, number>();
  const place = ({ line, column }: CountedArm) => `${line}:${column}`;
  for (const arm of arms) total.set(place(arm), (total.get(place(arm)) ?? 0) + arm.count);
  return arms.map((arm) => {
    const { line, column, count } = arm;
    const block = columns.get(line)!.indexOf(column);
    // "-" says that the condition itself was never evaluated.
    return { text: `BRDA:${line},${block},${arm.arm},${total.get(place(arm)) === 0 ? "-" : count}`, count };
  });
}
