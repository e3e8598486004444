/**
 * The evidence for a trigger: what the processes do before and after the moment at which they enter a phase; and, in a
 * recording without phases, the moments after which a process makes the fewest different calls.
 */
import type { CallCount, ProcessTally, RunTally } from "./run-tally.ts";

/** Processes that entered a phase from another one by the same call. */
export interface PhaseEvidence {
  readonly former: string;
  readonly phase: string;
  /** Undefined where another process's call did it. */
  readonly call: string | undefined;
  readonly processes: number;
  readonly first: number;
  /** Different calls before only, after only, and both. */
  readonly stopped: readonly string[];
  readonly begun: readonly string[];
  readonly common: readonly string[];
}

/** A first call after which a process makes few different calls. */
export interface Candidate {
  readonly pid: number;
  readonly name: string;
  readonly call: string;
  readonly at: number;
  /** How often the process makes it: a trigger is rare. */
  readonly times: number;
  readonly before: number;
  readonly after: number;
  readonly stopped: readonly string[];
}

const mostEvidence = 40;
const candidatesOfProcess = 3;
const mostProcesses = 4;
/** A call that a process makes more often is no trigger. */
const mostTimes = 50;

export function evidenceOf({ moments }: RunTally): readonly PhaseEvidence[] {
  const groups = new Map<string, { moments: typeof moments; processes: Set<ProcessTally> }>();
  for (const moment of moments) {
    const key = JSON.stringify([moment.former, moment.phase, moment.call]);
    const group = groups.get(key) ?? { moments: [], processes: new Set() };
    groups.set(key, group);
    group.moments.push(moment);
    group.processes.add(moment.process);
  }
  return [...groups.values()].slice(0, mostEvidence).map(({ moments: of, processes }) => {
    const { former, phase, call, at } = of[0]!;
    const before = namesIn(processes, former);
    const after = namesIn(processes, phase);
    return {
      ...{ former, phase, call, processes: processes.size, first: at },
      stopped: [...before].filter((name) => !after.has(name)).sort(),
      begun: [...after].filter((name) => !before.has(name)).sort(),
      common: [...before].filter((name) => after.has(name)).sort(),
    };
  });
}

function namesIn(processes: Iterable<ProcessTally>, phase: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { counts } of processes) for (const name of counts.get(phase)?.keys() ?? []) names.add(name);
  return names;
}

/** The best moments of the processes that make most calls. Without times in the recording, a time is a number of calls. */
export function candidatesOf(tally: RunTally): readonly Candidate[] {
  const busy = [...tally.processes].sort((one, other) => other.calls - one.calls).slice(0, mostProcesses);
  return busy.flatMap((process) => candidatesIn(process, tally.length).slice(0, candidatesOfProcess));
}

function candidatesIn(process: ProcessTally, length: number): readonly Candidate[] {
  const calls = new Map<string, CallCount>();
  for (const counts of process.counts.values()) {
    for (const [name, { count, first, last }] of counts) {
      const known = calls.get(name);
      if (known === undefined) calls.set(name, { count, refused: 0, first, last });
      else
        Object.assign(known, {
          count: known.count + count,
          last: Math.max(known.last, last),
          first: Math.min(known.first, first),
        });
    }
  }
  const life = (process.to ?? length) - process.from;
  const found = [...calls].flatMap(([call, { count, first }]) => {
    if (count > mostTimes) return [];
    const stopped = [...calls].filter(([, { last }]) => last < first).map(([name]) => name);
    const before = [...calls.values()].filter((one) => one.first < first).length;
    // The shorter the rest of its life, the less it says that a process makes few different calls in it.
    const rest = life <= 0 ? 0 : (process.from + life - first) / life;
    const candidate = { pid: process.pid, name: process.name, call, at: first, times: count, before };
    return stopped.length === 0
      ? []
      : [
          {
            candidate: { ...candidate, after: calls.size - stopped.length, stopped: stopped.sort() },
            score: stopped.length * rest,
          },
        ];
  });
  return found
    .filter(({ score }) => score > 0)
    .sort((one, other) => other.score - one.score)
    .map(({ candidate }) => candidate);
}
