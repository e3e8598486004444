/** Conditions on the arguments of a group's calls, as a policy writes them. */

import type { ArchitectureName } from "../abi/architecture.ts";
import { flagNames } from "../abi/decode.ts";
import { namesFor } from "../abi/flags.ts";
import { jsonText } from "../diagnostics/width.ts";
import { readSocketAddress } from "../ir/observe.ts";
import { destinationsOf } from "../propose/addresses.ts";
import { type Aspect, bytesOf, type Value } from "../propose/aspects.ts";
import type { Signature } from "../propose/history.ts";
import { conditionsOn, findRules, type Rule } from "../propose/rules.ts";
import type { Group } from "./groups.ts";

/**
 * | scope | the rule allows |
 * | --- | --- |
 * | call | the call with any arguments |
 * | arguments | the call with the arguments that were refused |
 * | general | the call with such arguments: flags and commands by name, several paths of a folder as a pattern |
 */
export type Scope = "call" | "arguments" | "general";

/** Values of one argument. */
const mostValues = 8;

/** Undefined if an argument of the scope is not known, or has too many values. */
export function conditionsFor(
  { signatures, isOpen, variants }: Group,
  scope: Scope,
  architecture: ArchitectureName,
): readonly string[] | undefined {
  if (scope === "call") return [];
  if (isOpen || signatures.length < variants.length) return undefined;
  return scope === "arguments" ? exactly(signatures, architecture) : generally(signatures, architecture);
}

function exactly(signatures: readonly Signature[], architecture: ArchitectureName): readonly string[] | undefined {
  const [first] = signatures;
  if (first === undefined) return undefined;
  const conditions = first.aspects.map((aspect, index) => {
    const values = [...new Set(signatures.map((one) => one.values[index]))];
    return values.length > mostValues ? undefined : conditionOn(first.call, aspect, values, architecture);
  });
  return conditions.includes(undefined) ? undefined : conditions.flatMap((one) => one!);
}

function conditionOn(
  call: string,
  aspect: Aspect,
  values: readonly Value[],
  architecture: ArchitectureName,
): readonly string[] | undefined {
  if (values.includes(undefined)) return undefined;
  const alternatives = values.map((value) => oneValue(call, aspect, value!, architecture));
  const [only] = alternatives;
  if (alternatives.length === 1) return only!;
  return [`(${alternatives.map((one) => (one.length > 1 ? `(${one.join(" && ")})` : one[0])).join(" || ")})`];
}

function oneValue(
  call: string,
  aspect: Aspect,
  value: bigint | string | null,
  architecture: ArchitectureName,
): readonly string[] {
  const subject = `call.args.${aspect.parameter}`;
  if (value === null) return [`${subject}.isNull`];
  switch (aspect.is) {
    case "flags":
      return exactFlags(call, subject, aspect.set, value as bigint, architecture);
    case "field":
      return exactFlags(call, `${subject}.${aspect.field}`, aspect.set, value as bigint, architecture);
    case "choice":
    case "integer":
    case "text":
      return conditionsOn(call, aspect, value, value, architecture);
    case "address": {
      const place = aspect.isMessage ? `${subject}.name` : subject;
      const [narrowest] = destinationsOf(value as string);
      if (narrowest !== undefined) return narrowest.conditions(place);
      const { kind, family } = readSocketAddress(bytesOf(value as string));
      return [`${place}.kind === "${kind}"`, ...(kind === "other" ? [`${place}.family === ${family}n`] : [])];
    }
  }
}

function exactFlags(
  call: string,
  subject: string,
  set: string,
  bits: bigint,
  architecture: ArchitectureName,
): readonly string[] {
  const { found, rest } = flagNames(namesFor(call, set), architecture, bits);
  if (rest !== 0n) return [`${subject}.bits === 0x${bits.toString(16)}n`];
  if (found.length === 0) return [`${subject}.bits === 0n`];
  const names = found.map((name) => jsonText(name)).join(", ");
  return [`${subject}.hasOnly(${names})`, `${subject}.has(${names})`];
}

function generally(signatures: readonly Signature[], architecture: ArchitectureName): readonly string[] | undefined {
  const { rules, open } = findRules(signatures, architecture);
  const lacking = lackingArguments(signatures);
  const isRead = ({ is, parameter }: Aspect) => (is === "text" || is === "address") && !lacking.includes(parameter);
  // Without a rule on it the argument could be any. strace prints either registers or memory: then the memory must do.
  const isFine = open.every(({ parameter }) => lacking.includes(parameter)) && signatures[0]?.aspects.some(isRead);
  if (open.length > 0 && isFine !== true) return undefined;
  const conditions = rules.map(conditionsOf);
  return conditions.includes(undefined) ? undefined : conditions.flatMap((one) => one!);
}

/** The arguments that a recording does not have. */
export function lackingArguments(signatures: readonly Signature[]): readonly string[] {
  const aspects = signatures[0]?.aspects ?? [];
  return aspects.flatMap(({ parameter }, index) =>
    signatures.some(({ values }) => values[index] === undefined) ? [parameter] : [],
  );
}

function conditionsOf(rule: Rule): readonly string[] | undefined {
  switch (rule.is) {
    case "comparison":
      return rule.text.split(" && ");
    case "test":
      return [`${rule.negated === true ? "!" : ""}${rule.subject}.${rule.method}(${rule.values.join(", ")})`];
    case "any": {
      const parts = rule.rules.map(conditionsOf);
      if (parts.includes(undefined)) return undefined;
      return [`(${parts.map((one) => (one!.length > 1 ? `(${one!.join(" && ")})` : one![0])).join(" || ")})`];
    }
    case "address": {
      // A disjunction of kinds, as far as one line can say it: the kind, and what its conditions are.
      const kinds = rule.cases.map(({ kind, conditions }) => {
        const tests = conditions.map(({ any }) => {
          // Texts of the program are in quotes, and never begin so.
          const placed = (text: string) => text.replace(/^to\b/, rule.subject);
          const texts = any.map(({ subject, method, values }) =>
            method === ">="
              ? `${placed(subject)} >= ${values[0]}`
              : `${placed(subject)}.${method}(${values.map(placed).join(", ")})`,
          );
          return texts.length === 1 ? texts[0]! : `(${texts.join(" || ")})`;
        });
        return [`${rule.subject}.kind === "${kind}"`, ...tests];
      });
      const [only] = kinds;
      if (kinds.length === 1) return only!;
      return [`(${kinds.map((one) => (one.length > 1 ? `(${one.join(" && ")})` : one[0])).join(" || ")})`];
    }
  }
}
