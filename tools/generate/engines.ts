/** Writes the two tables of docs/engines.md, the engines and their differences, from the engines' descriptions. */

import { descriptions } from "../../src/engines/descriptions.ts";
import { type Aspect, aspects } from "../../src/engines/engine/description.ts";
import { engineNames, engines } from "../../src/engines/registry.ts";
import { SourceError } from "./source.ts";

/** Sections of the document that tell more about a row. */
const sections: { readonly [A in Aspect]?: string } = {
  "static-kill": "events.md#static-kills",
  interrupted: "internals/signals.md",
};

const code = (text: string): string => `\`${text}\``;
const row = (...cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

function enginesTable(): string {
  const auditing = engines.filter(({ audits }) => audits).map(({ name }) => code(name));
  return [
    row("name", "enforced by", "needs"),
    row("---", "---", "---"),
    row(
      "`auto` (the default)",
      `the first of ${engineNames.map(code).join(", ")} that works here and can express the policy; with \`--audit\` always ${auditing.join(" or ")}`,
      "",
    ),
    ...engineNames.map((name) => row(code(name), descriptions[name].enforces, descriptions[name].needs)),
  ].join("\n");
}

function differencesTable(): string {
  const rows = (Object.keys(aspects) as Aspect[]).map((aspect) => {
    const title = aspects[aspect].startsWith("--") ? code(aspects[aspect]) : aspects[aspect];
    const section = sections[aspect];
    const cells = engineNames.map((name) => descriptions[name].differences[aspect].does);
    return row(section === undefined ? title : `[${title}](${section})`, ...cells);
  });
  return [row("", ...engineNames.map(code)), row(...["---", ...engineNames.map(() => "---")]), ...rows].join("\n");
}

/**
 * The document with its tables renewed.
 *
 * @throws {SourceError} where a mark is gone.
 */
export function renewEngineTables(text: string): string {
  return renewed(renewed(text, "engines", enginesTable()), "differences", differencesTable());
}

function renewed(text: string, name: string, table: string): string {
  const [begin, end] = [`<!-- ${name}: make goldens writes this table -->\n`, "<!-- end of the table -->\n"];
  const at = text.indexOf(begin);
  const after = text.indexOf(end, at);
  if (at < 0 || after < 0) throw new SourceError(`docs/engines.md has lost its mark: ${begin.trim()}`);
  return `${text.slice(0, at)}${begin}\n${table}\n\n${text.slice(after)}`;
}
