/**
 * Variants: the rules on one call's arguments, by the states in which they hold. One variant holds in every state; further
 * ones have what only some roles and phases did.
 */
import type { ArchitectureName } from "../linux/architecture.ts";
import type { Signature } from "./history.ts";
import type { CallUse, Grant, State } from "./permissions.ts";
import { type ArgumentRules, findRules } from "./rules.ts";

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
  const rulesOf = (signatures: readonly Signature[]) => findRules(signatures, architecture);
  const keyOf = (signatures: readonly Signature[]) => JSON.stringify(rulesOf(signatures));
  /** Whether the rules of the wider part let these pass. */
  const covers = (wide: Part, signatures: readonly Signature[]) =>
    keyOf([...wide.signatures, ...signatures]) === keyOf(wide.signatures);

  const everywhere: Part = {
    states: new Set(all),
    signatures: grants.filter(({ states }) => states.size === all.length).map(({ signature }) => signature),
  };
  const kept = everywhere.signatures.length === 0 ? [] : [everywhere];
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
    for (const part of [...parts.values()].sort((a, b) => b.states.size - a.states.size)) {
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
  return [...variants.values()];
}

/** An argument that one recording lacks has no rule in any state. */
function withoutUnknown(grants: readonly Grant[]): readonly Grant[] {
  const count = grants[0]?.signature.values.length ?? 0;
  const isUnknown = Array.from({ length: count }, (_, index) =>
    grants.some(({ signature }) => signature.values[index] === undefined),
  );
  if (!isUnknown.includes(true)) return grants;
  return grants.map(({ signature, states }) => {
    const values = signature.values.map((value, index) => (isUnknown[index] ? undefined : value));
    return { signature: { ...signature, values }, states };
  });
}
