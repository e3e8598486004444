/**
 * The data of a report's charts, which is embedded in the page. Its size is bounded, however long the recording is.
 */

/** A process over time. Times are in the unit of `RunCharts.clock` since the start of the run. */
export interface ProcessRow {
  readonly pid: number;
  /** The name of the program that it executed last, or its parent's. */
  readonly name: string;
  /** An index of `RunCharts.processes`; undefined for the command. */
  readonly parent: number | undefined;
  readonly depth: number;
  readonly from: number;
  readonly to: number;
  readonly calls: number;
  readonly threads: number;
  /** The phases one after the other; one without a name where no policy says more. */
  readonly spans: readonly PhaseSpan[];
  readonly executions: readonly { readonly at: number; readonly name: string }[];
}

export interface PhaseSpan {
  readonly phase: string;
  readonly from: number;
  readonly to: number;
}

/** A process enters a phase. */
export interface Moment {
  readonly at: number;
  /** An index of `RunCharts.processes`. */
  readonly process: number;
  readonly phase: string;
  /** The call that did it; undefined where another process's call did. */
  readonly call: string | undefined;
}

export interface HeatMap {
  readonly columns: readonly string[];
  /** Calls. */
  readonly rows: readonly string[];
  /** By row, then column. */
  readonly counts: readonly (readonly number[])[];
  readonly refused: readonly (readonly number[])[];
}

export interface StepSeries {
  readonly name: string;
  /** The text of one point. */
  readonly about: string;
  /** The value from each time on. */
  readonly steps: readonly (readonly [time: number, value: number])[];
}

export interface RunCharts {
  readonly name: string;
  /** `calls`: the recording has no times, and a time is a number of calls. */
  readonly clock: "seconds" | "calls";
  readonly length: number;
  readonly processes: readonly ProcessRow[];
  /** Processes that are counted, and not drawn. */
  readonly undrawn: number;
  readonly phases: readonly string[];
  readonly moments: readonly Moment[];
  readonly heat: HeatMap;
  readonly surface: readonly StepSeries[];
}

/** The element of the page with the `RunCharts` as JSON. */
export const dataElement = "report-data";

/** 1,234,567.8 */
export function grouped(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 12 });
}
