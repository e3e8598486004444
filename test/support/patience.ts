/** Waiting in tests: its bounds, and waiting for a condition. */
import { campaignSeconds } from "../../src/ir/testing/seeds.ts";

/**
 * Time limits after which tests consider a process hung, in milliseconds. On a machine with shared processors, or
 * inside an emulated one, everything takes many times as long. So a test waits for its event, and these limits end only
 * processes that would never end. Each limit includes the previous ones.
 */
export const patience = {
  /** One command, or one condition. */
  command: 600_000,
  /** A test; vitest.config.ts sets it for all. It includes the shrinking of a campaign's finding. */
  test: 1_200_000 + campaignSeconds * 1000,
  /** A test machine from its start, or an output, to the next output; and a test that starts one. */
  machine: 2_400_000,
  machineTest: 2_700_000,
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
