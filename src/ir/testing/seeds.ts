/**
 * Seeds of random tests. By default they are fixed, so that a commit that passed passes again. With
 * PORTCULLIS_FUZZ_SECONDS (`make fuzz`) a test runs that long from a new seed; PORTCULLIS_FUZZ_SEED sets the first seed
 * in both cases.
 */

/** Seconds for each test of a campaign; 0 outside of campaigns. */
export const campaignSeconds = Number(process.env["PORTCULLIS_FUZZ_SECONDS"] ?? 0);

export const firstSeed = Number(
  process.env["PORTCULLIS_FUZZ_SEED"] ?? (campaignSeconds > 0 ? Math.floor(Math.random() * 2 ** 30) : 0),
);

const isLong = (process.env["PORTCULLIS_PARTS"] ?? "").split(",").includes("random");

/** The number of random cases of a test: `all` in the part `random` of test/support/parts.ts, else `usual`. */
export const casesOf = (all: number, usual = Math.ceil(all / 4)): number => (isLong ? all : usual);

/** Yields the first `casesOf(all, usual)` seeds; in a campaign, seeds until the time is over. */
export function* seeds(all: number, usual?: number): Generator<number, void> {
  const end = Date.now() + campaignSeconds * 1000;
  const runs = casesOf(all, usual);
  for (let run = 0; campaignSeconds > 0 ? Date.now() < end : run < runs; run++) yield firstSeed + run;
}
