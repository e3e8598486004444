/** Makes a policy and a statement for the user from a history. */
import { familiesOf } from "../abi/families.ts";
import { withAlternatives, withWholeGroups } from "./alternatives.ts";
import { divideRoles } from "./branches.ts";
import { withEquivalents } from "./equivalents.ts";
import type { History } from "./history.ts";
import { findPermissions, type Permissions, type PhaseMode } from "./permissions.ts";
import { printPolicy } from "./policy-text.ts";
import type { Role, Roles } from "./roles.ts";
import type { ArgumentRules } from "./rules.ts";
import { type ProgramFiles, withoutSearches } from "./searches.ts";
import { type Situation, type SituationName, situations, usualSituations } from "./situations.ts";
import { type Addition, inSomePhases, rolesWithin, widened } from "./widen.ts";

/** About files, ports and Unix sockets (objects/declarations.ts). */
export interface Declarations {
  /** The lines of the constants, by the names of the settings. */
  readonly constants: ReadonlyMap<string, readonly string[]>;
  readonly statement: readonly string[];
  readonly figures: object;
  /** The paths that they permit to read and to write. */
  readonly both: readonly string[];
}

export interface ProposalOptions {
  readonly phases: PhaseMode;
  readonly with: readonly SituationName[];
  /** The policy's first comment, about its origin. */
  readonly origin: string;
  readonly declarations?: Declarations | undefined;
  /** Without them, no directory is one where an attacker can put a program. */
  readonly files?: ProgramFiles | undefined;
}

export interface Proposal {
  readonly policy: string;
  readonly roles: Roles;
  readonly permissions: Permissions;
  /** Situations that no recording shows, each with its usual calls that the policy lacks. */
  readonly unseen: readonly { readonly situation: Situation; readonly lacks: readonly string[] }[];
  /** The situations of `--with`, and the roles that got their calls. */
  readonly added: readonly { readonly situation: Situation; readonly roles: ReadonlySet<Role> }[];
  /** Directories in which programs were searched in vain, and that not only root can write, by the call. */
  readonly searched: ReadonlyMap<string, ReadonlySet<string>>;
  /** Calls that a trigger counts. */
  readonly counted: ReadonlySet<string>;
  /** Arguments without a rule, by call. */
  readonly open: ReadonlyMap<string, ArgumentRules["open"]>;
  /** The names of the policy's sets of phases (`PolicyText`). */
  readonly variables: ReadonlyMap<Role | undefined, string>;
}

export function propose(recorded: History, options: ProposalOptions): Proposal {
  const isShown = ({ evidence }: Situation) => evidence.some((one) => recorded.evidence.has(one));
  const isAsked = ({ name }: Situation) => options.with.some((one) => one === name);
  const isUsual = ({ name }: Situation) => usualSituations.some((one) => one === name);
  const all: readonly Situation[] = situations;
  const chosen = all.filter((one) => isAsked(one) || (isUsual(one) && !(one.unlessShown === true && isShown(one))));
  const { history: found, searched } = withoutSearches(recorded, options.files);
  const { history, roles } = divideRoles(options.phases === "none" ? withoutProcesses(found) : found);
  const additions: readonly Addition[] = [
    ...chosen.map((one) => ({ ...one, first: one.first, because: `situation ${one.name}` })),
  ];
  const granted = withEquivalents(findPermissions(history, roles, options.phases), history.architecture);
  const permissions = widened(withWholeGroups(withAlternatives(granted, history), history), additions, roles, history);
  const rolesIn = ({ first, isInherited }: Situation): ReadonlySet<Role> =>
    first === undefined ? new Set(roles.list) : rolesWithin(granted, roles, { first, isInherited });
  const added = chosen.filter(isAsked).map((situation) => ({ situation, roles: rolesIn(situation) }));
  const unseen = all
    .filter((one) => !isAsked(one) && !isUsual(one) && !isShown(one) && rolesIn(one).size > 0)
    .map((situation) => {
      const [within, calls]: [ReadonlySet<Role>, readonly string[]] = [rolesIn(situation), situation.calls];
      const has = callsBehindTriggers(permissions, within);
      const missing = calls.filter((call) => !has.has(call) && !hasSibling(call, has));
      const further = inSomePhases(permissions, situation, within).filter((call) => !missing.includes(call));
      return { situation, lacks: [...missing, ...further] };
    })
    .filter(({ lacks }) => lacks.length > 0);
  const about = [options.origin, ...notes(history)];
  const { text, open, variables } = printPolicy({
    ...{ history, roles, permissions, searched, about },
    settings: options.declarations?.constants ?? new Map(),
  });
  const counted = new Set(
    [...permissions.triggers.values()]
      .flat()
      .flatMap(({ trigger: { predicate } }) => (predicate.nth > 1 ? [predicate.call] : [])),
  );
  return { policy: text, roles, permissions, unseen, added, searched, counted, open, variables };
}

/** The calls that each of these roles has in its last phase: a situation comes when the program runs. */
function callsBehindTriggers({ calls, states }: Permissions, roles: ReadonlySet<Role>): ReadonlySet<string> {
  const last = states.filter(({ role }, index) => roles.has(role) && states[index + 1]?.role !== role);
  const inEach = ({ grants }: Permissions["calls"][number]) =>
    last.every((state) => grants.some((grant) => grant.states.has(state)));
  return new Set(calls.filter(inEach).map(({ call }) => call));
}

/** One list of calls for all processes. */
function withoutProcesses(history: History): History {
  const segments = history.segments.map((segment) => ({ ...segment, origin: { is: "command" } as const }));
  return { ...history, segments };
}

/** Families whose members do different things: remove a directory, make a file longer. */
const different: ReadonlySet<string> = new Set(["remove", "truncate"]);

/** A program that uses one call of a family does not need the other. */
function hasSibling(call: string, has: ReadonlySet<string>): boolean {
  return familiesOf(call).some(
    ({ name, members }) => !different.has(name) && members.some((member) => has.has(member)),
  );
}

function notes({ refused }: History): string[] {
  if (refused.size === 0) return [];
  const names = [...refused].map(([name, count]) => `${name} (${count.toLocaleString("en-US")})`);
  return [`The recordings also have calls that no policy lets pass: ${names.join(", ")}.`];
}
