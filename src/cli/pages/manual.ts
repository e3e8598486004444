/** Help pages: one for each verb, from its own description, and the overview. */
import { commonOptions, type OptionTable, type VerbPage, type VerbTable } from "../verb.ts";

const width = 80;

export interface PageOptions {
  readonly colour: boolean;
}

export function printPage(verb: VerbPage, { colour }: PageOptions): string {
  const head = heading(colour);
  const sections = [
    `${head("NAME")}\n${indented(`portcullis ${verb.name}: ${lowerFirst(verb.summary)}`)}`,
    `${head("SYNOPSIS")}\n${verb.synopsis.map((line) => indented(`portcullis ${line}`)).join("\n")}`,
    `${head("DESCRIPTION")}\n${verb.about.map((paragraph) => indented(paragraph)).join("\n\n")}`,
    `${head("OPTIONS")}\n${printOptions({ ...verb.options, ...commonOptions })}`,
    `${head("EXIT STATUS")}\n${verb.exit.map(([status, meaning]) => item(status, meaning, 7)).join("\n")}`,
  ];
  if (verb.examples.length > 0) {
    const examples = verb.examples.map(([command, about]) => `${indented(about)}\n      $ ${command}`);
    sections.push(`${head("EXAMPLES")}\n${examples.join("\n\n")}`);
  }
  return `${sections.join("\n\n")}\n`;
}

/** The overview page without the list of verbs: its first line, and preformatted sections. */
export const overview = {
  summary: "system call filters for Linux, written in TypeScript, with state",
  usage: ["portcullis VERB [OPTIONS] …", "portcullis run -p POLICY -- COMMAND [ARGUMENT…]"],
  sections: [
    [
      "FIRST STEPS",
      `A policy is a TypeScript module: a function from a call to a verdict.

    import { allow, calls, deny, policy } from "portcullis";
    const exec = calls("execve", "execveat");
    export default policy((call) => (exec.has(call) ? deny("EACCES") : allow));

Check and query it first, then run a command under it:

    $ portcullis check no-exec.ts
    $ portcullis why no-exec.ts 'execve("/bin/sh")'
    $ portcullis run -p no-exec.ts -- sh -c ls

Select a ready policy by its name: -p exec-once, -p nginx, -p build-step.`,
    ],
    [
      "EXIT STATUS",
      `The command's own; in a shell 128 + n when signal n ended the command, and
portcullis with it (159: a policy's kill by SIGSYS, 137: by SIGKILL); 127: no
such command; 126: it cannot be run; 125: portcullis itself failed, before or
while the command ran.`,
    ],
    [
      "MORE",
      `portcullis help VERB     the manual page of a verb, with examples
portcullis --version     the version
docs/language.md         the language of policies`,
    ],
  ],
} as const;

/** The page that `portcullis help` shows. */
export function printOverview(verbs: VerbTable, { colour }: PageOptions): string {
  const head = heading(colour);
  const longest = Math.max(...Object.keys(verbs).map((name) => name.length));
  const list = Object.entries(verbs)
    .map(([name, { summary }]) => `${name.padEnd(longest)}  ${summary}`)
    .join("\n");
  const sections = [["USAGE", overview.usage.join("\n")], ["VERBS", list], ...overview.sections] as const;
  const shifted = (text: string) => text.replaceAll(/^(?=.)/gm, "  ");
  const printed = sections.map(([title, text]) => `\n${head(title)}\n${shifted(text)}\n`);
  return `${head("portcullis")}: ${overview.summary}\n${printed.join("")}`;
}

function printOptions(table: OptionTable): string {
  return Object.entries(table)
    .map(([name, { short, value, about, multiple }]) => {
      const written = `${short === undefined ? "    " : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
      return item(written, multiple === true ? `${about} Can be repeated.` : about, 26);
    })
    .join("\n");
}

/** A term and its meaning, in two columns. */
function item(term: string, meaning: string, column: number): string {
  const lines = wrap(meaning, width - column - 4);
  const first = term.length > column - 2 ? `  ${term}\n${" ".repeat(column + 2)}` : `  ${term.padEnd(column)}`;
  return `${first}${lines.join(`\n${" ".repeat(column + 2)}`)}`;
}

function indented(text: string): string {
  return wrap(text, width - 2)
    .map((line) => `  ${line}`)
    .join("\n");
}

/** Breaks at spaces; a line that begins with a space (code) is not changed. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const part of text.split("\n")) {
    if (part.startsWith(" ")) {
      lines.push(part);
      continue;
    }
    let line = "";
    for (const word of part.split(" ")) {
      if (line !== "" && line.length + 1 + word.length > columns) {
        lines.push(line);
        line = word;
      } else {
        line = line === "" ? word : `${line} ${word}`;
      }
    }
    lines.push(line);
  }
  return lines;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function heading(colour: boolean): (text: string) => string {
  return (text) => (colour ? `\x1b[1m${text}\x1b[0m` : text);
}
