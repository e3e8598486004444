/**
 * Permissions: which calls a process may make, by its role and its phase. A call that a busy process makes often is
 * allowed in every state in which its arguments are, so that the kernel decides it without a supervisor.
 */
import { withEquivalents } from "./equivalents.ts";
import { frequentCalls } from "./frequent.ts";
import type { History, Signature } from "./history.ts";
import type { Role, Roles } from "./roles.ts";
import { findTriggers, type Trigger, triggerPositions } from "./triggers.ts";

/**
 * none: one list of calls. usual: a later phase drops calls, but none that are frequent. strict: it drops those as well.
 * exact: an earlier phase also lacks the calls that only a later one makes.
 */
export const phaseModes = ["none", "usual", "strict", "exact"] as const;
export type PhaseMode = (typeof phaseModes)[number];

export const phaseNames = ["starting", "running"] as const;

export interface State {
  readonly role: Role;
  /** Undefined if the role has no phases. */
  readonly phase: (typeof phaseNames)[number] | undefined;
  /** The recorded calls, by name. */
  readonly recorded: ReadonlySet<string>;
}

export interface CallUse {
  readonly call: string;
  readonly signatures: readonly Signature[];
  readonly count: number;
  /** How often each role makes it. */
  readonly byRole: ReadonlyMap<Role, number>;
  /** Where the policy allows it. */
  readonly states: ReadonlySet<State>;
  /** Allowed everywhere because it is frequent. */
  readonly isFrequent: boolean;
}

export interface Permissions {
  readonly states: readonly State[];
  /** The trigger of each role with phases. */
  readonly triggers: ReadonlyMap<Role, Trigger>;
  /** All that were examined, for each role, the best first. */
  readonly examined: ReadonlyMap<Role, readonly Trigger[]>;
  /** Sorted by name. */
  readonly calls: readonly CallUse[];
  /** The calls of the recordings that the supervisor would see, in the last phase of each role. */
  readonly supervised: number;
}

/** A call that makes more than this share of the calls of busy processes is frequent, unless it is rare at all. */
const frequentShare = 0.001;
const fewCalls = 100;

/** @param everywhere calls that every state allows if they were recorded at all */
export function findPermissions(
  history: History,
  roles: Roles,
  mode: PhaseMode,
  everywhere: ReadonlySet<string>,
): Permissions {
  const triggers = new Map<Role, Trigger>();
  const examined = new Map<Role, readonly Trigger[]>();
  for (const role of mode === "none" ? [] : roles.list) {
    const found = findTriggers(history, roles, role);
    examined.set(role, found);
    const best = found[0];
    if (best !== undefined && best.refusal === undefined) triggers.set(role, best);
  }
  const states = roles.list.flatMap((role) => statesOf(role, triggers.get(role)));
  const steady = steadyCounts(history, roles, triggers);
  const total = [...steady.values()].reduce((sum, count) => sum + count, 0);
  const isFrequent = (call: string): boolean => {
    if (everywhere.has(call) || (mode === "usual" && frequentCalls.has(call))) return true;
    return (steady.get(call) ?? 0) > Math.max(fewCalls, total * frequentShare);
  };
  const uses = usesOf(history, roles);
  const calls = [...uses].map(([call, { signatures, byRole }]): CallUse => {
    const lifted = states.length > 1 && isFrequent(call);
    const count = [...byRole.values()].reduce((sum, one) => sum + one, 0);
    const allowed = lifted ? states : states.filter((state) => isAllowed(state, call, states, mode));
    const recorded = signatures.map((id) => history.signatures[id]!);
    return { call, signatures: recorded, count, byRole, states: new Set(allowed), isFrequent: lifted };
  });
  const withClone = withEquivalents(calls, history.architecture);
  calls.splice(0, calls.length, ...withClone);
  calls.sort((a, b) => (a.call < b.call ? -1 : 1));
  const partly = calls.filter((use) => use.states.size < states.length);
  const supervised = partly.reduce((sum, { call }) => sum + (steady.get(call) ?? 0), 0);
  return { states, triggers, examined, calls, supervised };
}

function statesOf(role: Role, trigger: Trigger | undefined): State[] {
  if (trigger === undefined) return [{ role, phase: undefined, recorded: role.calls }];
  return [
    { role, phase: phaseNames[0], recorded: trigger.before },
    { role, phase: phaseNames[1], recorded: trigger.after },
  ];
}

/** But in the mode `exact`, a phase also has the calls of later ones. */
function isAllowed(state: State, call: string, states: readonly State[], mode: PhaseMode): boolean {
  if (state.recorded.has(call)) return true;
  if (mode === "exact" || state.phase !== phaseNames[0]) return false;
  return states.some((later) => later.role === state.role && later.recorded.has(call));
}

/** How often calls are made behind the triggers, where a program spends its life. An upper bound. */
function steadyCounts(history: History, roles: Roles, triggers: ReadonlyMap<Role, Trigger>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const role of roles.list) {
    const trigger = triggers.get(role);
    const positions = trigger && triggerPositions(history, roles, role, trigger.predicate);
    for (const segment of role.segments) {
      const from = positions === undefined ? -1 : (positions.get(segment) ?? Number.POSITIVE_INFINITY);
      for (const [id, { count, firsts, last }] of segment.occurrences) {
        if (last <= from) continue;
        const { call } = history.signatures[id]!;
        const before = firsts.filter((position) => position <= from).length;
        counts.set(call, (counts.get(call) ?? 0) + count - before);
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
