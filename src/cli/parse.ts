/** Parses a verb's options: anywhere in the line, or only before the command of `run`. */
import { parseArgs } from "node:util";
import { diagnostic } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { nearestName } from "../diagnostics/suggest.ts";
import { notUtf8 } from "../machine/command-line.ts";
import { commonOptions, Failure, type Invocation, type OptionTable, type Verb } from "./verb.ts";

/** @throws Failure naming every unknown option and every missing value */
export function parseInvocation(verb: Verb, argv: readonly string[]): Invocation {
  const table: OptionTable = { ...verb.options, ...commonOptions };
  const options = Object.fromEntries(
    Object.entries(table).map(([name, { short, value }]) => [
      name,
      {
        type: value === undefined ? ("boolean" as const) : ("string" as const),
        multiple: true,
        ...(short === undefined ? {} : { short }),
      },
    ]),
  );
  const ours = verb.takesCommand === true ? argv.slice(0, commandAt(argv, options)) : argv;
  refuseOtherEncodings(argv, ours.length);
  const { tokens } = parseArgs({ args: [...ours], options, strict: false, allowPositionals: true, tokens: true });
  const values = new Map<string, string[]>();
  const words: string[] = [];
  const wrong: Diagnostic[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") {
      words.push(token.value);
      // A path that is empty would name the working directory.
      if (token.value === "")
        wrong.push(diagnostic("P0907", "an empty word names nothing", { help: `portcullis ${verb.synopsis[0]}` }));
    }
    if (token.kind !== "option") continue;
    const specification = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (specification === undefined) {
      wrong.push(unknownOption(verb, token.rawName, token.value, table));
    } else if (specification.value === undefined && token.value !== undefined) {
      wrong.push(diagnostic("P0907", `${token.rawName} takes no value`, { help: `write ${token.rawName}` }));
    } else if (
      specification.value !== undefined &&
      (token.value === undefined || token.value === "" || (token.value === "--" && !token.inlineValue))
    ) {
      wrong.push(
        diagnostic("P0907", `${token.rawName} needs a value`, { help: `${token.rawName} ${specification.value}` }),
      );
    } else if (
      specification.value !== undefined &&
      token.inlineValue === false &&
      looksLikeOption(token.value!, table)
    ) {
      wrong.push(
        diagnostic("P0907", `${token.rawName} needs a value: ${token.value} is an option`, {
          help: `${token.rawName} ${specification.value}; write a value that begins with - as ${token.rawName}=${token.value}`,
        }),
      );
    } else {
      const list = values.get(token.name) ?? [];
      list.push(token.value ?? "");
      values.set(token.name, list);
    }
  }
  for (const [name, list] of values) {
    if (list.length > 1 && table[name]!.multiple !== true && table[name]!.value !== undefined) {
      wrong.push(diagnostic("P0909", `--${name} is given ${list.length} times`, { help: "give it once" }));
    }
  }
  if (wrong.length > 0) throw new Failure(wrong);
  if (verb.takesCommand === true) words.push(...command(argv.slice(ours.length)));
  return {
    text: (option) => values.get(option)?.at(-1),
    texts: (option) => values.get(option) ?? [],
    has: (option) => values.has(option),
    words,
  };
}

/** Words that differ look equal to Node if they are not UTF-8: it would write to, or read, another file. */
function refuseOtherEncodings(argv: readonly string[], count: number): void {
  const wrong = notUtf8(argv, count);
  if (wrong.length === 0) return;
  const help = "rename the file, or name a link to it, or a path relative to its folder";
  throw new Failure(
    wrong.map((word) => diagnostic("P0918", `the word ${JSON.stringify(word)} is not UTF-8`, { help })),
  );
}

type ParserOptions = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>["options"]>;

/** The index of the command or of the `--` before it. */
function commandAt(argv: readonly string[], options: ParserOptions): number {
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });
  const end = tokens.find((token) => token.kind !== "option");
  return end === undefined ? argv.length : end.index;
}

function command(rest: readonly string[]): readonly string[] {
  return rest[0] === "--" ? rest.slice(1) : rest;
}

function looksLikeOption(value: string, table: OptionTable): boolean {
  if (/^--[a-z]/.test(value)) return Object.hasOwn(table, value.slice(2).replace(/=.*/, ""));
  return value.length === 2 && value.startsWith("-") && Object.values(table).some(({ short }) => short === value[1]);
}

function unknownOption(verb: Verb, written: string, value: string | undefined, table: OptionTable): Diagnostic {
  const name = written.replace(/^-+/, "");
  const near = nearestName(name, Object.keys(table));
  const listed = `portcullis help ${verb.name} lists them`;
  const isParameter = Object.hasOwn(table, "set") && value !== undefined && written.startsWith("--");
  const parameter = `write --set ${name}=${value} for a parameter of the policy`;
  const ways = [near === undefined ? [] : `write --${near}`, isParameter ? parameter : []].flat();
  return diagnostic("P0905", `${verb.name} has no option ${written}`, {
    help: ways.length === 0 ? listed : ways.join(", or "),
  });
}
