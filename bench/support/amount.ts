/** How much a benchmark does: all of it, or with `--smoke` just enough to show that it still works; its numbers then say nothing. */
export const isSmoke = process.env["PORTCULLIS_BENCH_SMOKE"] === "1";

/** A count of calls, turns, processes or pairs. */
export const amount = (full: number, smoke: number): number => (isSmoke ? smoke : full);
