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

/** Until the tree's thread has pinned the call. Only among many trees. */
export interface PinWait {
  readonly kind: "pin";
}

export type Wait = StepWait | DescriptorWait | PinWait;

/** The result of `next` or `pinCall`, or the bits of poll(2) of each descriptor. */
export type WaitResult = number | readonly number[];

/** A loop that yields what it waits for, and ends when no task is left under the filter. */
export type WaitingLoop = Generator<Wait, void, WaitResult>;

/** Runs a loop to its end. This thread does nothing else. */
export function runAlone(loop: WaitingLoop): void {
  for (let state = loop.next(); !state.done; ) state = loop.next(resultOf(state.value));
}

function resultOf(wait: Wait): WaitResult {
  switch (wait.kind) {
    case "step":
      return native().next(wait.answer, wait.waits, wait.judges);
    case "descriptors":
      return pollFor(wait.descriptors, wait.milliseconds);
    case "pin":
      throw new Error("this thread pins calls itself");
  }
}
