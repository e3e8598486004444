/** What the supervisor's loop waits for, and the driver that waits in the calling thread. */
import { pollFor } from "../../machine/descriptors.ts";
import { native } from "../../machine/native.ts";

/** The operands of `Native.next`. The loop uses one object again and again. */
export interface StepWait {
  readonly kind: "step";
  readonly answer: boolean;
  readonly waits: boolean;
  readonly judges: boolean;
}

/** Until one of the descriptors is readable; negative ones are skipped. */
export interface DescriptorWait {
  readonly kind: "descriptors";
  readonly descriptors: readonly number[];
  readonly milliseconds: number;
}

export type Wait = StepWait | DescriptorWait;

/** The result of `next`, or the bits of poll(2) of each descriptor. */
export type WaitResult = number | readonly number[];

/** A loop that yields what it waits for, and ends when no task is left under the filter. */
export type WaitingLoop = Generator<Wait, void, WaitResult>;

/** Runs a loop to its end. This thread does nothing else. */
export function runAlone(loop: WaitingLoop): void {
  const { next } = native();
  for (let state = loop.next(); !state.done; ) {
    const wait = state.value;
    state = loop.next(
      wait.kind === "step" ? next(wait.answer, wait.waits, wait.judges) : pollFor(wait.descriptors, wait.milliseconds),
    );
  }
}
