/**
 * Prints the command line's statement about a proposal: its roles, its triggers and their runners-up, and the
 * situations that no recording shows.
 */

import { type Ability, describeAbilities } from "./abilities.ts";
import type { StaticBound } from "./elf/static-bound.ts";
import { describeExecutables, lateExecutables } from "./executable.ts";
import { type History, unseenCalls } from "./history.ts";
import type { JudgedCalls } from "./judged-calls.ts";
import { isPartial, type Permissions, type PhaseTrigger, statesOf } from "./permissions.ts";
import type { Declarations, Proposal } from "./proposal.ts";
import { processesOf, type Role } from "./roles.ts";
import { describeEvent, describePredicate, type Trigger } from "./triggers.ts";

export interface RefusedCall {
  readonly call: string;
  count: number;
  readonly verdict: string;
  readonly reason: string | undefined;
  /** file:line */
  readonly first: string;
  /** The call as text. */
  readonly example: string;
  /** The phases of the process: "role worker". */
  readonly phases: readonly string[];
}

export interface RefusedCalls {
  readonly calls: Map<string, RefusedCall>;
  judged: number;
}

const mostRunnersUp = 5;
const mostJudged = 8;

/** The calls that a static bound adds to the recorded ones. */
export interface BoundComparison {
  readonly bound: StaticBound;
  /** Recorded calls, by name. */
  readonly seen: readonly string[];
  readonly onlyPossible: readonly string[];
  /** Calls by code that the bound did not resolve or did not know. */
  readonly onlySeen: readonly string[];
}

export function compareWithBound(bound: StaticBound, { permissions }: Proposal): BoundComparison {
  const seen = permissions.calls.filter(({ count }) => count > 0).map(({ call }) => call);
  return {
    bound,
    seen,
    onlyPossible: bound.calls.filter((call) => !seen.includes(call) && !unseenCalls.has(call)),
    onlySeen: seen.filter((call) => !bound.calls.includes(call)),
  };
}

/** The files of places. */
const filesOf = (places: readonly string[]): string =>
  [...new Set(places.map((place) => place.replace(/\+0x[0-9a-f]+$/, "")))].join(", ");

function describeBound({ bound, seen, onlyPossible, onlySeen }: BoundComparison): string[] {
  const { calls, files, sites, unresolved, missing, loadsLibraries, executable } = bound;
  const notes = [
    `${unresolved.length} of ${plural(sites, "system call instruction")} have a number that is computed, or not followed`,
    ...(missing.length > 0 ? [`libraries that were not found: ${missing.join(", ")}`] : []),
    ...(loadsLibraries ? ["the program can load further libraries (dlopen)"] : []),
    ...(executable.length > 0
      ? [
          `${plural(executable.length, "call")} of mmap or mprotect can make memory executable (${filesOf(executable)}): code that the program writes there is not in the bound`,
        ]
      : []),
  ];
  return [
    "",
    `static bound of ${files[0]} and ${plural(files.length - 1, "further file")}: ${calls.length} names, ${seen.length} seen`,
    ...notes.map((note) => `  ${note}`),
    `  possible, but never seen: ${onlyPossible.join(", ") || "none"}`,
    `  seen, but not in the bound: ${onlySeen.join(", ") || "none"}`,
  ];
}

/** What there is to say about a proposal. */
interface About {
  readonly history: History;
  readonly proposal: Proposal;
  readonly own: RefusedCalls;
  readonly judged: JudgedCalls;
  readonly comparison: BoundComparison | undefined;
  readonly declarations: Declarations | undefined;
  readonly abilities: readonly Ability[];
  /** By `describeTracing`. */
  readonly tracing: readonly string[];
}

function firstLine({ recordings, calls }: History, { list }: Proposal["roles"]): string {
  const processes = recordings.reduce((sum, recording) => sum + recording.processes, 0);
  return `${plural(recordings.length, "recording")}, ${plural(calls, "call")}, ${plural(processes, "process", "es")}, ${plural(list.length, "role")}`;
}

/** The short form: what an administrator must know before the policy is used. */
export function summaryOf(about: About): string[] {
  const { history, proposal, own, judged, comparison, declarations, abilities, tracing } = about;
  const { roles, permissions } = proposal;
  const lines = [firstLine(history, roles), ...describeRoles(proposal).map((line) => `  ${line}`)];
  lines.push(describeReplay(own));
  for (const refused of own.calls.values()) lines.push(`  ${describeRefused(refused)}`);
  lines.push(describeJudged(judged));
  lines.push("after its start, a process can", ...describeAbilities(abilities).map((line) => `  ${line}`));
  if (lateExecutables(permissions).length > 0) lines.push(...describeExecutables(permissions, declarations?.both));
  lines.push(...tracing, ...describeSearched(proposal));
  if (history.refused.size > 0) lines.push(`no policy lets pass: ${[...history.refused.keys()].join(", ")}`);
  if (declarations !== undefined) lines.push(...declarations.statement);
  if (comparison !== undefined) lines.push(...describeBound(comparison));
  lines.push(...describeAdded(proposal));
  if (proposal.unseen.length > 0) lines.push(describeUnseen(proposal));
  return lines;
}

/** Each role's origin and triggers; those without phases are one line. */
function describeRoles({ roles, permissions }: Proposal): string[] {
  if (roles.list.length === 1 && permissions.triggers.size === 0) return [];
  const plain: string[] = [];
  const lines = roles.list.flatMap((role) => {
    const events = (permissions.triggers.get(role) ?? []).map(
      ({ phase, trigger }) => `${phase} from its ${describeEvent(trigger)} on`,
    );
    if (events.length === 0) {
      plain.push(role.name);
      return [];
    }
    const origin = originOf(roles, role);
    return [`${role.name}: ${[...(origin === "" ? [] : [origin]), ...events].join("; ")}`];
  });
  return plain.length === 0 ? lines : [...lines, `without phases: ${plain.join(", ")}`];
}

function describeUnseen({ unseen }: Proposal): string {
  return `no recording shows: ${unseen.map(({ situation }) => situation.name).join(", ")} (--with NAME allows the usual calls)`;
}

function describeReplay({ calls, judged }: RefusedCalls): string {
  return `replayed over its own traces: ${calls.size === 0 ? `all of ${judged.toLocaleString("en-US")} calls pass` : "some calls do not pass:"}`;
}

function describeAdded({ added }: Proposal): string[] {
  return added.map(({ situation, roles }) => {
    const names = [...roles].map(({ name }) => name).join(", ");
    return `--with ${situation.name}: ${names || `no role, because none has made ${situation.first?.calls.join(" or ")}`}`;
  });
}

/** The programs of a role in the head of a policy, whose steps have all of them. */
const mostPrograms = 4;

/** Paragraphs for the head of the policy, which the compiled policy answers. */
export function aboutOf(proposal: Proposal, abilities: readonly Ability[]): readonly string[] {
  const { roles } = proposal;
  const origins = roles.list.flatMap((role) => {
    const origin = originOf(roles, role, mostPrograms);
    return origin === "" ? [] : [`${role.name} (${origin})`];
  });
  const [first, ...others] = abilities;
  const { can, cannot } = first!;
  const listed = can.length === 0 ? "do none of these: " : `${can.join("; ")}; not: `;
  const inOne = `After its start, the program can ${listed}${cannot.join("; ")}.`;
  return [
    ...(origins.length === 0 ? [] : [`Roles: ${[roles.list[0]!.name, ...origins].join(", ")}.`]),
    ...(others.length === 0 && roles.list.length === 1
      ? [inOne]
      : ["After its start, a process can", ...describeAbilities(abilities).map((line) => `  - ${line}`)]),
    ...(proposal.unseen.length === 0 ? [] : [`${describeUnseen(proposal).replace("no", "No")}.`]),
  ];
}

export const notLeftOut =
  "the recordings are long: no proposal from all but one was tried (--validate leave-one-out tries it)";

const mostLeftOut = 10;

/** The refusals of proposals from all recordings but one in that one: what a further run would show. */
export function leftOutOf({ calls, judged }: RefusedCalls, isWhole: boolean): string[] {
  const about = "each recording, under the policy from the others";
  if (calls.size === 0) return [`${about}: all of ${judged.toLocaleString("en-US")} calls pass`];
  const sorted = [...calls.values()].sort((a, b) => b.count - a.count);
  const count = sorted.reduce((sum, one) => sum + one.count, 0);
  const shown = isWhole ? sorted : sorted.slice(0, mostLeftOut);
  const rest = sorted.length - shown.length;
  return [
    `${about}: ${count.toLocaleString("en-US")} of ${judged.toLocaleString("en-US")} calls would not pass, ${perThousand(count, judged)} in 1,000`,
    ...shown.map((refused) => `  ${describeRefused(refused)}`),
    ...(rest > 0 ? [`  and ${plural(rest, "call name")} more (--verbose)`] : []),
  ];
}

function perThousand(count: number, of: number): string {
  const share = (1000 * count) / of;
  return share < 0.01 ? "less than 0.01" : share.toFixed(share < 1 ? 2 : 1);
}

/** What to do next. */
export function nextOf({ commands }: History, output: string | undefined): string[] {
  const [program = "PROGRAM"] = commands;
  if (output === undefined) return ["--verbose prints the figures"];
  return [`read ${output}; next: portcullis run --audit -p ${output} -- ${program} … (--verbose prints the figures)`];
}

export function statementOf(about: About): string[] {
  const { history, proposal, own, judged, comparison, declarations, abilities, tracing } = about;
  const { roles, permissions, unseen, added } = proposal;
  const lines = [firstLine(history, roles)];
  for (const role of roles.list) lines.push(...describeRole(proposal, role));
  const partly = permissions.calls.filter((use) => isPartial(use, permissions)).length;
  lines.push(
    "",
    `${plural(permissions.calls.length, "call name")}; ${partly} of them depend on the role or the phase`,
    describeJudged(judged),
    ...describeJudgedNames(judged),
    describeReplay(own),
  );
  for (const refused of own.calls.values()) lines.push(`  ${describeRefused(refused)}`);
  lines.push(...describeExecutables(permissions, declarations?.both), ...tracing, ...describeSearched(proposal));
  if (declarations !== undefined) lines.push(...declarations.statement);
  if (comparison !== undefined) lines.push(...describeBound(comparison));
  lines.push("after its start, a process can", ...describeAbilities(abilities).map((line) => `  ${line}`));
  if (added.length > 0) lines.push("", ...describeAdded(proposal));
  if (unseen.length > 0) lines.push("", "No recording shows, as far as its calls tell:");
  for (const { situation, lacks } of unseen) {
    lines.push(`  ${situation.name}: ${situation.about}; the policy lacks ${lacks.join(", ")}`);
  }
  return lines;
}

/** The supervisor's work under the recorded load. */
function describeJudged({ calls, judged, seconds }: JudgedCalls): string {
  const perThousand = figure(calls === 0 ? 0 : (1000 * judged) / calls);
  const perSecond = seconds === undefined || seconds === 0 ? "" : `, ${figure(judged / seconds)} a second as recorded`;
  return `in serving a supervisor (notify) would judge ${perThousand} of 1,000 calls${perSecond}`;
}

/** The most frequent first. */
function describeJudgedNames({ byCall }: JudgedCalls): string[] {
  const list = [...byCall].map(([call, { sensitive, others }]) => ({ call, count: sensitive + others }));
  list.sort((a, b) => b.count - a.count);
  const names = list.slice(0, mostJudged).map(({ call, count }) => `${call} ${count.toLocaleString("en-US")}`);
  return names.length === 0 ? [] : [`  ${names.join(", ")}${list.length > mostJudged ? ", …" : ""}`];
}

/** Two significant digits. */
function figure(value: number): string {
  return (value >= 100 ? Math.round(value) : Number(value.toPrecision(2))).toLocaleString("en-US");
}

function describeRole({ permissions, roles }: Proposal, role: Role): string[] {
  const calls = role.segments.reduce((sum, segment) => sum + segment.calls, 0);
  const origin = originOf(roles, role);
  const lines = [
    "",
    `${role.name}: ${plural(processesOf(role.segments), "process", "es")}, ${plural(calls, "call")}, ${plural(role.calls.size, "name")}${origin === "" ? "" : `; ${origin}`}`,
  ];
  const { chosen, others } = triggersOf(permissions, role);
  if (chosen.length > 0) lines.push(...chosen.map(({ trigger }) => `  trigger: ${describeTrigger(trigger)}`));
  else if (others.length > 0 && others[0]!.refusal === undefined)
    lines.push("  no phases: its processes live for a moment, and serve no connection");
  else if (others.length > 0)
    lines.push("  no trigger: no event is rare, in every recording, and followed by a phase of its own");
  for (const other of others.slice(0, mostRunnersUp)) lines.push(`  or:      ${describeTrigger(other)}`);
  return lines;
}

/** The triggers of a role's phases, and the runners-up, the best first. */
export function triggersOf(
  { triggers, examined }: Permissions,
  role: Role,
): { readonly chosen: readonly PhaseTrigger[]; readonly others: readonly Trigger[] } {
  const chosen = triggers.get(role) ?? [];
  const isChosen = new Set(chosen.map(({ trigger }) => trigger));
  const others = (examined.get(role) ?? []).filter((one) => !isChosen.has(one) && one.dropped.length > 0);
  return { chosen, others };
}

/** "child of main"; empty for the command. */
export function originOf({ children, executions, branches }: Proposal["roles"], role: Role, most = 1000): string {
  const parents = [...children].filter(([, child]) => child === role).map(([parent]) => `child of ${parent.name}`);
  const programs = executions
    .filter(({ to }) => to === role)
    .map(({ from, programs: names }) => {
      const isNamedSo = names.length === 0 || (names.length === 1 && names[0] === role.name);
      const shown = names.slice(0, most).join(", ");
      return `executed by ${from.name}${isNamedSo ? "" : ` (${shown}${names.length > most ? ", …" : ""})`}`;
    });
  const begun = branches
    .filter(({ to }) => to === role)
    .map(({ from, call }) => `${from.name} from its first ${call} on`);
  return [...parents, ...programs, ...begun].join(", ");
}

function describeTrigger(trigger: Trigger): string {
  const { before, after, dropped, processes, ofProcesses, recordings, ofRecordings, matches, ofCalls, refusal } =
    trigger;
  const figures = [
    `${before.size} names before, ${after.size} after, ${dropped.length} dropped`,
    `${processes} of ${plural(ofProcesses, "process", "es")}, ${recordings} of ${plural(ofRecordings, "recording")}`,
    `matches ${share(matches, ofCalls)} of the calls`,
    `${Math.round(trigger.share * 100)} % lies after it`,
    ...(refusal === undefined ? [] : [refusal]),
  ];
  return `${describePredicate(trigger)}: ${figures.join("; ")}`;
}

/** The refusals of the policy in a trace that was not used for the proposal. */
export function validationOf(file: string, { calls, judged }: RefusedCalls): string[] {
  if (calls.size === 0) return [`${file}: all of ${judged.toLocaleString("en-US")} calls pass`];
  const count = [...calls.values()].reduce((sum, one) => sum + one.count, 0);
  return [
    `${file}: ${count.toLocaleString("en-US")} of ${judged.toLocaleString("en-US")} calls would not pass:`,
    ...[...calls.values()].map((refused) => `  ${describeRefused(refused)}`),
  ];
}

function describeRefused({ count, verdict, reason, first, example, phases }: RefusedCall): string {
  const where = phases.length === 0 ? "" : ` (${phases.join(", ")})`;
  return `${count.toLocaleString("en-US")} × ${example}: ${verdict}${reason === undefined ? "" : `, ${reason}`}${where}, first at ${first}`;
}

/** The figures of the statement, for JSON output. */
function describeSearched({ searched }: Proposal): string[] {
  const directories = [...new Set([...searched.values()].flatMap((list) => [...list]))].sort();
  if (directories.length === 0) return [];
  const where = directories.join(", ");
  return [`programs that no recording found do not exist (ENOENT) where not only root can write: ${where}`];
}

export function figuresOf(
  history: History,
  { roles, permissions, unseen, open, searched }: Proposal,
  {
    own,
    judged,
    validations,
    leftOut,
    abilities,
    bound,
    objects,
  }: {
    readonly leftOut: RefusedCalls | undefined;
    readonly abilities: readonly Ability[];
    readonly own: RefusedCalls;
    readonly judged: JudgedCalls;
    readonly validations: readonly { readonly trace: { readonly file: string }; readonly refused: RefusedCalls }[];
    readonly bound: BoundComparison | undefined;
    readonly objects?: object | undefined;
  },
): object {
  const trigger = ({ predicate, example, places: _, before, after, refusal, ...figures }: Trigger) => ({
    call: predicate.call,
    argument: predicate.argument === undefined ? undefined : example.aspects[predicate.argument.index]!.parameter,
    value: predicate.argument === undefined ? undefined : String(predicate.argument.value),
    nth: predicate.nth,
    before: [...before].sort(),
    after: [...after].sort(),
    ...figures,
    refusal,
  });
  const triggerFigures = (role: Role) => {
    const { chosen, others } = triggersOf(permissions, role);
    return {
      hasPhases: chosen.length > 0,
      triggers: [
        ...chosen.map(({ phase, trigger: one }) => ({ ...trigger(one), phase })),
        ...others.slice(0, mostRunnersUp).map(trigger),
      ],
    };
  };
  return {
    v: 1,
    recordings: history.recordings,
    calls: history.calls,
    detail: history.detail,
    roles: roles.list.map((role) => ({
      name: role.name,
      processes: processesOf(role.segments),
      calls: [...role.calls].sort(),
      ...triggerFigures(role),
    })),
    rules: permissions.calls.map((use) => ({
      call: use.call,
      count: use.count,
      frequent: use.isFrequent || undefined,
      allowed: [...statesOf(use)].map(({ role, phase }) => ({ role: role.name, phase })),
    })),
    supervised: judged.judged,
    judged: {
      ...{ calls: judged.calls, seconds: judged.seconds },
      byCall: [...judged.byCall].map(([call, counts]) => ({ call, ...counts })),
    },
    executable: lateExecutables(permissions),
    searched: [...searched].map(([call, directories]) => ({ call, directories: [...directories] })),
    refused: [...history.refused].map(([call, count]) => ({ call, count })),
    withoutRule: [...open].map(([call, list]) => ({ call, arguments: list })),
    unseen: unseen.map(({ situation, lacks }) => ({ situation: situation.name, lacks })),
    bound,
    objects,
    abilities,
    own: [...own.calls.values()],
    leftOut: leftOut && { judged: leftOut.judged, refused: [...leftOut.calls.values()] },
    validations: validations.map(({ trace, refused }) => ({
      file: trace.file,
      judged: refused.judged,
      refused: [...refused.calls.values()],
    })),
  };
}

function share(count: number, of: number): string {
  const percent = of === 0 ? 0 : (100 * count) / of;
  return `${count.toLocaleString("en-US")} (${percent < 0.01 && count > 0 ? "less than 0.01" : percent.toFixed(2)} %)`;
}

function plural(count: number, word: string, ending = "s"): string {
  return `${count.toLocaleString("en-US")} ${word}${count === 1 ? "" : ending}`;
}
