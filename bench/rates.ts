/**
 * Measures the cost of proposed policies for servers: requests per second under the engine `notify`, against the
 * same server without a filter and under the smallest one. A part of `surface` that takes minutes on its own: by default
 * for three servers, with --only=NAME,NAME for those. Renews their rows in docs/surface.md.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { amount, chosen, isSmoke } from "./support/amount.ts";
import { removeWithUs } from "./support/end-with-us.ts";
import { print } from "./support/pairs.ts";
import { ratesOf } from "./surface/enforcement.ts";
import { printRates } from "./surface/print-rates.ts";
import { propose } from "./surface/proposal.ts";
import { type ServerRates, withRates } from "./surface/rates-table.ts";
import { record } from "./surface/recording.ts";
import { missingForLoad } from "./surface/server.ts";
import { servers } from "./surface/servers.ts";

const bench = "rates";
const recordings = amount(2, 1);
const rounds = amount(8, 1);
const parts = isSmoke ? 3 : undefined;
const wanted = chosen ?? ["httpd", "nginx", "redis"];
const unknown = wanted.filter((one) => !servers.some(({ name }) => name === one));
if (unknown.length > 0) throw new Error(`no such server: ${unknown.join(", ")}`);
const documentFile = "docs/surface.md";

const folder = mkdtempSync(join(tmpdir(), "portcullis-bench-rates-"));
removeWithUs(folder);
const measured: ServerRates[] = [];
try {
  for (const server of servers.filter(({ name }) => wanted.includes(name))) {
    const missing = missingForLoad(server);
    if (missing.length > 0) {
      const what = `${server.name}: ${missing.join(", ")} not installed`;
      print({ bench, case: what, unit: "missing programs", ours: missing.length, informative: true });
      continue;
    }
    const traces = Array.from({ length: recordings }, (_, index) => join(folder, `${server.name}-${index + 1}.trace`));
    for (const [index, file] of traces.entries()) await record(server, index + 1, file, parts);
    const policy = join(folder, `${server.name}.ts`);
    propose(policy, traces);
    const rates = await ratesOf(server, policy, rounds);
    printRates(bench, server, rates);
    measured.push({ server, rates });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (!isSmoke) writeFileSync(documentFile, withRates(readFileSync(documentFile, "utf8"), measured));
