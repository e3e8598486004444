/** Waiting in tests: its bounds, and waiting for a condition. */
import { campaignSeconds } from "../../src/ir/testing/seeds.ts";

/** Machines with all iterations of their loops, and kernels that check themselves: `make test-kernel-debug`. */
const areSlow = process.env["PORTCULLIS_FULL"] === "1" || process.env["PORTCULLIS_KERNEL"] !== undefined;

/** PORTCULLIS_PATIENCE multiplies the limits: `make test-busy` gives tests a fraction of a processor. */
const factor = Number(process.env["PORTCULLIS_PATIENCE"] ?? 1) * (areSlow ? 2.5 : 1);

/**
 * Time limits after which tests consider a process hung, in milliseconds: some ten times what a test takes on two processors,
 * because a test waits for its event, and these limits end only processes that would never end. Each limit includes the
 * previous ones.
 */
export const patience = {
  /** One command, or one condition. */
  command: 240_000 * factor,
  /** A test; vitest.config.ts sets it for all. It includes the shrinking of a campaign's finding. */
  test: (300_000 + campaignSeconds * 1000) * factor,
  /** A test machine from its start, or an output of its command, to the next output. */
  machine: 600_000 * factor,
  /** A test that starts a machine. */
  machineTest: 900_000 * factor,
  /** A program in a machine that reports each of its cases. */
  machineProgram: 1_800_000 * factor,
} as const;

/**
 * Waits until `condition` returns a value other than undefined and false, and returns it; `what` is for the error
 * message.
 */
export async function until<T>(what: string, condition: () => T | Promise<T>): Promise<Exclude<T, undefined | false>> {
  const end = Date.now() + patience.command;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>;
    if (Date.now() > end) throw new Error(`not within ${patience.command / 1000} s: ${what}`);
    await new Promise((wake) => setTimeout(wake, 20));
  }
}
