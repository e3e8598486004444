import { campaignSeconds } from "../../src/ir/testing/seeds.ts";

/**
 * How long tests wait before they call something hung, in milliseconds. How fast the machine is decides no test: on one
 * that shares its processors, or inside an emulated one, everything takes many times as long. So a test waits for what it
 * is about, and these bounds only end what would never end by itself. Each holds the ones before it.
 */
export const patience = {
  /** One command, or one condition. */
  command: 600_000,
  /** A test; vitest.config.ts gives it to all. Shrinking what a campaign has found is in it. */
  test: 1_200_000 + campaignSeconds * 1000,
  /** A test machine with all that runs in it, and a test that starts one. */
  machine: 2_400_000,
  machineTest: 2_700_000,
} as const;

/** Waits until `condition` gives something other than undefined and false, and gives that; `what` is said where it never does. */
export async function until<T>(what: string, condition: () => T | Promise<T>): Promise<Exclude<T, undefined | false>> {
  const end = Date.now() + patience.command;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>;
    if (Date.now() > end) throw new Error(`not within ${patience.command / 1000} s: ${what}`);
    await new Promise((wake) => setTimeout(wake, 20));
  }
}
