/**
 * Variants: the rules on one call's arguments, by the states in which they hold. One variant holds in every state; further
 * ones have what only some roles and phases did.
 */
import type { ArchitectureName } from "../abi/architecture.ts";
import type { Signature } from "./history.ts";
import type { CallUse, Grant, State } from "./permissions.ts";
import { type ArgumentRules, findRules, type Rule } from "./rules.ts";
import { isSensitive } from "./sensitive.ts";

export interface Variant extends ArgumentRules {
  readonly states: ReadonlySet<State>;
}

interface Part {
  readonly states: ReadonlySet<State>;
  readonly signatures: readonly Signature[];
}

/** Parts with more signatures are compared as a whole. */
const mostCompared = 50;

/** The variant for all states first, and for each role the widest first. */
export function variantsOf(use: CallUse, all: readonly State[], architecture: ArchitectureName): readonly Variant[] {
  const grants = withoutUnknown(use.grants);
  const rulesOf = (signatures: readonly Signature[]): ArgumentRules => {
    const found = findRules(signatures, architecture);
    return signatures.every(onlyWrites) ? { ...found, rules: [...found.rules, writeOnly] } : found;
  };
  const keyOf = (signatures: readonly Signature[]) => JSON.stringify(rulesOf(signatures));
  /** Whether the rules of the wider part let these pass. */
  const covers = (wide: Part, signatures: readonly Signature[]) =>
    keyOf([...wide.signatures, ...signatures]) === keyOf(wide.signatures);

  const everywhere = grants.filter(({ states }) => states.size === all.length).map(({ signature }) => signature);
  const kept = divided({ states: new Set(all), signatures: everywhere });
  for (const role of new Set(all.map((state) => state.role))) {
    const own = all.filter((state) => state.role === role);
    const parts = new Map<string, { states: Set<State>; signatures: Signature[] }>();
    for (const { signature, states } of grants) {
      if (states.size === all.length) continue;
      const inside = own.filter((state) => states.has(state));
      if (inside.length === 0) continue;
      const key = inside.map((state) => own.indexOf(state)).join();
      const part = parts.get(key) ?? { states: new Set(inside), signatures: [] };
      parts.set(key, part);
      part.signatures.push(signature);
    }
    const widest = [...parts.values()].sort((a, b) => b.states.size - a.states.size);
    for (const part of widest.flatMap(divided)) {
      const wider = kept.filter(({ states }) => [...part.states].every((state) => states.has(state)));
      let rest = part.signatures;
      for (const wide of wider) {
        if (covers(wide, rest)) rest = [];
        else if (rest.length <= mostCompared) rest = rest.filter((one) => !covers(wide, [one]));
      }
      if (rest.length > 0) kept.push({ states: part.states, signatures: rest });
    }
  }

  const variants = new Map<string, Variant & { states: Set<State> }>();
  for (const { states, signatures } of kept) {
    const found = rulesOf(signatures);
    const key = JSON.stringify(found);
    const same = variants.get(key);
    if (same === undefined) variants.set(key, { ...found, states: new Set(states) });
    else for (const state of states) same.states.add(state);
  }
  const list = [...variants.values()];
  const free = list.find(({ rules }) => rules.length === 0);
  // What is allowed with any arguments needs no rules there.
  return list.filter((one) => one === free || ![...one.states].every((state) => free?.states.has(state)));
}

const writeOnly: Rule = { is: "test", subject: "call.args.flags", method: "has", values: ['"O_WRONLY"'] };

/**
 * Opens of known paths that cannot read: their paths are apart from those that are read, or a process could map and
 * execute the file that it wrote.
 */
function onlyWrites({ call, aspects, values }: Signature): boolean {
  if (call !== "open" && call !== "openat") return false;
  const index = aspects.findIndex(({ parameter }) => parameter === "flags");
  const path = aspects.findIndex(({ is }) => is === "text");
  const flags = values[index];
  return typeof flags === "bigint" && typeof values[path] === "string" && (flags & 3n) === 1n;
}

function divided({ states, signatures }: Part): Part[] {
  const writing = signatures.filter(onlyWrites);
  const threads = signatures.filter(makesThread);
  const others = signatures.filter((one) => !onlyWrites(one) && !makesThread(one));
  return [others, threads, writing].filter(({ length }) => length > 0).map((own) => ({ states, signatures: own }));
}

/** The flags of a thread are apart from those of a process, which are few. */
function makesThread(signature: Signature): boolean {
  const { call, values } = signature;
  return (call === "clone" || call === "clone3") && typeof values[0] === "bigint" && !isSensitive(signature);
}

/**
 * Memory that one recording lacks has no rule in any state: where a rule reads memory that is not there, the call fails
 * before it changes the role.
 */
function withoutUnknown(grants: readonly Grant[]): readonly Grant[] {
  const isUnknown = (grants[0]?.signature.aspects ?? []).map(
    ({ is }, index) =>
      (is === "text" || is === "address" || is === "field") &&
      grants.some(({ signature }) => signature.values[index] === undefined),
  );
  if (!isUnknown.includes(true)) return grants;
  return grants.map(({ signature, states }) => {
    const values = signature.values.map((value, index) => (isUnknown[index] ? undefined : value));
    return { signature: { ...signature, values }, states };
  });
}
