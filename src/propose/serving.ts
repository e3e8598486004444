/**
 * What a program repeats while it serves: calls that a process makes turn after turn of its loop, or that each process
 * makes which was created for one connection. Under load these are made thousands of times a second, even if a recording
 * has few of them.
 */
import { acceptingCalls, type History, type Occurrences, type Origin, type Segment } from "./history.ts";
import type { Role, Roles } from "./roles.ts";

/** One process repeats a call that it makes in as many turns; fewer also begin and end the process. */
const fewestTurns = 3;
/** Processes for one connection that make the call. */
const fewestProcesses = 3;
/** A repeated call is frequent from this share of the calls of its role on, or of its connections. */
const shareOfCalls = 0.001;
const shareOfConnections = 0.1;

/**
 * Segments of processes that a process has created for a connection that it accepted, or their children: whether one of
 * these executes a program, which takes a hundred times as long as a judgement.
 */
type Connections = ReadonlyMap<Segment, "forked" | "executed">;

export function connectionSegments({ segments, signatures }: History): Connections {
  const found = new Map<Segment, "forked" | "executed">();
  const accepts = signatures.filter(({ call }) => acceptingCalls.has(call)).map(({ id }) => id);
  const forks = new Map<Segment, number>();
  for (const { origin } of segments)
    if (origin.is === "fork") forks.set(origin.parent, (forks.get(origin.parent) ?? 0) + 1);
  /** Whether the parent has accepted a connection before, and forks as often as it accepts. */
  const isFor = ({ parent, at }: Origin & { is: "fork" }): boolean => {
    const accepted = accepts.flatMap((id) => parent.occurrences.get(id) ?? []);
    const count = accepted.reduce((sum, one) => sum + one.count, 0);
    return accepted.some(({ firsts }) => firsts[0]! < at) && forks.get(parent)! >= count * shareOfConnections;
  };
  const executing = new Set(segments.flatMap(({ origin, process }) => (origin.is === "exec" ? [process] : [])));
  for (const segment of segments) {
    const { origin, process } = segment;
    if (origin.is === "command") continue;
    const from = found.get(origin.is === "fork" ? origin.parent : origin.before);
    if (from === undefined && !(origin.is === "fork" && isFor(origin))) continue;
    found.set(segment, executing.has(process) ? "executed" : (from ?? "forked"));
  }
  return found;
}

/** How often processes make a call, or some of its arguments. Takes one segment after the other. */
export class Repetition {
  readonly #call: string;
  readonly #connections: Connections;
  #last: { readonly segment: Segment; count: number } | undefined;
  /** The most turns of one segment. */
  #turns = 0;
  count = 0;
  /** The number of processes for connections. */
  processes = 0;

  constructor(call: string, connections: Connections) {
    this.#call = call;
    this.#connections = connections;
  }

  add(segment: Segment, { count }: Occurrences): void {
    this.count += count;
    if (this.#last?.segment !== segment) {
      const isOther = this.#last?.segment.process !== segment.process;
      if (isOther && this.#connections.get(segment) === "forked") this.processes++;
      this.#last = { segment, count: 0 };
    }
    this.#last.count += count;
    this.#turns = Math.max(this.#turns, Math.min(segment.turnsWith.get(this.#call)!.count, this.#last.count));
  }

  get isRepeated(): boolean {
    return this.processes >= fewestProcesses || this.#turns >= fewestTurns;
  }

  /** Whether a supervisor at each would be asked again and again. */
  get isTooOftenForTrigger(): boolean {
    return this.processes > 0 || this.#turns >= fewestTurns;
  }
}

/**
 * The calls that are frequent in some role while it serves, by name.
 *
 * @param beginningOf the position in a segment of the first trigger; only a call that is made behind it is frequent
 */
export function frequentInServing(
  history: History,
  roles: Roles,
  connections: Connections,
  beginningOf: (segment: Segment) => number,
): ReadonlySet<string> {
  return new Set(roles.list.flatMap((role) => frequentIn(role, history, connections, beginningOf)));
}

function frequentIn(
  { segments }: Role,
  { signatures }: History,
  connections: Connections,
  beginningOf: (segment: Segment) => number,
): string[] {
  const byName = new Map<string, Repetition>();
  const processes = new Set<number>();
  let [calls, accepted] = [0, 0];
  for (const segment of segments) {
    const isOfConnection = connections.get(segment) === "forked";
    if (isOfConnection) processes.add(segment.process);
    // All that such a process does is done for each connection. Others serve before their trigger, too, if it is late.
    const from = isOfConnection ? -1 : beginningOf(segment);
    for (const [id, occurrences] of segment.occurrences) {
      const { call } = signatures[id]!;
      if (occurrences.last <= from) continue;
      const repetition = byName.get(call) ?? new Repetition(call, connections);
      byName.set(call, repetition);
      const before = repetition.count;
      repetition.add(segment, occurrences);
      calls += repetition.count - before;
      if (acceptingCalls.has(call)) accepted += repetition.count - before;
    }
  }
  const isFrequent = (one: Repetition) =>
    one.isRepeated &&
    (one.count > calls * shareOfCalls ||
      (accepted > 0 && one.count >= accepted * shareOfConnections) ||
      (processes.size > 0 && one.processes >= processes.size * shareOfConnections));
  return [...byName].filter(([, one]) => isFrequent(one)).map(([call]) => call);
}
