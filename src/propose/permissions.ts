/**
 * Permissions: the calls that a process may make, by its role and its phase, with the arguments that it had there. A call
 * that a busy process makes often is allowed in every state with the same rules on its arguments, so that the kernel
 * decides it without a supervisor; a sensitive one is not.
 */
import { frequentCalls } from "./frequent.ts";
import type { History, Occurrences, Segment, Signature } from "./history.ts";
import type { Role, Roles } from "./roles.ts";
import { isSensitive } from "./sensitive.ts";
import { connectionSegments, frequentInServing } from "./serving.ts";
import { choosePhases, findTriggers, isHelper, type Trigger } from "./triggers.ts";

/**
 * none: one list of calls. usual: a later phase drops calls, but keeps frequent ones. strict: it drops those as well.
 * exact: an earlier phase also lacks the calls that only a later one makes.
 */
export const phaseModes = ["none", "usual", "strict", "exact"] as const;
export type PhaseMode = (typeof phaseModes)[number];

/** The phases of a role with one trigger, or two. */
const phaseNames = { 1: ["starting", "running"], 2: ["starting", "preparing", "running"] } as const;
export type PhaseName = (typeof phaseNames)[1 | 2][number];

export interface State {
  readonly role: Role;
  /** Undefined if the role has no phases. */
  readonly phase: PhaseName | undefined;
  /** The ids of the recorded signatures. */
  readonly recorded: ReadonlySet<number>;
  /** Files that were mapped executable; "" for one of an unknown path. */
  readonly mapped: ReadonlySet<string>;
}

/** A recorded call with its arguments, and the states in which the policy allows it. */
export interface Grant {
  readonly signature: Signature;
  readonly states: ReadonlySet<State>;
}

export interface CallUse {
  readonly call: string;
  readonly grants: readonly Grant[];
  readonly count: number;
  /** The number of uses by role. */
  readonly byRole: ReadonlyMap<Role, number>;
  /** Why the policy allows a call that no recording has. */
  readonly because?: string;
  /** Allowed everywhere because it is frequent, unless its arguments are sensitive. */
  readonly isFrequent: boolean;
}

/** The states in which the policy allows the call with some arguments. */
export function statesOf({ grants }: CallUse): ReadonlySet<State> {
  return new Set(grants.flatMap(({ states }) => [...states]));
}

/** Whether the policy judges the call by the role or the phase. */
export function isPartial({ grants }: CallUse, { states: all }: Permissions): boolean {
  return grants.some(({ states }) => states.size < all.length);
}

export interface Permissions {
  readonly states: readonly State[];
  /** The triggers of each role with phases, in order; the first phase has no trigger. */
  readonly triggers: ReadonlyMap<Role, readonly PhaseTrigger[]>;
  /** All examined triggers of each role, the best first. */
  readonly examined: ReadonlyMap<Role, readonly Trigger[]>;
  /** Sorted by name. */
  readonly calls: readonly CallUse[];
  /** The number of calls in serving, by the id of their signature: an upper bound. */
  readonly serving: ReadonlyMap<number, number>;
}

export interface PhaseTrigger {
  readonly phase: PhaseName;
  readonly trigger: Trigger;
}

/** A call with more than this share of the calls of busy processes is frequent, unless its total count is small. */
const frequentShare = 0.001;
const fewCalls = 100;

export function findPermissions(history: History, roles: Roles, mode: PhaseMode): Permissions {
  const triggers = new Map<Role, readonly PhaseTrigger[]>();
  const examined = new Map<Role, readonly Trigger[]>();
  for (const role of mode === "none" ? [] : roles.list) {
    const found = findTriggers(history, roles, role);
    examined.set(role, found);
    const chosen = isHelper(history, role) ? [] : choosePhases(found);
    const names: readonly PhaseName[] = chosen.length === 2 ? phaseNames[2] : phaseNames[1];
    if (chosen.length > 0)
      triggers.set(
        role,
        chosen.map((trigger, index) => ({ phase: names[index + 1]!, trigger })),
      );
  }
  const states = roles.list.flatMap((role) => phasesOf(role, triggers.get(role) ?? []));
  const beginning = (segment: Segment) => beginningOf(segment, roles, triggers);
  const connections = connectionSegments(history);
  const steady = countsBehind(roles, beginning);
  const byName = new Map<string, number>();
  for (const [id, count] of steady) {
    const { call } = history.signatures[id]!;
    byName.set(call, (byName.get(call) ?? 0) + count);
  }
  const total = [...steady.values()].reduce((sum, count) => sum + count, 0);
  // A process that does not reach the trigger serves without it.
  const reached = (segment: Segment) => (Number.isFinite(beginning(segment)) ? beginning(segment) : -1);
  const repeated = frequentInServing(history, roles, connections, reached);
  const isFrequent = (call: string): boolean => {
    if ((mode === "usual" && frequentCalls.has(call)) || repeated.has(call)) return true;
    return (byName.get(call) ?? 0) > Math.max(fewCalls, total * frequentShare);
  };
  const calls = [...usesOf(history, roles)].map(([call, { signatures, byRole }]): CallUse => {
    const lifted = isFrequent(call);
    const count = [...byRole.values()].reduce((sum, one) => sum + one, 0);
    const grants = signatures.map((id): Grant => {
      const signature = history.signatures[id]!;
      const isEverywhere = lifted && !isSensitive(signature);
      const allowed = isEverywhere ? states : states.filter((state) => isAllowed(state, id, states, mode));
      return { signature, states: new Set(allowed) };
    });
    return { call, grants, count, byRole, isFrequent: lifted };
  });
  calls.sort((a, b) => (a.call < b.call ? -1 : 1));
  const serving = countsBehind(roles, (segment) => (connections.has(segment) ? -1 : beginning(segment)));
  return { states, triggers, examined, calls, serving };
}

function phasesOf(role: Role, triggers: readonly PhaseTrigger[]): State[] {
  if (triggers.length === 0) {
    const recorded = new Set(role.segments.flatMap(({ occurrences }) => [...occurrences.keys()]));
    const mapped = new Set(role.segments.flatMap((segment) => [...segment.mapped.keys()]));
    return [{ role, phase: undefined, recorded, mapped }];
  }
  return [phaseNames[1][0], ...triggers.map(({ phase }) => phase)].map((phase, index) => {
    const [recorded, mapped] = [new Set<number>(), new Set<string>()];
    for (const segment of role.segments) {
      const [from, to] = livesIn(segment, triggers, index);
      if (from === undefined) continue;
      for (const [id, occurrences] of segment.occurrences) {
        if (mayLieIn(occurrences, from, to)) recorded.add(id);
      }
      for (const [file, last] of segment.mapped) if (last > from) mapped.add(file);
    }
    return { role, phase, recorded, mapped };
  });
}

/** The positions of a phase: from its trigger to a later one. Undefined if the segment never reaches it. */
function livesIn(
  segment: Segment,
  triggers: readonly PhaseTrigger[],
  index: number,
): readonly [from: number | undefined, to: number] {
  const places = triggers.map(({ trigger }) => trigger.places.get(segment));
  const later = places.slice(index).map((place) => place ?? Number.POSITIVE_INFINITY);
  return [index === 0 ? -1 : places[index - 1], Math.min(Number.POSITIVE_INFINITY, ...later)];
}

/** Whether a call was made behind `from` and not behind `to`; true if the history has no positions. */
function mayLieIn({ count, firsts, last }: Occurrences, from: number, to: number): boolean {
  if (firsts[0]! > to || last <= from) return false;
  if (last <= to || firsts.some((position) => position > from && position <= to)) return true;
  return count > firsts.length && firsts.at(-1)! <= to;
}

/** Except in the mode `exact`, a phase also has the calls of later ones. */
function isAllowed(state: State, id: number, states: readonly State[], mode: PhaseMode): boolean {
  if (state.recorded.has(id)) return true;
  if (mode === "exact") return false;
  const later = states.slice(states.indexOf(state) + 1);
  return later.some(({ role, recorded }) => role === state.role && recorded.has(id));
}

/** The position of the first trigger: −1 if the role has none, infinite if the process does not reach it. */
function beginningOf(
  segment: Segment,
  { roleOf }: Pick<Roles, "roleOf">,
  triggers: ReadonlyMap<Role, readonly PhaseTrigger[]>,
): number {
  const places = triggers.get(roleOf(segment))?.map(({ trigger }) => trigger.places);
  if (places === undefined) return -1;
  return Math.min(...places.map((one) => one.get(segment) ?? Number.POSITIVE_INFINITY));
}

/** An upper bound on the number of calls behind a position of each segment, by signature. */
function countsBehind(roles: Roles, positionOf: (segment: Segment) => number): Map<number, number> {
  const counts = new Map<number, number>();
  for (const role of roles.list) {
    for (const segment of role.segments) {
      const from = positionOf(segment);
      for (const [id, { count, firsts, last }] of segment.occurrences) {
        if (last <= from) continue;
        const before = firsts.filter((position) => position <= from).length;
        counts.set(id, (counts.get(id) ?? 0) + count - before);
      }
    }
  }
  return counts;
}

function usesOf(
  { signatures }: History,
  roles: Roles,
): Map<string, { signatures: number[]; byRole: Map<Role, number> }> {
  const uses = new Map<string, { signatures: number[]; byRole: Map<Role, number> }>();
  const seen = new Set<number>();
  for (const role of roles.list) {
    for (const segment of role.segments) {
      for (const [id, { count }] of segment.occurrences) {
        const { call } = signatures[id]!;
        const use = uses.get(call) ?? { signatures: [] as number[], byRole: new Map<Role, number>() };
        uses.set(call, use);
        if (!seen.has(id)) use.signatures.push(id);
        seen.add(id);
        use.byRole.set(role, (use.byRole.get(role) ?? 0) + count);
      }
    }
  }
  return uses;
}
