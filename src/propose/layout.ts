/**
 * Prints lines of a module in the project's style: two blanks for each level, and at most 120 characters where
 * possible.
 */

const width = 120;

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

/** `a || b` of `(a || b)`. */
function withoutParentheses(text: string): string {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "(") depth++;
    else if (text[at] === ")") depth--;
    if (depth === 0 && at < text.length - 1) return text;
  }
  return text.slice(1, -1);
}

/** A comment of several lines, wrapped between words. */
export function comment(indent: number, mark: string, text: string): string[] {
  const lead = `${" ".repeat(indent)}${mark} `;
  const lines: string[] = [];
  let line = lead;
  for (const word of text.split(" ")) {
    if (line.length + word.length > width && line !== lead) {
      lines.push(line.trimEnd());
      line = lead;
    }
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
