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

/** Until another thread has done what has begun (machine/work.ts). */
export interface WorkWait {
  readonly kind: "work";
}

export type Wait = StepWait | DescriptorWait | WorkWait;

/** The result of `next` or of the work, or the bits of poll(2) of each descriptor. */
export type WaitResult = number | readonly number[];

/** A loop that yields what it waits for, and ends when no task is left under the filter. */
export type WaitingLoop = Generator<Wait, void, WaitResult>;

/** Runs a loop to its end. This thread does nothing else. */
export function runAlone(loop: WaitingLoop): void {
  const { next } = native();
  const resultOf = (wait: Wait): WaitResult => {
    switch (wait.kind) {
      case "step":
        return next(wait.answer, wait.waits, wait.judges);
      case "descriptors":
        return pollFor(wait.descriptors, wait.milliseconds);
      case "work":
        throw new Error("this thread does all work itself");
    }
  };
  for (let state = loop.next(); !state.done; ) state = loop.next(resultOf(state.value));
}
