/**
 * Writes an allow-list of arguments as a policy: one that searches it at each call, and one that remembers found values in
 * a set, whose keys are the call and its values (the caching of the paper, and of Draco).
 */
import { callByName } from "../../src/abi/calls.ts";
import type { FlatProfile, Rule } from "../../test/classic/profile.ts";
import { demanded } from "./profile.ts";

/** One argument of a call, and the values that its lists have. */
interface Listed {
  /** In the policy's words: `call.args.fd`. */
  readonly expression: string;
  /** The values of each list, in the same order for all arguments. */
  readonly values: readonly bigint[];
  readonly least: bigint;
  readonly most: bigint;
  readonly signed: boolean;
  /** The greatest value of its type. */
  readonly greatest: bigint;
}

/** Conditions and an expression of the policy. */
interface Key {
  /** The values are such that the key is theirs alone. */
  readonly fits: string;
  readonly expression: string;
  /** They are listed, if they fit. */
  readonly found: string;
}

/** The number of a call takes these bits at the top of a key, below the sign. */
const numberBits = 9;
const keyBits = 63 - numberBits;

export function listedPolicy({ rules }: FlatProfile, remembers: boolean): string {
  const byName = grouped(rules, ({ name }) => name);
  const keys = [...byName.values()].reduce(
    (sum, own) => sum + (remembers && keyOf(own) !== undefined ? own.length : 0),
    0,
  );
  const cases = [...byName].map(([name, own]) => {
    const key = remembers ? keyOf(own) : undefined;
    const found = conditionOf(argumentsOf(own));
    const body =
      own[0]!.comparisons.length === 0
        ? "      return allow;"
        : key === undefined
          ? `      return ${found} ? allow : log;`
          : `      if (${key.fits}) {
        const key = ${key.expression};
        if (checked.has(key)) return allow;
        if (${key.found}) {
          checked.add(key);
          return allow;
        }
      }
      return log;`;
    return `    case "${name}": {\n${body}\n    }`;
  });
  const state =
    keys === 0
      ? ""
      : `\n/** The call and its values that were found. */\nconst checked = perTree.set({ capacity: ${keys}n, full: deny("ENOMEM") });\n`;
  return `import { allow, ${keys === 0 ? "" : "deny, "}log, ${keys === 0 ? "" : "perTree, "}policy } from "portcullis";
${state}
export default policy((call) => {
  switch (call.name) {
${cases.join("\n")}
  }
  return log;
});
`;
}

/** The arguments that the lists of one call have. */
function argumentsOf(own: readonly Rule[]): readonly Listed[] {
  const { name, comparisons } = own[0]!;
  const { parameters } = callByName(name)!;
  return comparisons.map(({ index }, at) => {
    const { name: argument, kind, width, signed } = parameters[index]!;
    const greatest = (1n << BigInt(signed ? width - 1 : width)) - 1n;
    const member = kind.is === "flags" ? ".bits" : kind.is === "choice" ? ".value" : "";
    const values = own.map((rule) => {
      const value = demanded(rule.comparisons[at]!);
      return signed ? BigInt.asIntN(width, value) : BigInt.asUintN(width, value);
    });
    const [least, most] = [...values]
      .sort((a, b) => (a < b ? -1 : 1))
      .filter((_, place, { length }) => place === 0 || place === length - 1);
    return {
      expression: `call.args.${argument}${member}`,
      values,
      least: least!,
      most: most ?? least!,
      signed,
      greatest,
    };
  });
}

/**
 * A key that no other call and values have: each value takes the bits that its lists need, and a value outside of their
 * range has no key. Undefined if the ranges are too wide for 64 bits, or if there is only one list.
 */
function keyOf(own: readonly Rule[]): Key | undefined {
  if (own.length === 1) return undefined;
  const listed = argumentsOf(own);
  const fits: string[] = [];
  let expression = `${BigInt(own[0]!.number) << BigInt(keyBits)}n`;
  let used = 0;
  for (const { expression: value, least, most, signed, greatest } of listed) {
    if (least === most) {
      fits.push(`${value} === ${least}n`);
      continue;
    }
    if (signed || least > 0n) fits.push(`${value} >= ${least}n`);
    if (most < greatest) fits.push(`${value} <= ${most}n`);
    const place = least === 0n ? value : `(${value} - ${least < 0n ? `(${least}n)` : `${least}n`})`;
    expression += used === 0 ? ` + ${place}` : ` + ${place} * ${1n << BigInt(used)}n`;
    used += (most - least).toString(2).length;
  }
  if (used > keyBits) return undefined;
  return {
    fits: fits.join(" && "),
    expression,
    found: conditionOf(listed.filter(({ least, most }) => least !== most)),
  };
}

/** Asks about one argument after the other; values with the same rest are one question. */
function conditionOf([first, ...others]: readonly Listed[]): string {
  if (first === undefined) return "true";
  const byRest = new Map<string, bigint[]>();
  for (const [value, places] of grouped([...first.values.keys()], (place) => first.values[place]!)) {
    const rest = conditionOf(others.map((one) => ({ ...one, values: places.map((place) => one.values[place]!) })));
    byRest.set(rest, [...(byRest.get(rest) ?? []), value]);
  }
  const parts = [...byRest].map(([rest, values]) => {
    const [only, ...more] = values.map((value) => `${value}n`);
    const one =
      more.length === 0
        ? `${first.expression} === ${only}`
        : `[${[only, ...more].join(", ")}].includes(${first.expression})`;
    return rest === "true" ? one : `(${one} && ${rest})`;
  });
  return parts.length === 1 ? parts[0]! : `(${parts.join(" || ")})`;
}

function grouped<K, V>(values: readonly V[], key: (value: V) => K): ReadonlyMap<K, readonly V[]> {
  const result = new Map<K, V[]>();
  for (const value of values) {
    const own = result.get(key(value)) ?? [];
    own.push(value);
    result.set(key(value), own);
  }
  return result;
}
