/** The output of `test --coverage`: tables of files, verdicts and phases, and the places that no case reaches. */

import type { CountedArm, CountedPhase, CountedPlace, Coverage, FileCoverage } from "../cases/coverage.ts";
import type { Sources } from "../diagnostics/render.ts";
import { safeText } from "../diagnostics/width.ts";

export function printCoverage(coverage: Coverage, sources: Sources): string {
  const { files, phases } = coverage;
  const parts = [
    table(
      ["file", "rules", "lines", "branches"],
      files.map(({ file, rules, lines, arms }) => [file, share(rules), share(lines), share(arms)]),
    ),
    verdictTable(coverage),
    ...phaseTables(phases),
    unreached(files, phases, sources),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

/** For programs: an object for each file, each phase, and each verdict. */
export function coverageLines(coverage: Coverage): readonly object[] {
  const named = { v: 1, kind: "coverage" };
  return [
    ...coverage.files.map(({ file, rules, lines, arms, statements }) => ({
      ...{ ...named, of: "file", file, lines },
      rules: rules.map(({ line, column, verdict, reason, count }) => ({ line, column, verdict, reason, count })),
      effects: statements
        .filter(({ hasEffect }) => hasEffect)
        .map(({ line, column, count }) => ({ line, column, count })),
      branches: arms.map(({ line, column, of, arm, count }) => ({ line, column, of, arm, count })),
    })),
    ...coverage.phases.map(({ phases, phase, isEntered, calls, file, line, column }) => ({
      ...{ ...named, of: "phase", phases, phase, entered: isEntered, calls: Object.fromEntries(calls) },
      ...(file === undefined ? {} : { file, line, column }),
    })),
    ...verdicts(coverage).map(({ verdict, reached, rules, calls }) => ({
      ...{ ...named, of: "verdict", verdict, rules, reached, calls },
    })),
  ];
}

function verdicts(coverage: Coverage): { verdict: string; rules: number; reached: number; calls: number }[] {
  const rules = coverage.files.flatMap((file) => file.rules);
  const names = [...new Set([...rules.map(({ verdict }) => verdict), ...coverage.calls.keys()])].sort();
  return names.map((verdict) => {
    const of = rules.filter((rule) => rule.verdict === verdict);
    const reached = of.filter(({ count }) => count > 0).length;
    return { verdict, rules: of.length, reached, calls: coverage.calls.get(verdict) ?? 0 };
  });
}

function verdictTable(coverage: Coverage): string {
  return table(
    ["verdict", "rules", "calls"],
    verdicts(coverage).map(({ verdict, rules, reached, calls }) => [
      verdict,
      rules === 0 ? "none" : `${reached} of ${rules}`,
      String(calls),
    ]),
  );
}

/** A table for each declaration of phases: the calls in each phase by verdict. */
function phaseTables(phases: readonly CountedPhase[]): string[] {
  return [...new Set(phases.map((one) => one.phases))].map((declared) => {
    const rows = phases.filter((one) => one.phases === declared);
    const seen = [...new Set(rows.flatMap(({ calls }) => [...calls.keys()]))].sort();
    return table(
      [declared, "entered", ...seen],
      rows.map(({ phase, isEntered, calls }) => [
        phase,
        isEntered ? "yes" : "no",
        ...seen.map((verdict) => String(calls.get(verdict) ?? 0)),
      ]),
    );
  });
}

function unreached(files: readonly FileCoverage[], phases: readonly CountedPhase[], sources: Sources): string {
  const places = files
    .flatMap(({ rules, statements, arms }) => [
      ...rules.filter(isUncounted).map((rule) => ({ ...rule, text: ruleText(rule) })),
      ...statements
        .filter((one) => one.hasEffect && isUncounted(one))
        .map((one) => ({ ...one, text: excerpt(one, sources) })),
      ...arms.filter((arm) => isUntakenAlone(arm, arms)).map((arm) => ({ ...arm, text: armText(arm, sources) })),
    ])
    .sort((one, other) => (one.file === other.file ? one.line - other.line || one.column - other.column : 0));
  const lines = [
    ...places.map((place) => `  ${place.file}:${place.line}:${place.column}: ${place.text}`),
    ...phases
      .filter(({ isEntered }) => !isEntered)
      .map(
        ({ phase, file, line, column }) =>
          `  ${file === undefined ? "" : `${file}:${line}:${column}: `}no process enters the phase ${phase}`,
      ),
  ];
  return lines.length === 0 ? "" : `not reached:\n${lines.map((line) => `${safeText(line)}\n`).join("")}`;
}

function isUncounted({ count }: CountedPlace): boolean {
  return count === 0;
}

/** The condition was evaluated, and never had this outcome; and no rule or statement says so already. */
function isUntakenAlone(arm: CountedArm, arms: readonly CountedArm[]): boolean {
  if (arm.count > 0 || !arm.isBare) return false;
  return arms.some(({ line, column, count }) => line === arm.line && column === arm.column && count > 0);
}

function ruleText({ verdict, reason }: { readonly verdict: string; readonly reason: string | undefined }): string {
  return reason === undefined ? verdict : `${verdict} ${JSON.stringify(reason)}`;
}

function armText(arm: CountedArm, sources: Sources): string {
  const condition = excerpt(arm, sources);
  if (arm.of === "switch")
    return `${condition} never has ${arm.isLast ? "a value without a case" : "the value of a case"}`;
  return `${condition} is never ${arm.arm === 0 ? "true" : "false"}`;
}

/** Longer excerpts lose their middle. */
const longestExcerpt = 80;

/** The source of a place, on one line. */
function excerpt({ file, line, column, length }: CountedPlace, sources: Sources): string {
  const [first = "", ...others] =
    sources
      .get(file)
      ?.split("\n")
      .slice(line - 1) ?? [];
  const rest = [first.slice(column - 1), ...others].join("\n").slice(0, length);
  const text = rest.trim().replaceAll(/\s*\n\s*/g, " ");
  if (text === "") return "a statement";
  if (text.length <= longestExcerpt) return text;
  const half = longestExcerpt / 2;
  return `${text.slice(0, half).replace(/\s\S*$/, "")} … ${text.slice(-half).replace(/^\S*\s/, "")}`;
}

function share(places: readonly { readonly count: number }[]): string {
  if (places.length === 0) return "none";
  return `${places.filter(({ count }) => count > 0).length} of ${places.length}`;
}

/** The first column is text, the others are figures. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const all = [head, ...rows].map((row) => row.map(safeText));
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map(
      (row) =>
        `${row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join("  ")}\n`,
    )
    .join("");
}
