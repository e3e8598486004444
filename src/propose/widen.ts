/** Adds calls to permissions that no recording has: those of a situation, in the roles that can get into it. */
import type { ArchitectureName } from "../abi/architecture.ts";
import { callByName } from "../abi/calls.ts";
import { aspectsOf, type Detail } from "./aspects.ts";
import type { Signature } from "./history.ts";
import type { Grant, Permissions, State } from "./permissions.ts";
import type { Role, Roles } from "./roles.ts";
import { executableMemory, isSensitive } from "./sensitive.ts";
import type { FirstCalls, Situation } from "./situations.ts";

/** Calls, and why they are allowed: a comment of the policy. */
export interface Addition
  extends Pick<Situation, "calls" | "only" | "besides" | "recorded" | "except" | "isInherited"> {
  /** Undefined if every role gets them. */
  readonly first: FirstCalls | undefined;
  readonly because: string;
}

export function widened(
  permissions: Permissions,
  additions: readonly Addition[],
  roles: Pick<Roles, "list" | "children" | "branches">,
  { architecture, detail }: { readonly architecture: ArchitectureName; readonly detail: Detail },
): Permissions {
  const calls = new Map(permissions.calls.map((use) => [use.call, use] as const));
  const recorded = new Set(calls.keys());
  for (const { calls: names, only, besides, recorded: made, except, first, isInherited, because } of additions) {
    const within = first === undefined ? undefined : rolesWithin(permissions, roles, { first, isInherited });
    const states = permissions.states.filter(({ role }) => within?.has(role) !== false);
    if (states.length === 0) continue;
    for (const name of made?.calls ?? []) {
      const use = calls.get(name);
      const inAllPhases = (grant: Grant): Grant =>
        surelyHas(grant.signature, made!.bit) ? { ...grant, states: allPhases(grant.states, states) } : grant;
      if (use !== undefined) calls.set(name, { ...use, grants: use.grants.map(inAllPhases) });
    }
    for (const name of names) {
      const call = callByName(name)!;
      const without = except?.[name] === undefined ? undefined : rolesThatShow(permissions, except[name]);
      const own = states.filter(({ role }) => without?.has(role) !== true);
      if (call.number[architecture] === undefined || own.length === 0) continue;
      const use = calls.get(name) ?? {
        call: name,
        grants: [],
        count: 0,
        byRole: new Map(),
        because,
        isFrequent: false,
      };
      const isExtended = recorded.has(name) && only?.[name] === undefined;
      const grants = isExtended ? use.grants.map((grant) => further(grant, own)) : use.grants;
      const values = only?.[name] ?? (isExtended ? besides?.[name] : undefined);
      const added: Grant[] = [];
      if (!isExtended || values !== undefined) {
        const aspects = aspectsOf(call, detail, architecture);
        const signature = { id: -1, call: name, aspects, values: aspects.map(({ parameter }) => values?.[parameter]) };
        added.push({ signature, states: new Set(own) });
      }
      calls.set(name, { ...use, grants: [...grants, ...added] });
    }
  }
  return { ...permissions, calls: [...calls.values()].sort((a, b) => (a.call < b.call ? -1 : 1)) };
}

/** The roles that made one of the calls with which a situation begins. */
function rolesThatShow({ calls }: Permissions, { calls: names, bit }: FirstCalls): ReadonlySet<Role> {
  const grants = calls.filter(({ call }) => names.includes(call)).flatMap((use) => use.grants);
  const shown = grants.filter(({ signature }) => bit === undefined || mayHave(signature, bit));
  return new Set(
    shown.flatMap(({ signature, states }) =>
      [...states].flatMap(({ role, recorded }) => (recorded.has(signature.id) ? [role] : [])),
    ),
  );
}

/** The roles that get into a situation. */
export function rolesWithin(
  permissions: Permissions,
  roles: Pick<Roles, "list" | "children" | "branches">,
  { first, isInherited }: { readonly first: FirstCalls; readonly isInherited?: true | undefined },
): ReadonlySet<Role> {
  const shown = rolesThatShow(permissions, first);
  return isInherited === true ? withChildren(shown, roles) : shown;
}

/** The roles, those of their children, and those that processes of these enter without an execution. */
function withChildren(
  some: ReadonlySet<Role>,
  { list, children, branches }: Pick<Roles, "list" | "children" | "branches">,
): ReadonlySet<Role> {
  const all = new Set(some);
  // A parent is before its child in the list.
  for (const role of list) {
    if (!all.has(role)) continue;
    const child = children.get(role);
    if (child !== undefined) all.add(child);
    for (const { from, to } of branches) if (from === role) all.add(to);
  }
  return all;
}

function allPhases(made: ReadonlySet<State>, states: readonly State[]): ReadonlySet<State> {
  const roles = new Set([...made].map(({ role }) => role));
  return new Set([...made, ...states.filter(({ role }) => roles.has(role))]);
}

/** The calls of the situation that one phase of a role has and another one lacks. */
export function inSomePhases(
  { calls, states }: Permissions,
  { calls: names, recorded: made }: Situation,
  roles: ReadonlySet<Role>,
): string[] {
  if (made === undefined) return [];
  const own = states.filter(({ role }) => roles.has(role));
  return calls.flatMap(({ call, grants }) => {
    if (names.includes(call))
      return own.every((state) => grants.some((grant) => grant.states.has(state))) ? [] : [call];
    const bound = grants.filter(({ signature }) => made.calls.includes(call) && surelyHas(signature, made.bit));
    return bound.some((grant) => allPhases(grant.states, own).size > grant.states.size) ? [call] : [];
  });
}

function surelyHas({ aspects, values }: Signature, bit = 0n): boolean {
  const value = values[aspects.findIndex((aspect) => aspect.is === "flags" || aspect.is === "field")];
  return typeof value === "bigint" && (value & bit) === bit;
}

/** Whether the flags have the bit, as far as the signature tells. */
function mayHave({ aspects, values }: Signature, bit: bigint): boolean {
  const index = aspects.findIndex((aspect) => aspect.is === "flags" || aspect.is === "field");
  const value = values[index];
  return typeof value !== "bigint" || (value & bit) === bit;
}

/** Executable memory stays where it was made: no situation needs more of it. */
function further(grant: Grant, states: readonly State[]): Grant {
  const { signature } = grant;
  if (executableMemory.includes(signature.call) && isSensitive(signature)) return grant;
  return { signature, states: new Set([...grant.states, ...states]) };
}
