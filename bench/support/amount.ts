/**
 * The amount of work of a benchmark: all of it, or with `--smoke` just enough to show that it works; its numbers are
 * then meaningless.
 */
export const isSmoke = process.env["PORTCULLIS_BENCH_SMOKE"] === "1";

/** A number of calls, turns, processes or pairs. */
export const amount = (full: number, smoke: number): number => (isSmoke ? smoke : full);

/** The folder of --against=FOLDER, another checkout that is built; undefined without it. */
export const other: string | undefined = process.env["PORTCULLIS_BENCH_AGAINST"];

/** The names of --only=NAME,NAME; undefined without it. */
export const chosen: readonly string[] | undefined = process.env["PORTCULLIS_BENCH_ONLY"]?.split(",").filter(Boolean);
