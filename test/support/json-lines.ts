/** Lines of JSON in a file that another process writes. */
import { existsSync, readFileSync } from "node:fs";

/** The objects of the lines that are whole: the last may lack its end while it is written. Empty if the file does not exist. */
export function jsonLinesSoFar<T = Readonly<Record<string, unknown>>>(file: string): readonly T[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return lines.filter(Boolean).map((line) => JSON.parse(line) as T);
}
