/** The charts of one run: what is drawn of its counts, within bounds. */
import type { HeatMap, Moment, PhaseSpan, ProcessRow, RunCharts, StepSeries } from "./model.ts";
import type { CallCount, ProcessTally, RunTally } from "./run-tally.ts";

const mostRows = 120;
const mostColumns = 24;
const mostCalls = 60;
const mostMoments = 400;
const mostSteps = 600;

/**
 * @param allowed how many calls of the table may pass in a phase, by the name of the phase; undefined without a policy
 */
export function chartsOf(tally: RunTally, allowed?: ReadonlyMap<string, number>): RunCharts {
  const { name, isTimed, length } = tally;
  const drawn = drawnProcesses(tally);
  const indexes = new Map(drawn.map((process, index) => [process, index]));
  const processes = drawn.map((process) => rowOf(process, indexes, length));
  return {
    ...{ name, clock: isTimed ? "seconds" : "calls", length, processes },
    undrawn: tally.processes.length - drawn.length + tally.uncounted,
    phases: [...new Set(processes.flatMap(({ spans }) => spans.map(({ phase }) => phase)))],
    moments: tally.moments
      .flatMap((one): Moment[] => {
        const process = indexes.get(one.process);
        return process === undefined ? [] : [{ at: one.at, process, phase: one.phase, call: one.call }];
      })
      .slice(0, mostMoments),
    heat: heatOf(tally.processes),
    surface: surfaceOf(tally, allowed),
  };
}

/** Parents before their children; where there are too many, those with most calls and their ancestors. */
function drawnProcesses({ processes }: RunTally): ProcessTally[] {
  const wanted = new Set<ProcessTally>();
  for (const process of [...processes].sort((one, other) => other.calls - one.calls)) {
    const line: ProcessTally[] = [];
    for (let of: ProcessTally | undefined = process; of !== undefined && !wanted.has(of); of = of.parent) line.push(of);
    if (wanted.size + line.length > mostRows) continue;
    for (const one of line) wanted.add(one);
  }
  const children = new Map<ProcessTally | undefined, ProcessTally[]>();
  for (const process of processes) {
    if (!wanted.has(process)) continue;
    const list = children.get(process.parent);
    if (list === undefined) children.set(process.parent, [process]);
    else list.push(process);
  }
  const ordered: ProcessTally[] = [];
  const waiting = [...(children.get(undefined) ?? [])].reverse();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    ordered.push(next);
    waiting.push(...[...(children.get(next) ?? [])].reverse());
  }
  return ordered;
}

function rowOf(process: ProcessTally, indexes: ReadonlyMap<ProcessTally, number>, end: number): ProcessRow {
  const { pid, name, from, calls, threads, parent, executions } = process;
  const to = process.to ?? end;
  let depth = 0;
  for (let of = parent; of !== undefined; of = of.parent) depth++;
  return {
    ...{ pid, name, depth, from, to, calls, threads, executions },
    parent: parent === undefined ? undefined : indexes.get(parent),
    spans: process.spans.map(
      ({ phase, from: start }, index): PhaseSpan => ({ phase, from: start, to: process.spans[index + 1]?.from ?? to }),
    ),
  };
}

/** By process, or by program if there are more processes and phases than columns. */
function heatOf(processes: readonly ProcessTally[]): HeatMap {
  const byProcess = columnsOf(processes, ({ name, pid }) => `${name} ${pid}`.trim());
  const columns = byProcess.size <= mostColumns ? byProcess : columnsOf(processes, ({ name }) => name || "?");
  const names = [...columns.keys()];
  const shown = names.slice(0, mostColumns);
  const totals = new Map<string, CallCount>();
  for (const counts of columns.values()) for (const [call, count] of counts) addTo(totals, call, count);
  // Refused calls come first.
  const calls = [...totals]
    .sort(([one, a], [other, b]) => b.refused - a.refused || b.count - a.count || (one < other ? -1 : 1))
    .map(([call]) => call);
  const rows = calls.slice(0, mostCalls);
  const of = (call: string, value: (count: CallCount) => number) =>
    shown.map((column) => {
      const count = columns.get(column)!.get(call);
      return count === undefined ? 0 : value(count);
    });
  const rest = calls.slice(mostCalls);
  const ofRest = (value: (count: CallCount) => number) =>
    shown.map((column) =>
      rest.reduce((sum, call) => {
        const count = columns.get(column)!.get(call);
        return sum + (count === undefined ? 0 : value(count));
      }, 0),
    );
  const count = ({ count: all }: CallCount) => all;
  const refused = ({ refused: some }: CallCount) => some;
  return {
    columns: shown,
    rows: rest.length === 0 ? rows : [...rows, `${rest.length} other calls`],
    counts: [...rows.map((call) => of(call, count)), ...(rest.length === 0 ? [] : [ofRest(count)])],
    refused: [...rows.map((call) => of(call, refused)), ...(rest.length === 0 ? [] : [ofRest(refused)])],
  };
}

function columnsOf(
  processes: readonly ProcessTally[],
  nameOf: (process: ProcessTally) => string,
): Map<string, Map<string, CallCount>> {
  const columns = new Map<string, Map<string, CallCount>>();
  for (const process of processes) {
    for (const [phase, counts] of process.counts) {
      const name = phase === "" ? nameOf(process) : `${nameOf(process)}, ${phase}`;
      const column = columns.get(name) ?? new Map<string, CallCount>();
      columns.set(name, column);
      for (const [call, count] of counts) addTo(column, call, count);
    }
  }
  return columns;
}

function addTo(into: Map<string, CallCount>, call: string, { count, refused, first, last }: CallCount): void {
  const before = into.get(call);
  if (before === undefined) into.set(call, { count, refused, first, last });
  else {
    before.count += count;
    before.refused += refused;
    before.first = Math.min(before.first, first);
    before.last = Math.max(before.last, last);
  }
}

// ── The attack surface ──────────────────────────────────────────────────────────────────────────────────────────────

function surfaceOf(tally: RunTally, allowed: ReadonlyMap<string, number> | undefined): StepSeries[] {
  const calls = new Map<string, CallCount>();
  for (const process of tally.processes)
    for (const counts of process.counts.values()) for (const [call, count] of counts) addTo(calls, call, count);
  const all = [...calls.values()];
  const series: StepSeries[] = [
    {
      name: "seen",
      about: "different calls that were made up to this time",
      steps: accumulate(
        0,
        all.map(({ first }) => [first, 1]),
      ),
    },
    {
      name: "still made",
      about: "different calls that were made at this time or later",
      steps: accumulate(
        all.length,
        all.map(({ last }) => [last, -1]),
      ),
    },
  ];
  if (allowed !== undefined) series.push(...allowedSeries(tally, allowed));
  return series;
}

/** The living process that may make the most different calls, and the one that may make the fewest. */
function allowedSeries(tally: RunTally, allowed: ReadonlyMap<string, number>): StepSeries[] {
  const changes: [time: number, value: number, delta: number][] = [];
  for (const process of tally.processes) {
    const end = process.to ?? tally.length;
    process.spans.forEach(({ phase, from }, index) => {
      const value = allowed.get(phase);
      if (value === undefined) return;
      changes.push([from, value, 1], [process.spans[index + 1]?.from ?? end, value, -1]);
    });
  }
  changes.sort(([one, , a], [other, , b]) => one - other || b - a);
  const living = new Map<number, number>();
  const most: [number, number][] = [];
  const fewest: [number, number][] = [];
  changes.forEach(([time, value, delta], index) => {
    const count = (living.get(value) ?? 0) + delta;
    if (count === 0) living.delete(value);
    else living.set(value, count);
    // At the end of the recording the processes are said to end one after the other.
    if (changes[index + 1]?.[0] === time || living.size === 0 || time >= tally.length) return;
    most.push([time, Math.max(...living.keys())]);
    fewest.push([time, Math.min(...living.keys())]);
  });
  return [
    {
      name: "may pass, most",
      about: "calls that the policy may let pass in the phase of the process that it allows most",
      steps: bounded(distinct(most)),
    },
    {
      name: "may pass, fewest",
      about: "calls that the policy may let pass in the phase of the process that it allows fewest",
      steps: bounded(distinct(fewest)),
    },
  ];
}

function accumulate(start: number, changes: readonly (readonly [time: number, delta: number])[]): [number, number][] {
  let value = start;
  const steps: [number, number][] = start === 0 ? [] : [[0, start]];
  for (const [time, delta] of [...changes].sort(([one], [other]) => one - other)) {
    value += delta;
    if (steps.at(-1)?.[0] === time) steps.at(-1)![1] = value;
    else steps.push([time, value]);
  }
  return bounded(steps);
}

function distinct(steps: readonly [number, number][]): [number, number][] {
  return steps.filter(([, value], index) => index === 0 || steps[index - 1]![1] !== value);
}

/** Leaves out steps between others, and never the last one. */
function bounded(steps: [number, number][]): [number, number][] {
  if (steps.length <= mostSteps) return steps;
  const each = Math.ceil(steps.length / mostSteps);
  return steps.filter((_, index) => index % each === 0 || index === steps.length - 1);
}
