/** The evidence for a policy's phase: what the processes do before and after the moment at which they enter it. */
import type { ProcessTally, RunTally } from "./run-tally.ts";

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

const mostEvidence = 40;

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
