/**
 * Prints lines of a module in the project's style: two blanks for each level, and at most 120 characters where
 * possible.
 */

import { jsonText, safeText } from "../diagnostics/width.ts";

export const width = 120;

/** Prints `head(a, b)tail` in one line if it fits, else with one entry in each line. */
export function list(
  indent: number,
  head: string,
  entries: readonly string[],
  tail: string,
  brackets: readonly [string, string],
): string[] {
  const blanks = " ".repeat(indent);
  const line = `${blanks}${head}${brackets[0]}${entries.join(", ")}${brackets[1]}${tail}`;
  if (line.length <= width) return [line];
  return [
    `${blanks}${head}${brackets[0].trim()}`,
    ...entries.map((entry) => `${blanks}  ${entry},`),
    `${blanks}${brackets[1].trim()}${tail}`,
  ];
}

/** `head["a", "b"] as const;`, with as many entries in each line as fit. */
export function chunked(head: string, entries: readonly string[]): string[] {
  const line = `${head}[${entries.join(", ")}] as const;`;
  if (line.length <= width) return [line];
  const chunks = packed(entries, width - "  ...[],".length).map((words) => `...[${words}]`);
  const short = `${head}[${chunks.join(", ")}] as const;`;
  return short.length <= width ? [short] : [`${head}[`, ...chunks.map((chunk) => `  ${chunk},`), "] as const;"];
}

/** Joins entries to lines of at most so many characters. */
export function packed(entries: readonly string[], most: number): string[] {
  const lines: string[] = [];
  for (const entry of entries) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + entry.length + 2 <= most) lines[lines.length - 1] = `${last}, ${entry}`;
    else lines.push(entry);
  }
  return lines;
}

/** `if (test) { lines }` */
export function block(indent: number, test: string, lines: readonly string[]): string[] {
  const blanks = " ".repeat(indent);
  const whole = [...disjunction(indent, "if (", test, ") {"), ...lines, `${blanks}}`];
  const [only] = lines;
  const inner = lines.length === 1 ? /^ *if \((.*)\) (return \w+;)$/.exec(only!) : null;
  if (inner === null) return whole;
  const line = `${blanks}if (${asOperand(test)} && ${asOperand(inner[1]!)}) ${inner[2]}`;
  return line.length <= width ? [line] : whole;
}

/** Parentheses and disjunctions of a condition; texts can have the same characters. */
const tokens = /"(?:[^"\\]|\\.)*"|[()]|\|\|/g;

/** `(a || b)` of `a || b`. */
function asOperand(test: string): string {
  let depth = 0;
  for (const [token] of test.matchAll(tokens)) {
    if (token === "||" && depth === 0) return `(${test})`;
    if (token === "(") depth++;
    else if (token === ")") depth--;
  }
  return test;
}

/** `head test tail` of a test that can be a disjunction. */
function disjunction(indent: number, head: string, test: string, tail: string): string[] {
  const blanks = " ".repeat(indent);
  const line = `${blanks}${head}${test}${tail}`;
  if (line.length <= width) return [line];
  const lines = disjuncts(indent + 2, test.split(" || "));
  return [`${blanks}${head.trimEnd()}`, ...lines, `${blanks}${tail.trimStart()}`];
}

/** `a ||` in a line or, if it is long, its arguments in lines of their own; then the next one. */
function disjuncts(indent: number, parts: readonly string[]): string[] {
  return parts.flatMap((part, index) => {
    const end = index < parts.length - 1 ? " ||" : "";
    const single = /^([\w.]+)\(([^()]*)\)$/.exec(part);
    if (single === null) return [`${" ".repeat(indent)}${part}${end}`];
    return list(indent, single[1]!, single[2]!.split(", "), end, ["(", ")"]);
  });
}

/** `head test tail` of a boolean expression. */
export function conditionLines(indent: number, head: string, test: string, tail: string): string[] {
  const blanks = " ".repeat(indent);
  const line = `${blanks}${head}${test}${tail}`;
  if (line.length <= width) return [line];
  const parts = test.split(" || ");
  const single = /^([\w.]+)\(([^()]*)\)$/.exec(test);
  if (single !== null) return list(indent, `${head}${single[1]}`, single[2]!.split(", "), tail, ["(", ")"]);
  if (indent + 2 + test.length <= width) return [`${blanks}${head}(`, `${blanks}  ${test}`, `${blanks})${tail}`];
  return [`${blanks}${head}(`, ...disjuncts(indent + 2, parts), `${blanks})${tail}`];
}

/** `if (a && b) statement`. */
export function conditional(
  indent: number,
  parts: readonly string[],
  operator: "&&" | "||",
  statement: string,
): string[] {
  const conditions = parts.length === 1 ? parts.map(withoutParentheses) : parts;
  const blanks = " ".repeat(indent);
  const line = `${blanks}if (${conditions.join(` ${operator} `)}) ${statement}`;
  if (line.length <= width) return [line];
  const flat = `${blanks}if (${conditions.join(` ${operator} `)})`;
  if (flat.length <= width) return [flat, `${blanks}  ${statement}`];
  return [
    `${blanks}if (`,
    ...conditions.map((one, index) => `${blanks}  ${one}${index < conditions.length - 1 ? ` ${operator}` : ""}`),
    `${blanks})`,
    `${blanks}  ${statement}`,
  ];
}

/**
 * `if (a && b) statement`; of a long conjunction `if (a) { if (b) statement }`, with short conditions first, if that has fewer
 * lines. The first condition remains the first.
 */
export function nested(indent: number, parts: readonly string[], statement: string): string[] {
  const [first, ...rest] = parts;
  const given = nestedInOrder(indent, parts, statement);
  const sorted = nestedInOrder(indent, [first!, ...rest.sort((a, b) => a.length - b.length)], statement);
  return sorted.length < given.length ? sorted : given;
}

function nestedInOrder(indent: number, parts: readonly string[], statement: string): string[] {
  const whole = conditional(indent, parts, "&&", statement);
  if (whole.length < 3) return whole;
  const blanks = " ".repeat(indent);
  const outer = (count: number) => {
    const conditions = count === 1 ? [withoutParentheses(parts[0]!)] : parts.slice(0, count);
    return `${blanks}if (${conditions.join(" && ")}) {`;
  };
  let count = parts.length - 1;
  while (count > 0 && outer(count).length > width) count--;
  if (count === 0) return whole;
  const inner = nestedInOrder(indent + 2, parts.slice(count), statement);
  return inner.length + 2 < whole.length ? [outer(count), ...inner, `${blanks}}`] : whole;
}

/** `a || b` of `(a || b)`. */
function withoutParentheses(text: string): string {
  if (!text.startsWith("(")) return text;
  let depth = 0;
  for (const { 0: token, index } of text.matchAll(tokens)) {
    if (token === "(") depth++;
    else if (token === ")") depth--;
    if (depth === 0 && index < text.length - 1) return text;
  }
  return text.slice(1, -1);
}

/** A comment of several lines, wrapped between words. Lines after the first begin with the blanks of the text. */
export function comment(indent: number, mark: string, text: string): string[] {
  const start = `${" ".repeat(indent)}${mark} `;
  const inner = /^ */.exec(text)![0];
  const lead = start + inner + (inner === "" ? "" : "  ");
  const lines: string[] = [];
  let line = start + inner;
  let isEmpty = true;
  for (const word of text.trim().split(" ")) {
    if (line.length + word.length > width && !isEmpty) {
      lines.push(line.trimEnd());
      line = lead;
    }
    isEmpty = false;
    line += `${word} `;
  }
  lines.push(line.trimEnd());
  return lines;
}

/** Makes an identifier of words: `mainChild`. */
export function identifier(text: string): string {
  const words = text.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  const camel = words
    .map((word, index) => (index === 0 ? word[0]!.toLowerCase() : word[0]!.toUpperCase()) + word.slice(1))
    .join("");
  return /^[A-Za-z]/.test(camel) ? camel : `one${camel}`;
}

/** A line with a comment at its end; where both are too long, the comment is before it, with a subject. */
export function remarked(line: string, about: string, subject = ""): string[] {
  const whole = `${line} // ${about}`;
  if (whole.length <= width) return [whole];
  const indent = line.length - line.trimStart().length;
  return [...comment(indent, "//", `${subject}${about}${about.endsWith(".") ? "" : "."}`), line];
}

/** Blocks with a blank line where what they are about changes, except between conditions of one line. */
export function paragraphs(blocks: readonly { readonly about: string; readonly lines: readonly string[] }[]): string[] {
  return blocks.flatMap(({ about, lines }, index) => {
    const before = blocks[index - 1];
    const isTogether = before?.about === about || (index > 1 && lines.length === 1 && before?.lines.length === 1);
    return [...(index === 0 || isTogether ? [] : [""]), ...lines];
  });
}

/** Functions with a blank line before and behind them. */
export function spaced(lines: readonly string[]): string[] {
  const found: string[] = [];
  for (const line of lines) {
    const last = found.at(-1);
    if (line === "" && (last === undefined || last === "")) continue;
    if (last === "}" && line !== "") found.push("");
    found.push(line);
  }
  return found;
}

/** Adds paragraphs to the module's first comment. */
export function withAbout(text: string, about: readonly string[]): string {
  const end = text.indexOf("\n */\n");
  const lines = about.flatMap((one) => (one === "" ? [" *"] : comment(1, "*", safeText(one).replaceAll("*/", "* /"))));
  return `${text.slice(0, end)}\n${lines.join("\n")}${text.slice(end)}`;
}

/** A member of an object literal. */
export function memberName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : jsonText(name);
}

/** The order of the project's formatter: without regard to case. */
export function compareImports(a: string, b: string): number {
  return a.toLowerCase() < b.toLowerCase() ? -1 : 1;
}
