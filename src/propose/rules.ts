/** Rules on the arguments of one call: conditions that hold for every recorded value, if the values are few. */

import type { ArchitectureName } from "../abi/architecture.ts";
import { flagNames } from "../abi/decode.ts";
import { nameSet, namesFor } from "../abi/flags.ts";
import { cloneFlag } from "../abi/process-calls.ts";
import { jsonText } from "../diagnostics/width.ts";
import { type AddressCase, addressCases, destinationsOf } from "./addresses.ts";
import { withAlternativeChoices, withSafeFlags } from "./alternatives.ts";
import type { Aspect, Value } from "./aspects.ts";
import type { Signature } from "./history.ts";
import { hasParent, mayHideParents, textPatterns } from "./paths.ts";

/** A condition on `call.args`, as policies write it. */
export type Rule =
  /** `subject.method(...values)`; the values are constants of the language. */
  | {
      readonly is: "test";
      readonly subject: string;
      readonly method: string;
      readonly values: readonly string[];
      readonly negated?: boolean;
    }
  /** The disjunction of conditions. */
  | { readonly is: "any"; readonly rules: readonly Rule[] }
  /** A comparison in the policy's own text. */
  | { readonly is: "comparison"; readonly text: string }
  /** A socket address: a function of its kind. */
  | { readonly is: "address"; readonly subject: string; readonly cases: readonly AddressCase[] };

export interface ArgumentRules {
  readonly rules: readonly Rule[];
  /** Aspects without a rule, and why. */
  readonly open: readonly { readonly parameter: string; readonly because: "unknown" | "many" | "unnamed" }[];
}

/** The number of different values of a choice or an integer that still make a rule. */
const mostValues = 24;
const mostIntegers = 8;

export function findRules(signatures: readonly Signature[], architecture: ArchitectureName): ArgumentRules {
  const [first] = signatures;
  const rules: Rule[] = [];
  const open: ArgumentRules["open"][number][] = [];
  first?.aspects.forEach((aspect, index) => {
    const values = distinctValues(signatures, index);
    if (values.includes(undefined)) {
      open.push({ parameter: aspect.parameter, because: "unknown" });
      return;
    }
    const found = ruleOf(first.call, aspect, values, architecture);
    if (typeof found === "string") open.push({ parameter: aspect.parameter, because: found });
    else rules.push(...found);
  });
  return { rules, open };
}

function distinctValues(signatures: readonly Signature[], index: number): Value[] {
  return [...new Set(signatures.map(({ values }) => values[index]))];
}

function ruleOf(
  call: string,
  aspect: Aspect,
  values: readonly Value[],
  architecture: ArchitectureName,
): readonly Rule[] | "many" | "unnamed" {
  const integers = values.filter((value) => typeof value === "bigint").sort((a, b) => (a < b ? -1 : 1));
  const texts = values.filter((value) => typeof value === "string").sort();
  const subject = `call.args.${aspect.parameter}`;
  switch (aspect.is) {
    case "flags":
      return flagRules(call, subject, aspect.set, widened(call, integers), architecture);
    case "field":
      // A null pointer has no fields; the call fails without a judgement.
      return integers.length === 0
        ? []
        : flagRules(call, `${subject}.${aspect.field}`, aspect.set, integers, architecture);
    case "choice": {
      if (call !== "kill") return choiceRule(call, subject, aspect.set, integers, architecture);
      const found = choiceRule(
        ...[call, subject, aspect.set],
        integers.filter((signal) => signal !== existence),
        architecture,
      );
      if (typeof found === "string") return found;
      return [{ is: "any", rules: [...groupAndExistence, ...found] }];
    }
    case "integer":
      return integerRule(subject, integers);
    case "text": {
      const text = aspect.isPath ? `${subject}.text` : subject;
      if (texts.length === 0) {
        // A rule that reads the text leaves calls with an invalid pointer to the kernel, which fails them.
        const isEmpty: Rule = { is: "test", subject: text, method: "is", values: ['""'] };
        return [{ is: "any", rules: [{ is: "comparison", text: `${subject}.isNull` }, isEmpty] }];
      }
      const patterns = textPatterns(texts, aspect.isPath);
      if (patterns === undefined) return "many";
      const tests = Object.entries(patterns).flatMap(([method, list]: [string, readonly string[]]): Rule[] =>
        list.length === 0 ? [] : [{ is: "test", subject: text, method, values: list.map((one) => jsonText(one)) }],
      );
      const isNull: Rule[] = values.includes(null) ? [{ is: "comparison", text: `${subject}.isNull` }] : [];
      const all = [...tests, ...isNull];
      const any: Rule = all.length === 1 ? all[0]! : { is: "any", rules: all };
      if (!mayHideParents(patterns) || texts.some(hasParent)) return [any];
      // A folder's pattern must not reach what lies beside the folder.
      const parents = ['"**/.."', '"**/../**"'];
      return [any, { is: "test", subject: text, method: "matches", values: parents, negated: true }];
    }
    case "address": {
      const cases = addressCases(values.includes(null) ? [...texts, null] : texts);
      return [{ is: "address", subject: aspect.isMessage ? `${subject}.name` : subject, cases }];
    }
  }
}

/** A signal that the kernel sends to no process: it only tells whether the process is there (kill(2)). */
const existence = 0n;

/** A signal to the own process group reaches what the program started. */
const groupAndExistence: readonly Rule[] = [
  { is: "comparison", text: "call.args.pid === 0n" },
  { is: "comparison", text: `call.args.sig.value === ${literal(existence)}` },
];

/** clone without flags is what a fork is, and `fork()` of a case file. */
function widened(call: string, values: readonly bigint[]): readonly bigint[] {
  return call === "clone" && !values.includes(0n) && !values.every(isThread) ? [...values, 0n] : values;
}

function isThread(flags: bigint): boolean {
  return (flags & cloneFlag.thread) !== 0n;
}

function flagRules(
  call: string,
  subject: string,
  set: string,
  values: readonly bigint[],
  architecture: ArchitectureName,
): readonly Rule[] | "many" | "unnamed" {
  const names = new Set<string>();
  for (const bits of values) {
    const { found, rest } = flagNames(namesFor(call, set), architecture, bits);
    if (rest !== 0n) {
      if (values.length > mostIntegers) return "unnamed";
      return [
        { is: "test", subject: `[${values.map(literal).join(", ")}]`, method: "includes", values: [`${subject}.bits`] },
      ];
    }
    for (const name of found) names.add(name);
  }
  const allowed = withSafeFlags(
    names,
    namesFor(call, set).map(({ name }) => name),
  );
  if (allowed.size === names.size && values.every((bits) => bits === 0n)) {
    return [{ is: "comparison", text: `${subject}.bits === 0n` }];
  }
  const order = (nameSet(set)?.members ?? []).map(({ name }) => name);
  const sorted = [...allowed].sort((a, b) => order.indexOf(a) - order.indexOf(b)).map((name) => jsonText(name));
  const rules: Rule[] = [{ is: "test", subject, method: "hasOnly", values: sorted }];
  // An attacker needs memory that is both writable and executable.
  const both = ['"PROT_WRITE"', '"PROT_EXEC"'];
  const writeAndExecute = 6n;
  if (
    set === "Protection" &&
    both.every((name) => sorted.includes(name)) &&
    !values.some((bits) => (bits & writeAndExecute) === writeAndExecute)
  ) {
    rules.push({ is: "test", subject, method: "has", values: both, negated: true });
  }
  // The other flags alone make a process.
  if (names.has("CLONE_THREAD") && values.every(isThread))
    rules.push({ is: "test", subject, method: "has", values: ['"CLONE_THREAD"'] });
  return rules;
}

function choiceRule(
  call: string,
  subject: string,
  set: string,
  values: readonly bigint[],
  architecture: ArchitectureName,
): readonly Rule[] | "many" {
  if (values.length > mostValues) return "many";
  const byValue = new Map(
    namesFor(call, set).flatMap(({ name, value }) =>
      value[architecture] === undefined ? [] : [[value[architecture], name] as const],
    ),
  );
  const recorded = values.flatMap((value) => byValue.get(value) ?? []);
  const names = withAlternativeChoices(set, recorded);
  const unnamed = values.filter((value) => !byValue.has(value));
  const named: Rule[] =
    names.length === 0 ? [] : [{ is: "test", subject, method: "is", values: names.map((name) => jsonText(name)) }];
  if (unnamed.length === 0) return named;
  const rest = oneOf(`${subject}.value`, unnamed);
  return named.length === 0 ? [rest] : [{ is: "any", rules: [...named, rest] }];
}

function integerRule(subject: string, values: readonly bigint[]): readonly Rule[] | "many" {
  if (values.length <= mostIntegers) return [oneOf(subject, values)];
  const [least, most] = [values[0]!, values.at(-1)!];
  if (most - least > 4n * BigInt(values.length)) return "many";
  return [
    {
      is: "comparison",
      text: `${subject} >= ${literal(least)} && ${subject} <= ${literal(most)}`,
    },
  ];
}

function oneOf(subject: string, values: readonly bigint[]): Rule {
  if (values.length === 1) {
    const value = literal(values[0]!);
    return { is: "comparison", text: `${subject} === ${value}` };
  }
  return { is: "test", subject: `[${values.map(literal).join(", ")}]`, method: "includes", values: [subject] };
}

/** Prints small numbers in decimal, large ones in hexadecimal. */
function literal(value: bigint): string {
  if (value < 0n) return `${value}n`;
  return value < 4096n ? `${value}n` : `0x${value.toString(16)}n`;
}

/**
 * The conjunction of conditions of a trigger on one argument.
 *
 * @param recorded a value that fulfils them; of an address, its bytes
 * @param value of an address, the name of a destination
 */
export function conditionsOn(
  call: string,
  aspect: Aspect,
  recorded: Value,
  value: bigint | string,
  architecture: ArchitectureName,
): readonly string[] {
  const subject = `call.args.${aspect.parameter}`;
  switch (aspect.is) {
    case "flags":
      return [`${subject}.bits === ${literal(value as bigint)}`];
    case "field":
      return [`${subject}.${aspect.field}.bits === ${literal(value as bigint)}`];
    case "choice": {
      const member = namesFor(call, aspect.set).find((one) => one.value[architecture] === value);
      return [
        member === undefined ? `${subject}.value === ${literal(value as bigint)}` : `${subject}.is("${member.name}")`,
      ];
    }
    case "integer":
      return [`${subject} === ${literal(value as bigint)}`];
    case "text":
      return [`${aspect.isPath ? `${subject}.text` : subject}.is(${jsonText(value)})`];
    case "address": {
      const destination = destinationsOf(recorded as string).find(({ name }) => name === value)!;
      return destination.conditions(aspect.isMessage ? `${subject}.name` : subject);
    }
  }
}
