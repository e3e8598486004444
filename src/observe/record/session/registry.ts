/** The recorders, in the order in which `auto` prefers them. */
import { notifierRecorder } from "../notify/recorder.ts";
import type { Recorder, RecorderName } from "../recorder.ts";
import { tracefsRecorder } from "../tracefs/recorder.ts";

const byName: { readonly [N in RecorderName]: Recorder<N> } = {
  tracefs: tracefsRecorder,
  notifier: notifierRecorder,
};

export const recorders: readonly Recorder[] = Object.values(byName);

export type RecorderChoice = "auto" | RecorderName;
export const recorderChoices: readonly RecorderChoice[] = ["auto", ...recorders.map(({ name }) => name)];

export function recorderOf(name: RecorderName): Recorder {
  return byName[name];
}
