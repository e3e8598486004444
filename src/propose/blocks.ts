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

/**
 * Blocks in the order of the module: every process, several roles, each role with its phases. The rules of several roles are
 * repeated in each of them, or apart from whole roles in each phase, if the module is shorter then.
 *
 * @param linesOf the number of lines that a block has
 */
export function distributed(
  entries: readonly Entry[],
  all: readonly State[],
  roles: readonly Role[],
  linesOf: (block: Block) => number,
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
  const wholeOf = (states: ReadonlySet<State>) => {
    const isWhole = ({ role }: State) => all.every((state) => state.role !== role || states.has(state));
    return new Set([...states].filter(isWhole));
  };
  /** The lines of a block, 0 of none, and a blank line before the first of a role. */
  const linesIn = (part: ReadonlySet<State>, own: readonly Entry[], isFirst: boolean) =>
    own.length === 0 ? 0 : linesOf({ states: part, entries: own }) + (isFirst ? 1 : 0);
  const isAlone = (part: ReadonlySet<State>) => {
    const own = partsOf(part).length > 1 ? undefined : [...part][0]!.role;
    return [...found.values()].every(({ states }) => {
      const parts = partsOf(states);
      return own === undefined ? parts.length < 2 : parts.length > 1 || [...states][0]!.role !== own;
    });
  };
  /** What the rules add to the blocks of these states. */
  const added = (part: ReadonlySet<State>, own: readonly Entry[]) => {
    const other = found.get(keyOf(part))?.entries ?? [];
    return linesIn(part, [...other, ...own], isAlone(part)) - linesIn(part, other, false);
  };
  const linesTogether = ({ states, entries: own }: Block) => linesIn(states, own, false);
  shared.sort(([, a], [, b]) => linesTogether(a) - linesTogether(b));
  for (const [key, block] of shared) {
    const { states, entries: own } = block;
    const whole = wholeOf(states);
    const others = new Set([...states].filter((state) => !whole.has(state)));
    const ways = [partsOf(states), [whole, ...partsOf(others)]].filter((way) => way.every(({ size }) => size > 0));
    found.delete(key);
    const lines = ways.map((way) => way.reduce((sum, part) => sum + added(part, own), 0));
    const least = Math.min(...lines);
    const way = least > linesTogether(block) ? [states] : ways[lines.indexOf(least)]!;
    for (const part of way) add(part, own);
  }
  const order = ({ states }: Block): number => {
    if (states.size === all.length) return -2;
    const parts = partsOf(states);
    return parts.length > 1 ? -1 : roles.indexOf([...states][0]!.role);
  };
  return [...found.values()].sort((a, b) => order(a) - order(b) || b.states.size - a.states.size);
}

/** The role of a block, all processes, or several roles: what a paragraph of the policy is about. */
export function aboutOf({ states }: Block, all: readonly State[]): string {
  const roles = new Set([...states].map(({ role }) => role.name));
  if (states.size === all.length) return "all";
  return roles.size > 1 ? "several" : `role ${[...roles][0]!}`;
}

/** Why the policy allows a call that no recording has. Alternatives belong to the recorded call. */
export function unseenBecause(because: string | undefined): string | undefined {
  return because?.startsWith("as ") === true ? undefined : because;
}

/** `situations memory, threads` */
export function reasonsOf(unseen: readonly string[]): string {
  const names = unseen.map((one) => one.replace(/^situation /, "")).sort();
  return `situation${names.length === 1 ? "" : "s"} ${names.join(", ")}`;
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
