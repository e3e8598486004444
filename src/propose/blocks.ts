/** Groups the rules of a proposal by role and phase, as a person reads them, and lists of calls by purpose. */
import type { ArchitectureName } from "../abi/architecture.ts";
import { callGroups, groups } from "../abi/groups.ts";
import { membersOf, wholeGroups } from "./alternatives.ts";
import { packed } from "./layout.ts";
import type { State } from "./permissions.ts";
import type { Role } from "./roles.ts";

/** What one rule allows. */
export interface Entry {
  /** Several are alternatives. */
  readonly calls: string[];
  readonly states: ReadonlySet<State>;
  /** All of them hold; none for any arguments. */
  readonly conditions: readonly string[];
  /** Why it is allowed if no recording has the call. */
  readonly unseen: string | undefined;
}

export interface Block {
  readonly states: ReadonlySet<State>;
  readonly entries: readonly Entry[];
}

/** Characters of a call's name with its quotes, and calls in a line, for estimates. */
const callsInLine = 8;
/** Lines of an empty block: its condition, its end, and a blank line. */
const linesOfBlock = 3;

/**
 * Blocks in the order of the module: every process, several roles, each role with its phases. The rules of several roles are
 * repeated in each of them if the module is shorter then.
 */
export function distributed(
  entries: readonly Entry[],
  all: readonly State[],
  roles: readonly Role[],
): readonly Block[] {
  const keyOf = (states: ReadonlySet<State>) => all.map((state) => (states.has(state) ? 1 : 0)).join("");
  const found = new Map<string, { states: ReadonlySet<State>; entries: Entry[] }>();
  const add = (states: ReadonlySet<State>, more: readonly Entry[]) => {
    const block = found.get(keyOf(states)) ?? { states, entries: [] };
    found.set(keyOf(states), block);
    block.entries.push(...more);
  };
  for (const entry of entries) add(entry.states, [entry]);
  const partsOf = (states: ReadonlySet<State>) =>
    roles.map((role) => new Set([...states].filter((state) => state.role === role))).filter(({ size }) => size > 0);
  const shared = [...found].filter(([, { states }]) => states.size < all.length && partsOf(states).length > 1);
  shared.sort(([, a], [, b]) => linesOf(a.entries) - linesOf(b.entries));
  for (const [key, { states, entries: own }] of shared) {
    const parts = partsOf(states);
    const together = linesOfBlock + linesOf(own) + Math.ceil(parts.length / 4);
    const apart = parts.reduce((sum, part) => {
      const other = found.get(keyOf(part));
      const before = other === undefined ? -linesOfBlock : linesOf(other.entries);
      return sum + linesOf([...(other?.entries ?? []), ...own]) - before;
    }, 0);
    if (apart > together) continue;
    found.delete(key);
    for (const part of parts) add(part, own);
  }
  const order = ({ states }: Block): number => {
    if (states.size === all.length) return -2;
    const parts = partsOf(states);
    return parts.length > 1 ? -1 : roles.indexOf([...states][0]!.role);
  };
  return [...found.values()].sort((a, b) => order(a) - order(b) || b.states.size - a.states.size);
}

function linesOf(entries: readonly Entry[]): number {
  const unseen = entries.filter((one) => one.unseen !== undefined);
  const seen = entries.filter((one) => one.unseen === undefined);
  return linesOfRules(seen) + (unseen.length === 0 ? 0 : linesOfRules(unseen) + 1);
}

function linesOfRules(entries: readonly Entry[]): number {
  const free = entries.filter(({ conditions }) => conditions.length === 0);
  const ruled = entries.filter(({ conditions }) => conditions.length > 0);
  const long = ruled.filter(({ conditions }) => conditions.join(" && ").length > 75);
  return (
    Math.ceil(free.length / callsInLine) + ruled.length + long.reduce((sum, one) => sum + one.conditions.length + 2, 0)
  );
}

/** The order of purposes in a list. */
const purposes: readonly (readonly string[])[] = callGroups
  .filter(({ name }) => !["@privileged", "@system-service"].includes(name))
  .map(({ name }) => groups().get(name)!);

/** The words of lists of these calls, each of at most so many characters, with calls of one purpose side by side. */
export function linesOfCalls(
  calls: readonly string[],
  architecture: ArchitectureName,
  most: number,
): readonly string[] {
  const names = wholeGroups.map(({ group }) => group);
  const whole = names.filter((name) => membersOf(name, architecture).every((member) => calls.includes(member)));
  const inGroups = new Set(whole.flatMap((name) => membersOf(name, architecture)));
  const rest = calls.filter((call) => !inGroups.has(call));
  const purposeOf = (call: string) => {
    const index = purposes.findIndex((members) => members.includes(call));
    return index < 0 ? purposes.length : index;
  };
  rest.sort((a, b) => purposeOf(a) - purposeOf(b) || (a < b ? -1 : 1));
  return packed(
    [...whole, ...rest].map((name) => `"${name}"`),
    most,
  );
}
