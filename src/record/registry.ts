/** The recorders, in the order in which `auto` prefers them. */
import { notifierRecorder } from "./notify/recorder.ts";
import type { Recorder } from "./recorder.ts";
import { ringRecorder } from "./ring/recorder.ts";
import { tracefsRecorder } from "./tracefs/recorder.ts";

export const recorders = [tracefsRecorder, ringRecorder, notifierRecorder] as const;

export type RecorderName = (typeof recorders)[number]["name"];
export type RecorderChoice = "auto" | RecorderName;
export const recorderChoices = ["auto", ...recorders.map(({ name }) => name)] as const;

export function recorderOf(name: RecorderName): Recorder<RecorderName> {
  return recorders.find((recorder) => recorder.name === name)!;
}
