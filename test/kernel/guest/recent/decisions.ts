/**
 * Compares the model of Landlock's decisions with this kernel, in the machine, as root and as an ordinary user. Bundled and run
 * as `node decisions.cjs DRIVER SEEDS TRIALS`. Prints the numbers of operations and of each kind of answer, in JSON.
 */
import { mkdirSync } from "node:fs";
import { landlockAbi } from "../../../../src/machine/landlock-abi.ts";
import { agreement, asksForWhiteouts } from "../../../native/landlock/agreement.ts";

const [driver, seeds, trials] = process.argv.slice(2) as [string, string, string];
const folder = "/decisions/w";
mkdirSync(folder, { recursive: true });
const place = { driver, folder, privileged: true };
const kinds = { privileged: true, whiteouts: asksForWhiteouts(place), abi: landlockAbi() };
const all = new Map<string, number>();
let operations = 0;
for (const uid of [0, 65_534]) {
  for (const maker of ["model", "launcher"] as const) {
    const found = agreement(place, uid, maker, kinds, Array(Number(seeds)).keys(), Number(trials));
    operations += found.operations;
    for (const [answer, count] of found.counts) all.set(answer, (all.get(answer) ?? 0) + count);
  }
}
console.log(JSON.stringify({ operations, answers: Object.fromEntries(all) }));
