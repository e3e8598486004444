/** Edits of a policy's text: rules before refusals, entries and items of lists, and names in lists of calls. The rest of the text stays as it is. */
import { conditional, width } from "../propose/layout.ts";
import { imported, type ListPlace, type Site, type Syntax } from "./syntax.ts";

/** Replaces a part of the text; the parts of several edits are disjoint, or empty at the same place and in order. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export type Change =
  | {
      readonly is: "rule";
      readonly site: Site;
      /** Conditions on `call`, all of which hold. */
      readonly conditions: readonly string[];
      readonly comment: string;
    }
  | { readonly is: "entry"; readonly list: ListPlace; readonly entry: string; readonly comment: string }
  /** Values that the refused calls have join a list that decides about them. */
  | {
      readonly is: "items";
      readonly list: ListPlace;
      /** Expressions. */
      readonly items: readonly string[];
      readonly comment: string;
    }
  /** The call joins `calls("…")`, whose last name ends at this offset. */
  | { readonly is: "call"; readonly at: number; readonly call: string };

/** Undefined if the module imports nothing from portcullis by name. */
export function changed(syntax: Syntax, changes: readonly Change[]): string | undefined {
  const rules = changes.filter((change) => change.is === "rule");
  const used = rules.length === 0 ? [] : ["allow", ...(rules.some(usesCidr) ? ["cidr"] : [])];
  const names = used.map((name) => imported(syntax, name));
  if (names.includes(undefined)) return undefined;
  const edits: Edit[] = names.flatMap((one) =>
    one?.add === undefined ? [] : [{ start: one.add.at, end: one.add.at, text: one.add.text }],
  );
  const allow = names[0]?.local ?? "allow";
  for (const same of bySite(rules)) edits.push(editOf(syntax, same, allow));
  for (const same of byPlace(changes)) edits.push(listEdit(syntax, same));
  for (const [at, names] of byList(changes)) edits.push({ start: at, end: at, text: furtherNames(syntax, at, names) });
  return applied(syntax.text, edits);
}

function byList(changes: readonly Change[]): ReadonlyMap<number, readonly string[]> {
  const lists = new Map<number, readonly string[]>();
  for (const change of changes)
    if (change.is === "call") lists.set(change.at, [...new Set([...(lists.get(change.at) ?? []), change.call])]);
  return lists;
}

/** In the line of the last name as far as it is not too long, otherwise below it. */
function furtherNames({ text }: Syntax, at: number, names: readonly string[]): string {
  const end = text.includes("\r\n") ? "\r\n" : "\n";
  const lineStart = text.lastIndexOf("\n", at - 1) + 1;
  const line = /^[^\r\n]*/.exec(text.slice(lineStart))![0];
  const added = names.map((name) => `, ${JSON.stringify(name)}`).join("");
  const isBelow = /^\s*"/.test(line) && line.length + added.length > width;
  return isBelow ? `,${end}${/^\s*/.exec(line)![0]}${added.slice(2)}` : added;
}

type RuleChange = Change & { readonly is: "rule" };

function usesCidr({ conditions }: RuleChange): boolean {
  return conditions.some((one) => /\bcidr\(/.test(withoutTexts(one)));
}

/** The condition without the texts in it. */
function withoutTexts(condition: string): string {
  return condition.replace(/"(?:[^"\\]|\\.)*"/g, '""');
}

function bySite(rules: readonly RuleChange[]): readonly (readonly RuleChange[])[] {
  const groups = new Map<string, RuleChange[]>();
  for (const rule of rules) {
    const key = `${rule.site.form} ${rule.site.start}`;
    groups.set(key, [...(groups.get(key) ?? []), rule]);
  }
  return [...groups.values()];
}

function editOf({ text }: Syntax, rules: readonly RuleChange[], allow: string): Edit {
  const { site } = rules[0]!;
  const end = text.includes("\r\n") ? "\r\n" : "\n";
  const own = text.slice(site.start, site.end);
  if (site.form === "expression") {
    const tests = rules.map(({ conditions }) => conditions.map((one) => named(one, site.call)).join(" && "));
    const test = tests.length === 1 ? tests[0] : tests.map((one) => `(${one})`).join(" || ");
    return { start: site.start, end: site.end, text: `(${test} ? ${allow} : ${own})` };
  }
  const lineStart = text.lastIndexOf("\n", site.start - 1) + 1;
  const isFirst = /^[ \t]*$/.test(text.slice(lineStart, site.start));
  const step = /\n\t/.test(text) ? "\t" : "  ";
  const indent = site.form === "statement" && isFirst ? site.indent : `${site.indent}${step}`;
  const lines = rules.flatMap(({ conditions, comment }) => [
    ...(comment === "" ? [] : [`${indent}// ${comment}`]),
    ...conditional(
      0,
      conditions.map((one) => named(one, site.call)),
      "&&",
      `return ${allow};`,
    ).map((line) => `${indent}${line}`),
  ]);
  if (site.form === "statement" && isFirst)
    return { start: lineStart, end: lineStart, text: lines.map((line) => `${line}${end}`).join("") };
  const before = text.slice(0, site.start).trimEnd().length;
  if (site.form === "statement")
    return { start: before, end: site.end, text: [``, ...lines, `${indent}${own}`].join(end) };
  return { start: before, end: site.end, text: [` {`, ...lines, `${indent}${own}`, `${site.indent}}`].join(end) };
}

/** Conditions name the call `call`. */
function named(condition: string, call: string): string {
  if (call === "call") return condition;
  return condition.replace(/"(?:[^"\\]|\\.)*"|\bcall\b(?=\.)/g, (part) => (part === "call" ? call : part));
}

interface Addition {
  readonly list: ListPlace;
  readonly entry: string;
  readonly comment: string;
}

/** The entries that each list gets, without repetitions. */
function byPlace(changes: readonly Change[]): readonly (readonly Addition[])[] {
  const lists = new Map<number, Addition[]>();
  const add = (one: Addition) => {
    const known = lists.get(one.list.at) ?? [];
    if (!known.some(({ entry }) => entry === one.entry)) lists.set(one.list.at, [...known, one]);
  };
  for (const change of changes) {
    if (change.is === "entry") add(change);
    if (change.is === "items") for (const entry of change.items) add({ ...change, entry });
  }
  return [...lists.values()];
}

function listEdit({ text }: Syntax, additions: readonly Addition[]): Edit {
  const end = text.includes("\r\n") ? "\r\n" : "\n";
  const { list } = additions[0]!;
  const entries = additions.map(({ entry }) => entry).join(", ");
  const place = { start: list.at, end: list.at };
  if (list.isEmpty) return { ...place, text: entries };
  if (list.indent === undefined) return { ...place, text: `, ${entries}` };
  // A comment behind the last element belongs to it.
  const rest = /^(,?)([ \t]*(?:\/\/[^\r\n]*)?)/.exec(text.slice(list.at))!;
  const lines = additions.map(
    ({ entry, comment }) => `${list.indent}${entry},${comment === "" ? "" : ` // ${comment}`}`,
  );
  return { start: list.at, end: list.at + rest[0].length, text: [`,${rest[2]}`, ...lines].join(end) };
}

function applied(text: string, edits: readonly Edit[]): string {
  let result = "";
  let at = 0;
  const ordered = edits.map((edit, order) => ({ edit, order }));
  ordered.sort((a, b) => a.edit.start - b.edit.start || a.order - b.order);
  for (const { edit } of ordered) {
    result += text.slice(at, edit.start) + edit.text;
    at = Math.max(at, edit.end);
  }
  return result + text.slice(at);
}
