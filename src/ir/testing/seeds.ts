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

/** Yields the first `runs` seeds; in a campaign, seeds until the time is over. */
export function* seeds(runs: number): Generator<number, void> {
  const end = Date.now() + campaignSeconds * 1000;
  for (let run = 0; campaignSeconds > 0 ? Date.now() < end : run < runs; run++) yield firstSeed + run;
}
