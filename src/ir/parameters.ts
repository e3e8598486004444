/**
 * Parameters of a program: values that stay open until the program is started (`Program.parameters`). Only the eBPF back
 * end and the interpreter take a program with parameters. All other code works on the result of `bindParameters`, which
 * replaces them by constants.
 */
import { maximumSigned, maximumWord, minimumSigned } from "../abi/word.ts";
import { pattern } from "./arithmetic.ts";
import type { IntegerExpression, Interval, Parameter, Program } from "./program.ts";
import { replaceLeaves } from "./replace.ts";

/** The patterns of the parameter's values; all patterns if the range has negative and positive values. */
export function parameterWords({ from, to }: Pick<Parameter, "from" | "to">): Interval {
  return from < 0n && to >= 0n ? { from: 0n, to: maximumWord } : { from: pattern(from), to: pattern(to) };
}

/** Returns the fault of a declaration, as the rest of a sentence; undefined if it is valid. */
export function parameterFault({
  kind,
  from,
  to,
  default: fallback,
}: Values & Pick<Parameter, "default">): string | undefined {
  if (from > to) return "has no value";
  const fits = from < 0n ? from >= minimumSigned && to <= maximumSigned : to <= maximumWord;
  if (!fits) return "has a range that exceeds 64 bits";
  if (kind === "flag" && (from !== 0n || to !== 1n)) return "is a flag, but its range is not 0 to 1";
  if (fallback !== undefined && (fallback < from || fallback > to)) return "has a default outside of its range";
  return undefined;
}

type Values = Pick<Parameter, "kind" | "from" | "to">;

/** Parses a value given with `--set`; undefined if the parameter cannot have it. */
export function parseParameter({ kind, from, to }: Values, given: string): bigint | undefined {
  if (kind === "flag") return given === "true" ? 1n : given === "false" ? 0n : undefined;
  const value = parseInteger(given);
  return value === undefined || value < from || value > to ? undefined : pattern(value);
}

/** Parses decimal, 0x, 0o or 0b, with underscores between digits and a final n, as in a policy. */
export function parseInteger(given: string): bigint | undefined {
  const plain = given.replace(/n$/, "").replaceAll("_", "");
  if (plain.length > 40 || !/^-?(\d+|0x[\da-f]+|0o[0-7]+|0b[01]+)$/i.test(plain)) return undefined;
  return plain.startsWith("-") ? -BigInt(plain.slice(1)) : BigInt(plain);
}

/** Describes the possible values: "an integer from 1 to 100000". */
export function printParameter({ kind, from, to }: Values): string {
  return kind === "flag" ? "true or false" : `an integer from ${from} to ${to}`;
}

/** Prints a value in the form that `--set` takes. */
export function printValue({ kind }: Pick<Parameter, "kind">, value: bigint): string {
  return kind === "flag" ? String(value !== 0n) : String(value);
}

/** The parameters' defaults; the smallest value for a parameter without one. */
export function defaultWords(parameters: readonly Pick<Parameter, "from" | "default">[]): bigint[] {
  return parameters.map(({ from, default: fallback }) => pattern(fallback ?? from));
}

/** Replaces the parameters by constants; the result has no parameters. */
export function bindParameters(program: Program, words: readonly bigint[]): Program {
  if (words.length !== program.parameters.length)
    throw new Error(`policy ${program.name}: ${program.parameters.length} parameters, ${words.length} values`);
  if (program.parameters.length === 0) return program;
  const constants = words.map((word): IntegerExpression => ({ kind: "constant", value: pattern(word) }));
  const body = replaceLeaves(program.body, (leaf) =>
    leaf.kind === "parameter" ? constants[leaf.parameter] : undefined,
  );
  return { ...program, parameters: [], body };
}
