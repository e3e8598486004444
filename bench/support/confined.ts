/** Runs commands under portcullis and under the C supervisor, and reads the output of the measured program. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const reference = "build/native/reference";

/** The measured program (bench/reference/callers.c). */
export const callers = (calls: number, processes = 1): readonly string[] => [
  `${reference}/callers`,
  `${calls}`,
  `${processes}`,
];

/** Prints the 99th percentile of the calls' times in nanoseconds (bench/reference/latency.c). */
export const latency = (calls: number): readonly string[] => [`${reference}/latency`, `${calls}`];

/** `checkout`: the folder of the portcullis that runs it. */
export const confined = (policy: string, command: readonly string[], checkout = "."): readonly string[] => [
  `${checkout}/bin/portcullis`,
  "run",
  "-q",
  "-p",
  policy,
  "--",
  ...command,
];

export const underC = (command: readonly string[], ...options: readonly string[]): readonly string[] => [
  `${reference}/supervisor`,
  ...options,
  ...command,
];

/** The number that the command printed. */
export function measured([file, ...words]: readonly string[]): number {
  const text = execFileSync(file!, words, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new Error(`${file} printed no number: ${text}`);
  return value;
}

/** The processor time, in nanoseconds, of all processes that `run` starts and ends, to a hundredth of a second. */
export function processorTime(run: () => unknown): number {
  const before = childrensTicks();
  run();
  return (childrensTicks() - before) * 1e7;
}

/** cutime and cstime of proc_pid_stat(5): the time of children that have been waited for, and of their children. */
function childrensTicks(): number {
  const fields = readFileSync("/proc/self/stat", "utf8").replace(/.*\)/s, "").trim().split(" ");
  return Number(fields[13]) + Number(fields[14]);
}

/** Milliseconds until the command has ended, with status 0. Its output is shown only if it fails. */
export function duration([file, ...words]: readonly string[]): number {
  const start = performance.now();
  execFileSync(file!, words, { stdio: ["ignore", "ignore", "pipe"] });
  return performance.now() - start;
}
