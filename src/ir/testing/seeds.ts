/**
 * Which random inputs a test tries. In the tests they are always the same, so that a commit that passed passes again.
 * New ones are for a campaign: with PORTCULLIS_FUZZ_SECONDS (`make fuzz`) a test goes on for so long, from a seed that is
 * new each time. PORTCULLIS_FUZZ_SEED names the first seed for both.
 */

/** How long a campaign's test goes on; 0 in the tests. */
export const campaignSeconds = Number(process.env["PORTCULLIS_FUZZ_SECONDS"] ?? 0);

export const firstSeed = Number(
  process.env["PORTCULLIS_FUZZ_SEED"] ?? (campaignSeconds > 0 ? Math.floor(Math.random() * 2 ** 30) : 0),
);

/** The first `runs` seeds; in a campaign as many as there is time for. */
export function* seeds(runs: number): Generator<number, void> {
  const end = Date.now() + campaignSeconds * 1000;
  for (let run = 0; campaignSeconds > 0 ? Date.now() < end : run < runs; run++) yield firstSeed + run;
}
