/**
 * Branches: processes that are created in the same way and then do different work, such as the workers and the helpers
 * of one master. The call with which some of them begin divides their lives: after it they have a role of their own.
 */
import { creatingCalls, executingCalls } from "../abi/process-calls.ts";
import { frequentCalls } from "./frequent.ts";
import {
  callsWithoutMemory,
  type History,
  mostFirsts,
  type Occurrences,
  type Origin,
  type Segment,
} from "./history.ts";
import { findRoles, processesOf, type Role, type Roles } from "./roles.ts";
import { isSensitive } from "./sensitive.ts";
import { connectionSegments, Repetition } from "./serving.ts";
import { isRare } from "./triggers.ts";

/** The branch is among the first calls of a process; a later call does not show how the process begins. */
const mostEarly = 40;
/**
 * The number of call names that each side must have and the other one lacks. A process with less load than its siblings
 * lacks none.
 */
const fewestOwn = 3;
/** The share of the role's life, in calls or in time. */
const smallestShare = 0.01;
const mostBranches = 4;

const excluded: ReadonlySet<string> = new Set([...creatingCalls, ...executingCalls, ...frequentCalls]);

/** The roles, and the history with one more segment for each process that leaves its role by a branch. */
export function divideRoles(history: History): { readonly history: History; readonly roles: Roles } {
  let [divided, roles] = [history, findRoles(history)];
  const rejected = new Set<string>();
  for (let count = 0; count < mostBranches; ) {
    const best = bestBranch(divided, roles, rejected);
    if (best === undefined) break;
    rejected.add(`${best.role.name} ${best.call}`);
    const next = withBranch(divided, best);
    const after = findRoles(next);
    // Merged roles are almost equal, so their branch is dropped.
    if (after.list.length <= roles.list.length) continue;
    [divided, roles] = [next, after];
    count++;
  }
  return { history: divided, roles };
}

interface Branch {
  readonly role: Role;
  readonly call: string;
  /** The position at which a segment leaves the role: −1 if it began behind the branch. */
  readonly places: ReadonlyMap<Segment, number>;
  readonly gain: number;
  /** The mean of the branch's positions. */
  readonly at: number;
}

function bestBranch(history: History, roles: Roles, rejected: ReadonlySet<string>): Branch | undefined {
  const matches = new Map<string, Repetition>();
  const sensitive = new Set(history.signatures.filter(isSensitive).map(({ call }) => call));
  const connections = connectionSegments(history);
  for (const segment of history.segments) {
    for (const [id, occurrences] of segment.occurrences) {
      const { call } = history.signatures[id]!;
      const repetition = matches.get(call) ?? new Repetition(call, connections);
      matches.set(call, repetition);
      repetition.add(segment, occurrences);
    }
  }
  const found: Branch[] = [];
  const left = leftBy(history);
  const failing = callsWithoutMemory(history);
  for (const role of roles.list) {
    const born = role.segments.filter(
      (segment) => segment.origin.is === "fork" && roles.roleOf(segment.origin.parent) !== role && !left.has(segment),
    );
    if (born.length < 2) continue;
    const calls = new Set(born.flatMap((segment) => namesIn(history, segment)));
    for (const call of calls) {
      const { count, isTooOftenForTrigger } = matches.get(call)!;
      // A sensitive call is judged anyway.
      const isFrequent = excluded.has(call) || failing.has(call) || (isTooOftenForTrigger && !sensitive.has(call));
      if (isFrequent || rejected.has(`${role.name} ${call}`)) continue;
      const branch = examine(history, role, call, born);
      if (branch === undefined) continue;
      const processes = processesOf([...branch.places.keys()]);
      if (isRare({ matches: count, ofCalls: history.calls, processes })) found.push(branch);
    }
  }
  return found.sort((a, b) => b.gain - a.gain || a.at - b.at || (a.call < b.call ? -1 : 1))[0];
}

function examine(history: History, role: Role, call: string, born: readonly Segment[]): Branch | undefined {
  const places = placesOf(history, role, call);
  if (places === undefined) return undefined;
  const leaving = born.filter((segment) => places.has(segment));
  if (leaving.length === 0 || leaving.length === born.length) return undefined;
  if (leaving.some((segment) => places.get(segment)! > mostEarly)) return undefined;
  const having = new Set(leaving.map(({ recording }) => recording));
  if (born.some(({ recording }) => !having.has(recording))) return undefined;

  const [stayers, leavers] = [new Set<string>(), new Set<string>()];
  const [before, after] = [new Set<string>(), new Set<string>()];
  const [all, staying, going] = [life(), life(), life()];
  const left = leftBy(history);
  for (const segment of role.segments) {
    const place = places.get(segment);
    if (left.has(segment)) {
      for (const name of namesIn(history, segment)) before.add(name);
      continue;
    }
    const seconds = segment.seconds ?? 0;
    add(all, segment.calls, seconds);
    if (place === undefined) add(staying, segment.calls, seconds);
    else add(going, segment.calls - place - 1, seconds);
    for (const [id, { firsts, last }] of segment.occurrences) {
      const name = history.signatures[id]!.call;
      (place === undefined ? stayers : leavers).add(name);
      if (place !== undefined && firsts[0]! <= place) before.add(name);
      if (place !== undefined && last > place) after.add(name);
    }
  }
  if (lacking(stayers, leavers) < fewestOwn || lacking(leavers, stayers) < fewestOwn) return undefined;
  const [stays, goes] = [shareOf(staying, all), shareOf(going, all)];
  if (stays < smallestShare || goes < smallestShare) return undefined;
  const rest = new Set([...stayers, ...before]);
  const gain = lacking(role.calls, rest) * stays + lacking(role.calls, after) * goes;
  const at = leaving.reduce((sum, segment) => sum + places.get(segment)!, 0) / leaving.length;
  return { role, call, places, gain, at };
}

/** Undefined if a process with this call has already left the role's beginning by another branch. */
function placesOf({ signatures, segments }: History, role: Role, call: string): Map<Segment, number> | undefined {
  const left = leftBy({ segments });
  const places = new Map<Segment, number>();
  for (const segment of role.segments) {
    const { origin } = segment;
    const from = origin.is === "command" ? undefined : origin.is === "fork" ? origin.parent : origin.before;
    const there = from === undefined ? undefined : places.get(from);
    if (origin.is !== "command" && there !== undefined && there < origin.at) {
      places.set(segment, -1);
      continue;
    }
    let first = Number.POSITIVE_INFINITY;
    for (const [id, { firsts }] of segment.occurrences) {
      if (signatures[id]!.call === call) first = Math.min(first, firsts[0]!);
    }
    if (first === Number.POSITIVE_INFINITY) continue;
    if (left.has(segment)) return undefined;
    places.set(segment, first);
  }
  return places;
}

/** Segments that end with a branch. */
function leftBy({ segments }: Pick<History, "segments">): ReadonlySet<Segment> {
  return new Set(segments.flatMap(({ origin }) => (origin.is === "branch" ? [origin.before] : [])));
}

function namesIn({ signatures }: History, { occurrences }: Segment): string[] {
  return [...occurrences.keys()].map((id) => signatures[id]!.call);
}

/** The number of calls in `some` that `others` lack. */
function lacking(some: ReadonlySet<string>, others: ReadonlySet<string>): number {
  return [...some].filter((one) => !others.has(one)).length;
}

interface Life {
  calls: number;
  seconds: number;
}

function life(): Life {
  return { calls: 0, seconds: 0 };
}

function add(to: Life, calls: number, seconds: number): void {
  to.calls += calls;
  to.seconds += seconds;
}

function shareOf(part: Life, all: Life): number {
  return Math.max(part.calls / Math.max(1, all.calls), all.seconds === 0 ? 0 : part.seconds / all.seconds);
}

// ── The divided history ─────────────────────────────────────────────────────────────────────────────────────────────

/** Divides segments in two where they leave the role. */
function withBranch(history: History, { call, places }: Branch): History {
  const parts = new Map<
    Segment,
    { readonly first: Segment; readonly at: number; readonly second: Segment | undefined }
  >();
  const segments: Segment[] = [];
  /** The part that contains the position, and the position in it. */
  const moved = (of: Segment, position: number): { segment: Segment; at: number } => {
    const { first, at, second } = parts.get(of)!;
    return second === undefined || position <= at
      ? { segment: first, at: position }
      : { segment: second, at: position - at - 1 };
  };
  for (const segment of history.segments) {
    const origin = originIn(segment.origin, moved);
    const at = places.get(segment);
    if (at === undefined || at < 0) {
      const first = { ...segment, origin };
      segments.push(first);
      parts.set(segment, { first, at: segment.calls, second: undefined });
      continue;
    }
    const [first, second] = cut(segment, at, origin, call);
    segments.push(first, second);
    parts.set(segment, { first, at, second });
  }
  return { ...factsOf(history), segments };
}

/** A builder's facts are accessors, and a spread does not copy these. */
export function factsOf(history: History): Omit<History, "segments"> {
  const { architecture, detail, recordings, signatures, examples, vain, refused, calls, executed, evidence, commands } =
    history;
  return {
    architecture,
    detail,
    recordings,
    signatures,
    examples,
    vain,
    refused,
    calls,
    executed,
    evidence,
    commands,
  };
}

function originIn(origin: Origin, moved: (of: Segment, position: number) => { segment: Segment; at: number }): Origin {
  switch (origin.is) {
    case "command":
      return origin;
    case "fork": {
      const { segment: parent, at } = moved(origin.parent, origin.at);
      return { ...origin, parent, at };
    }
    case "exec":
    case "branch": {
      const { segment: before, at } = moved(origin.before, origin.at);
      return { ...origin, before, at };
    }
  }
}

/** If the history has no position of a call, the call is assumed throughout. */
function cut(segment: Segment, at: number, origin: Origin, call: string): [Segment, Segment] {
  const seconds = segment.seconds;
  const [early, late] = [new Map<string, number>(), new Map<string, number>()];
  for (const [file, last] of segment.mapped) {
    if (last <= at) early.set(file, last);
    else late.set(file, last - at - 1);
  }
  const first: Segment = {
    ...{ ...segment, origin, calls: at + 1, seconds: undefined },
    ...{ occurrences: new Map(), mapped: early },
  };
  const second: Segment = {
    ...segment,
    origin: { is: "branch", before: first, at, call },
    calls: segment.calls - at - 1,
    seconds,
    occurrences: new Map(),
    mapped: late,
  };
  for (const [id, occurrences] of segment.occurrences) {
    const { count, firsts, last, firstTime } = occurrences;
    const before = firsts.filter((position) => position <= at);
    const behind = firsts.filter((position) => position > at).map((position) => position - at - 1);
    if (before.length > 0) first.occurrences.set(id, { ...earlier(occurrences, before, at), firstTime });
    if (last <= at) continue;
    const [rest, end] = [count - before.length, last - at - 1];
    const isKnown = behind.length > 0 || rest === 1;
    const known = behind.length > 0 ? behind : [end];
    second.occurrences.set(id, {
      ...{ count: rest, firsts: isKnown ? known : [0], isVague: !isKnown, last: end },
      firstTime: before.length === 0 ? firstTime : undefined,
    });
  }
  return [first, second];
}

function earlier({ count, last }: Occurrences, early: readonly number[], at: number): Omit<Occurrences, "firstTime"> {
  if (last <= at) return { count, firsts: [...early], isVague: false, last };
  const isWhole = early.length < mostFirsts;
  return { count: early.length, firsts: [...early], isVague: false, last: isWhole ? early.at(-1)! : at };
}
