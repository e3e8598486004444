// Prints the table of `make test-containers`, which runtime ran which case, and the events that the cases expected. The file of
// the first argument has lines that test/containers/cases.ts writes.
import { readFileSync } from "node:fs";

const notes = readFileSync(process.argv[2], "utf8").split("\n").filter(Boolean).map(JSON.parse);
for (const [runtime, kind, event] of notes) if (kind === "event") console.log(`${runtime}: ${event}`);
const outcomes = notes.filter(([, kind]) => kind !== "event");
const runtimes = [...new Set(outcomes.map(([runtime]) => runtime))];
const rows = [...new Set(outcomes.map(([, name]) => name))].map((name) => [
  name,
  ...runtimes.map((runtime) => outcomes.find((note) => note[0] === runtime && note[1] === name)?.[2] ?? "not run"),
]);
for (const row of [["case", ...runtimes], ["---", ...runtimes.map(() => "---")], ...rows])
  console.log(`| ${row.join(" | ")} |`);
