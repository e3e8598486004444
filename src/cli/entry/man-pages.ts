/** The help pages for man(1), in the macros of man(7). tools/build.mjs writes them to dist/man/. */

import { overview } from "../pages/manual.ts";
import { commonOptions, type OptionTable, pageOf, type VerbPage } from "../verb.ts";
import { type VerbName, verbs } from "./verbs.ts";

/** Each page by its file's name: portcullis.1, and portcullis-VERB.1. */
export async function manPages(version: string): Promise<ReadonlyMap<string, string>> {
  const pages = new Map([["portcullis.1", overviewPage(version)]]);
  for (const name of Object.keys(verbs) as VerbName[]) {
    pages.set(`portcullis-${name}.1`, verbPage(await pageOf(verbs[name]), version));
  }
  return pages;
}

function verbPage(verb: VerbPage, version: string): string {
  const summary = verb.summary.charAt(0).toLowerCase() + verb.summary.slice(1);
  const examples = verb.examples.flatMap(([command, about]) => [".PP", escaped(about), ...code(`$ ${command}`)]);
  return page(`portcullis-${verb.name}`, version, [
    ...section("NAME", [`portcullis\\-${verb.name} \\- ${escaped(summary)}`]),
    ...section("SYNOPSIS", lines(verb.synopsis.map((line) => `portcullis ${line}`))),
    ...section("DESCRIPTION", verb.about.flatMap((paragraph) => [".PP", ...prose(paragraph)]).slice(1)),
    ...section("OPTIONS", optionList({ ...verb.options, ...commonOptions })),
    ...section(
      "EXIT STATUS",
      verb.exit.flatMap(([status, meaning]) => item(`\\fB${escaped(status)}\\fR`, meaning)),
    ),
    ...(examples.length > 0 ? section("EXAMPLES", examples) : []),
    ...section("SEE ALSO", ["\\fBportcullis\\fR(1)"]),
  ]);
}

function overviewPage(version: string): string {
  const names = Object.keys(verbs) as VerbName[];
  return page("portcullis", version, [
    ...section("NAME", [`portcullis \\- ${escaped(overview.summary)}`]),
    ...section("SYNOPSIS", lines(overview.usage)),
    ...section(
      "VERBS",
      names.flatMap((name) => item(`\\fBportcullis\\-${name}\\fR(1)`, verbs[name].summary)),
    ),
    ...overview.sections.flatMap(([title, text]) => section(title, lines(text.split("\n")))),
    ...section("SEE ALSO", ["\\fBseccomp\\fR(2), \\fBstrace\\fR(1)"]),
  ]);
}

/** Disables hyphenation, so that options and names stay whole. */
function page(name: string, version: string, body: readonly string[]): string {
  const title = `.TH ${name.toUpperCase().replaceAll("-", "\\-")} 1 "" "portcullis ${version}" "User Commands"`;
  return `${[title, ".nh", ...body].join("\n")}\n`;
}

function section(title: string, body: readonly string[]): string[] {
  return [`.SH ${title}`, ...body];
}

function optionList(table: OptionTable): string[] {
  return Object.entries(table).flatMap(([name, { short, value, about, multiple }]) => {
    const written = [...(short === undefined ? [] : [`-${short}`]), `--${name}`];
    const term = written.map((each) => `\\fB${escaped(each)}\\fR`).join(", ");
    const meaning = multiple === true ? `${about} Can be repeated.` : about;
    return item(value === undefined ? term : `${term} \\fI${escaped(value)}\\fR`, meaning);
  });
}

/** A term, already in roff, and its meaning. */
function item(term: string, meaning: string): string[] {
  return [".TP", term, escaped(meaning)];
}

/** A paragraph; as in the help pages, lines that begin with a space are code. */
function prose(text: string): string[] {
  const parts = text.split(/\n(?= )|(?<=^ .*)\n(?! )/m);
  return parts.flatMap((part) => (part.startsWith(" ") ? code(part) : part.split("\n").map(escaped)));
}

function code(text: string): string[] {
  return [".RS 4", ...lines(text.replaceAll(/^ {4}/gm, "").split("\n")), ".RE"];
}

/** Preformatted lines. */
function lines(texts: readonly string[]): string[] {
  return [".nf", ...texts.map((line) => (line === "" ? ".sp" : escaped(line))), ".fi"];
}

/** Escapes every character that roff interprets, so that ASCII text is printed unchanged (groff_char(7)). */
function escaped(text: string): string {
  const signs: Readonly<Record<string, string>> = {
    "\\": "\\e",
    "-": "\\-",
    "'": "\\(aq",
    '"': "\\(dq",
    "`": "\\(ga",
    "^": "\\(ha",
    "~": "\\(ti",
  };
  return text
    .replaceAll(/[\\\-'"`^~]/g, (sign) => signs[sign]!)
    .replaceAll(/[^\0-\x7f]/gu, (sign) => `\\[u${sign.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`)
    .replace(/^\./, "\\&.");
}
