// Prints the table of `make test-containers`: which runtime ran which case. The file of the first argument has lines that
// test/containers/cases.ts writes: the runtime, the case and the outcome.
import { readFileSync } from "node:fs";

const notes = readFileSync(process.argv[2], "utf8").split("\n").filter(Boolean).map(JSON.parse);
const runtimes = [...new Set(notes.map(([runtime]) => runtime))];
const rows = [...new Set(notes.map(([, name]) => name))].map((name) => [
  name,
  ...runtimes.map((runtime) => notes.find((note) => note[0] === runtime && note[1] === name)?.[2] ?? "not run"),
]);
for (const row of [["case", ...runtimes], ["---", ...runtimes.map(() => "---")], ...rows])
  console.log(`| ${row.join(" | ")} |`);
