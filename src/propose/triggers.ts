/**
 * Triggers: events in a process's life after which it needs fewer calls. A trigger is a call, a call with a value of
 * one argument or to a socket address, or the second to fourth of such calls. It must be rare, because a supervisor
 * sees each matching call, and every recording must contain it.
 */
import { isCreatingCall } from "../abi/process-calls.ts";
import { jsonText, safeText } from "../diagnostics/width.ts";
import { destinationsOf } from "./addresses.ts";
import { frequentCalls } from "./frequent.ts";
import type { History, Occurrences, Segment, Signature } from "./history.ts";
import { callsWithoutMemory, mostFirsts } from "./history.ts";
import { processesOf, type Role, type Roles } from "./roles.ts";
import { isSensitive } from "./sensitive.ts";
import { connectionSegments, Repetition } from "./serving.ts";

/** The conditions on a call that is a trigger. */
export interface Predicate {
  readonly call: string;
  /** The index of an aspect and its value, for an address a destination's text; undefined for any arguments. */
  readonly argument: { readonly index: number; readonly value: bigint | string } | undefined;
  /** The ordinal of the matching call, from 1. */
  readonly nth: number;
}

export interface Trigger {
  readonly predicate: Predicate;
  readonly example: Signature;
  /** Calls by name. */
  readonly before: ReadonlySet<string>;
  readonly after: ReadonlySet<string>;
  /** Calls of `before` that are never made again. */
  readonly dropped: readonly string[];
  /** The trigger's position by segment: −1 if the segment began behind it. */
  readonly places: ReadonlyMap<Segment, number>;
  /** The number of processes that have it, and of all. */
  readonly processes: number;
  readonly ofProcesses: number;
  /** The number of recordings that have it, and of those with the role. */
  readonly recordings: number;
  readonly ofRecordings: number;
  /** The number of matching calls, and of all: the supervisor sees each match. */
  readonly matches: number;
  readonly ofCalls: number;
  /** Processes make it again and again while they serve, and nothing else demands a judgement. */
  readonly isRepeated: boolean;
  /** The share of the role's calls, or of its time if that is more, that lies after it. */
  readonly share: number;
  readonly score: number;
  /** The reason against it. */
  readonly refusal:
    | "frequent"
    | "not in every recording"
    | "drops too little"
    | "too late"
    | "ends the program"
    | undefined;
}

/** `The first setuid(uid=33)` */
export function describePredicate(trigger: Pick<Trigger, "predicate" | "example">): string {
  return `The ${describeEvent(trigger)}`;
}

/** `first setuid(uid=33)` */
export function describeEvent({ predicate, example }: Pick<Trigger, "predicate" | "example">): string {
  const order = ["first", "second", "third", "fourth"][predicate.nth - 1];
  const { argument } = predicate;
  if (argument === undefined) return `${order} ${predicate.call}`;
  const { parameter } = example.aspects[argument.index]!;
  const isAddress = example.aspects[argument.index]!.is === "address";
  const value =
    typeof argument.value === "bigint" || isAddress ? safeText(String(argument.value)) : jsonText(argument.value);
  return `${order} ${predicate.call}(${parameter}=${value})`;
}

/** A trigger with more than this share of all calls is frequent, unless a process makes it only a few times. */
const mostShare = 0.001;
const fewTimes = 8;
/** A phase that drops fewer calls is not worth a trigger. */
const fewestDropped = 3;
const smallestShare = 0.2;
/** The number of candidates that are examined in full. */
const mostCandidates = 400;
/** The number of the best candidates that are examined in pairs. */
const mostPaired = 100;
/** The score that a further phase must add, relative to the score of the best trigger. */
const leastFurther = 0.25;
/** The share of a role's life that must lie after both: later events come from the load, not from the program. */
const smallestPairShare = 0.5;
/** Calls with which programs, or their parts, end. Only if most of the role's time lies after one does it belong to the start. */
const endingCalls: ReadonlySet<string> = new Set([
  ...["kill", "tgkill", "pidfd_send_signal", "wait4", "waitid", "shutdown", "munmap"],
  ...["unlink", "unlinkat", "rmdir", "fsync", "fdatasync"],
]);
const smallestEndingShare = 0.8;
/** Seconds, and the share of the recording: processes that all live for less are helpers. */
const shortLife = 1;
const shortShare = 0.5;
/** A process that makes one of these serves a connection, however short it lives. */
const connectionCalls: readonly string[] = [
  ...["accept", "accept4", "getpeername", "getsockopt", "setsockopt", "shutdown"],
  ...["recvfrom", "recvmsg", "recvmmsg", "sendto", "sendmsg", "sendmmsg"],
];
/** The number of different values of an argument that can make triggers. */
const mostValues = 64;

/** Whether the processes of the role live so shortly, and without a connection, that phases are not worth their names. */
export function isHelper({ recordings }: History, { segments, calls }: Role): boolean {
  if (connectionCalls.some((call) => calls.has(call))) return false;
  const lives = new Map<number, { seconds: number; most: number }>();
  for (const { process, recording, seconds, calls: count, origin } of segments) {
    const all = recordings[recording]!.seconds;
    if (all === undefined || origin.is === "command") return false;
    const life = lives.get(process) ?? { seconds: 0, most: Math.min(shortLife, all * shortShare) };
    lives.set(process, life);
    // A segment without calls has no time.
    if (seconds === undefined && count > 0) return false;
    life.seconds += seconds ?? 0;
  }
  return [...lives.values()].every(({ seconds, most }) => seconds < most);
}

/** Sorted by score. Those with a refusal are runners-up for the user only. */
export function findTriggers(history: History, roles: Roles, role: Role): Trigger[] {
  const search = new Search(history, roles, role);
  const triggers = search.candidates().map((candidate) => search.examine(candidate));
  return triggers.sort(
    (a, b) =>
      Number(a.refusal !== undefined) - Number(b.refusal !== undefined) ||
      b.score - a.score ||
      plainness(a.predicate) - plainness(b.predicate) ||
      a.matches - b.matches ||
      (a.predicate.call < b.predicate.call ? -1 : 1),
  );
}

function plainness({ argument, nth }: Predicate): number {
  return (argument === undefined ? 0 : 1) + (nth > 1 ? 2 : 0);
}

/**
 * The triggers of a role's phases, in the order in which processes have them: the best one, or the best two if a further
 * phase drops so much more that it is worth its name.
 *
 * @param found sorted by `findTriggers`
 */
export function choosePhases(found: readonly Trigger[]): readonly Trigger[] {
  const usable = found.filter(({ refusal }) => refusal === undefined).slice(0, mostPaired);
  const [best] = usable;
  if (best === undefined) return [];
  let [chosen, most] = [[best], best.score + Math.max(fewestDropped, best.score * leastFurther)];
  for (const first of usable) {
    for (const second of usable) {
      if (second.share < smallestPairShare) continue;
      const further = [...first.after].filter((call) => !second.after.has(call)).length;
      if (further < fewestDropped) continue;
      const score = first.score + further * second.share;
      if (score > most && isBefore(first, second)) [chosen, most] = [[first, second], score];
    }
  }
  return chosen;
}

/** Whether every process that has both has the first before the second. */
function isBefore(first: Trigger, second: Trigger): boolean {
  let common = 0;
  for (const [segment, position] of second.places) {
    const earlier = first.places.get(segment);
    if (earlier === undefined) continue;
    if (earlier > position || (earlier === position && position >= 0)) return false;
    common++;
  }
  return common > 0;
}

interface Place {
  readonly position: number;
  readonly time: number | undefined;
}

/** The occurrences of a candidate in one segment. */
class Sightings {
  count = 0;
  isVague = false;
  firsts: number[] = [];
  firstTime: number | undefined;

  add({ count, firsts, isVague, firstTime }: Occurrences): void {
    this.isVague ||= isVague;
    if (this.firsts.length === 0 || firsts[0]! < this.firsts[0]!) this.firstTime = firstTime;
    this.count += count;
    this.firsts = [...this.firsts, ...firsts].sort((a, b) => a - b).slice(0, mostFirsts);
  }
}

class Search {
  readonly #history: History;
  readonly #role: Role;
  readonly #roles: Roles;
  readonly #all: number;
  readonly #inherits: boolean;
  readonly #matches = new Map<string, Repetition>();
  readonly #sightings = new Map<string, Map<Segment, Sightings>>();
  readonly #predicates = new Map<string, { predicate: Omit<Predicate, "nth">; example: Signature }>();

  constructor(history: History, roles: Roles, role: Role) {
    this.#history = history;
    this.#roles = roles;
    this.#role = role;
    this.#all = history.calls;
    this.#inherits = role.segments.some((segment) => inheritedFrom(segment, roles) !== undefined);
    const values = valueCounts(history);
    const connections = connectionSegments(history);
    const failing = callsWithoutMemory(history);
    for (const segment of history.segments) {
      const isOwn = roles.roleOf(segment) === role;
      for (const [id, occurrences] of segment.occurrences) {
        const signature = history.signatures[id]!;
        if (failing.has(signature.call)) continue;
        for (const { key, predicate } of predicatesOf(signature, values)) {
          const matches = this.#matches.get(key) ?? new Repetition(signature.call, connections);
          this.#matches.set(key, matches);
          matches.add(segment, occurrences);
          if (!isOwn) continue;
          if (!this.#predicates.has(key)) this.#predicates.set(key, { predicate, example: signature });
          const sightings = this.#sightings.get(key) ?? new Map<Segment, Sightings>();
          this.#sightings.set(key, sightings);
          const here = sightings.get(segment) ?? new Sightings();
          here.add(occurrences);
          sightings.set(segment, here);
        }
      }
    }
  }

  candidates(): { key: string; predicate: Predicate; example: Signature }[] {
    const found: { key: string; predicate: Predicate; example: Signature; order: number }[] = [];
    for (const [key, { predicate, example }] of this.#predicates) {
      const sightings = [...this.#sightings.get(key)!.values()];
      if (sightings.some(({ isVague }) => isVague)) continue;
      const order = this.#matches.get(key)!.count;
      found.push({ key, predicate: { ...predicate, nth: 1 }, example, order });
      // A later occurrence is a trigger only if all processes have as many. A child of the same role would inherit the
      // count.
      const { count } = sightings[0]!;
      if (isCreatingCall(predicate.call)) continue;
      const isLast = count > 1 && count <= mostFirsts && sightings.every((one) => one.count === count);
      if (isLast && !this.#inherits) found.push({ key, predicate: { ...predicate, nth: count }, example, order });
    }
    return found.sort((a, b) => a.order - b.order).slice(0, mostCandidates);
  }

  examine({ key, predicate, example }: { key: string; predicate: Predicate; example: Signature }): Trigger {
    const before = new Set<string>();
    const after = new Set<string>();
    const { segments } = this.#role;
    const places = new Map<Segment, Place>();
    const recordings = new Set<number>();
    let [callsAfter, calls, secondsAfter, seconds] = [0, 0, 0, 0];
    for (const segment of segments) {
      const place = this.#placeIn(segment, key, predicate.nth, places);
      calls += segment.calls;
      seconds += segment.seconds ?? 0;
      if (place !== undefined) {
        places.set(segment, place);
        recordings.add(segment.recording);
        callsAfter += segment.calls - place.position - 1;
        if (place.time !== undefined) secondsAfter += (segment.seconds ?? 0) - place.time;
      }
      const position = place?.position ?? Number.POSITIVE_INFINITY;
      for (const [id, { firsts, last }] of segment.occurrences) {
        const { call } = this.#history.signatures[id]!;
        if (firsts[0]! <= position) before.add(call);
        if (last > position) after.add(call);
      }
    }
    const dropped = [...before].filter((call) => !after.has(call)).sort();
    const shareOfCalls = calls === 0 ? 0 : callsAfter / calls;
    const shareOfTime = seconds === 0 ? shareOfCalls : secondsAfter / seconds;
    const share = Math.max(shareOfCalls, seconds === 0 ? 0 : shareOfTime);
    const ofRecordings = new Set(segments.map(({ recording }) => recording)).size;
    const { count: matches, isTooOftenForTrigger } = this.#matches.get(key)!;
    const figures = {
      predicate,
      example,
      before,
      after,
      dropped,
      places: new Map([...places].map(([segment, { position }]) => [segment, position])),
      processes: processesOf([...places.keys()]),
      ofProcesses: processesOf(segments),
      recordings: recordings.size,
      ofRecordings,
      matches,
      // A sensitive call is judged anyway; a later one of a loop depends on the load.
      isRepeated: isTooOftenForTrigger && (predicate.nth > 1 || !isSensitive(example)),
      ofCalls: this.#all,
      share,
      score: dropped.length * share,
    };
    const isEnd = endingCalls.has(predicate.call) && shareOfTime < smallestEndingShare;
    return { ...figures, refusal: refusalOf(figures) ?? (isEnd ? "ends the program" : undefined) };
  }

  /** A child that has its parent's role also has its phase. */
  #placeIn(segment: Segment, key: string, nth: number, places: ReadonlyMap<Segment, Place>): Place | undefined {
    const from = inheritedFrom(segment, this.#roles);
    if (from !== undefined) {
      const there = places.get(from.segment);
      if (there !== undefined && there.position <= from.at) return { position: -1, time: 0 };
    }
    const here = this.#sightings.get(key)?.get(segment);
    const position = here?.firsts[nth - 1];
    if (here === undefined || position === undefined) return undefined;
    return { position, time: nth === 1 ? here.firstTime : undefined };
  }
}

/** The segment whose phase this one continues, and the position at which it does. */
function inheritedFrom(
  segment: Segment,
  roles: Pick<Roles, "roleOf">,
): { readonly segment: Segment; readonly at: number } | undefined {
  const { origin } = segment;
  if (origin.is === "command") return undefined;
  const from = origin.is === "fork" ? origin.parent : origin.before;
  return roles.roleOf(from) === roles.roleOf(segment) ? { segment: from, at: origin.at } : undefined;
}

/** Whether so few calls match that a supervisor at each does not slow the program. */
export function isRare({ matches, ofCalls, processes }: Pick<Trigger, "matches" | "ofCalls" | "processes">): boolean {
  return matches <= ofCalls * mostShare || matches <= fewTimes * processes;
}

type Figures = Omit<Trigger, "refusal">;

function refusalOf(trigger: Figures): Trigger["refusal"] {
  const { predicate, recordings, ofRecordings, dropped, share } = trigger;
  if (!isRare(trigger) || trigger.isRepeated || frequentCalls.has(predicate.call)) return "frequent";
  if (recordings < ofRecordings) return "not in every recording";
  if (share < smallestShare) return "too late";
  if (dropped.length < fewestDropped) return "drops too little";
  return undefined;
}

/** The number of values by call and aspect. */
function valueCounts({ signatures }: History): ReadonlyMap<string, ReadonlySet<unknown>> {
  const values = new Map<string, Set<unknown>>();
  for (const signature of signatures) {
    signature.values.forEach((value, index) => {
      const key = `${signature.call}\0${index}`;
      values.set(key, (values.get(key) ?? new Set()).add(value));
    });
  }
  return values;
}

function predicatesOf(
  { call, values, aspects }: Signature,
  counts: ReadonlyMap<string, ReadonlySet<unknown>>,
): { key: string; predicate: Omit<Predicate, "nth"> }[] {
  const found: { key: string; predicate: Omit<Predicate, "nth"> }[] = [
    { key: call, predicate: { call, argument: undefined } },
  ];
  values.forEach((value, index) => {
    // A trigger on memory makes the engine copy the memory at each call, unless a rule reads it anyway.
    if (value === undefined || value === null || aspects[index]!.is === "field") return;
    const count = counts.get(`${call}\0${index}`)!;
    if (count.size < 2 || count.size > mostValues || count.has(undefined)) return;
    const isAddress = aspects[index]!.is === "address";
    for (const one of isAddress ? destinationsOf(String(value)).map(({ name }) => name) : [value])
      found.push({ key: `${call}\0${index}\0${one}`, predicate: { call, argument: { index, value: one } } });
  });
  return found;
}
