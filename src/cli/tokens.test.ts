/** The tokens of command lines are those of Node's util.parseArgs. */
import { parseArgs } from "node:util";
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { tokensOf } from "./tokens.ts";

const options = {
  policy: { short: "p", takesValue: true },
  set: { short: "s", takesValue: true },
  quiet: { short: "q", takesValue: false },
  json: { takesValue: false },
};

const asNode = Object.fromEntries(
  Object.entries(options).map(([name, { takesValue, ...rest }]) => [
    name,
    { type: takesValue ? ("string" as const) : ("boolean" as const), multiple: true, ...rest },
  ]),
);

const word = fc
  .oneof(
    fc.constantFrom("--", "-", "", "-q", "-p", "-pq", "-qp", "-qpx", "-qx", "-s=a", "--json", "--json=x", "--set"),
    fc.constantFrom("--set=a=1", "--set=", "--unknown", "--unknown=1", "--=", "--a=", "---", "policy.ts", "--policy"),
    fc.string({ unit: fc.constantFrom("-", "=", "p", "q", "s", "x", "a"), maxLength: 6 }),
  )
  // Node takes the second hyphen of -q- for the word `--`; here it is an unknown option.
  .filter((text) => !/^-[^-].*-/.test(text));

describe("tokens", () => {
  test.prop([fc.array(word, { maxLength: 6 })], { numRuns: 5_000 })("are those of util.parseArgs", (argv) => {
    const { tokens } = parseArgs({ args: argv, options: asNode, strict: false, allowPositionals: true, tokens: true });
    const theirs = tokens.map((token) => {
      const { kind, index } = token;
      if (kind === "option-terminator") return { kind: "terminator", index };
      if (kind === "positional") return { kind: "word", index, value: token.value };
      const { name, rawName, value, inlineValue = false } = token;
      return { kind: "option", name, rawName, value, inlineValue };
    });
    expect(tokensOf(argv, options)).toEqual(theirs);
  });
});
