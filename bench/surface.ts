/**
 * Measures the attack surface of six servers, like the paper's table: the calls of each in initialisation and in
 * serving, from recordings of shuffled loads. Writes docs/surface.md.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostArchitecture } from "../src/abi/architecture.ts";
import type { Trace } from "../src/traces/trace.ts";
import { amount, isSmoke } from "./support/amount.ts";
import { print } from "./support/pairs.ts";
import { callsByPhase, columnsOf } from "./surface/columns.ts";
import { documentOf, type Measured, type NotMeasured } from "./surface/document.ts";
import { enforce } from "./surface/enforcement.ts";
import { printRates } from "./surface/print-rates.ts";
import { propose } from "./surface/proposal.ts";
import { record, runsIn } from "./surface/recording.ts";
import { missingPrograms, type Server } from "./surface/server.ts";
import { servers } from "./surface/servers.ts";
import { boundOf } from "./surface/static-bound.ts";

const bench = "surface";
const recordings = amount(5, 1);
/** The number of parts of a load with --smoke. */
const parts = isSmoke ? 3 : undefined;
const architecture = hostArchitecture()!;
/** The recordings remain there, for `portcullis propose` and `portcullis trace`. */
const folder = isSmoke ? mkdtempSync(join(tmpdir(), "portcullis-bench-surface-")) : "build/surface";
if (!isSmoke) rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

function versionOf(name: string): string {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's placeholder
  const query = spawnSync("dpkg-query", ["-W", "-f=${Version}", name], { encoding: "utf8" });
  return query.status === 0 ? query.stdout.trim() : "of another origin";
}

async function measure(server: Server): Promise<Measured> {
  const traces = Array.from({ length: recordings }, (_, index) => join(folder, `${server.name}-${index + 1}.trace`));
  const runs: Trace[] = [];
  let features: readonly string[] = [];
  for (const [index, file] of traces.entries()) {
    features = await record(server, index + 1, file, parts);
    runs.push(...runsIn(file, architecture));
  }
  const byPhase = callsByPhase(runs, server.cut);
  const columns = columnsOf(byPhase);
  const byPaperPhase = callsByPhase(runs, server.paperCut);
  if (byPhase.uncut > 0 && !isSmoke)
    throw new Error(`${server.name}: ${byPhase.uncut} recordings lack the event that begins serving`);
  const { published } = server;
  for (const name of ["init", "serving", "union"] as const) {
    print({
      bench,
      case: `${server.name}: ${name}`,
      unit: "calls",
      ours: columns[name],
      reference: published[name],
      informative: true,
    });
  }
  const reduction = { ours: columns.reduction, reference: published.reduction, informative: true } as const;
  print({ bench, case: `${server.name}: reduction of initialisation`, unit: "%", ...reduction });
  print({
    bench,
    case: `${server.name}: reduction of serving`,
    unit: "%",
    ours: columns.servingReduction,
    informative: true,
  });
  const policy = join(folder, `${server.name}.ts`);
  const proposal = propose(policy, traces);
  const enforcement = await enforce(server, policy, join(folder, `${server.name}.events`), parts);
  const { failed, refused, rates } = enforcement;
  if (!isSmoke)
    print({
      bench,
      case: `${server.name}: refused calls and failed parts of another load`,
      unit: "calls",
      ours: refused.length + failed.length,
      limit: "≤ 0",
    });
  if (rates !== undefined) printRates(bench, server, rates);
  return {
    server,
    version: versionOf(server.packages[0]!),
    features,
    byPhase,
    columns,
    byPaperPhase,
    atPaperCut: columnsOf(byPaperPhase),
    bound: await boundOf(server, byPhase),
    proposal,
    enforcement,
  };
}

const measured: Measured[] = [];
const notMeasured: NotMeasured[] = [];
try {
  for (const server of servers) {
    const missing = missingPrograms(server);
    if (missing.length === 0) {
      measured.push(await measure(server));
      continue;
    }
    const why = `${missing.join(", ")} not installed (Debian: ${server.packages.join(", ")})`;
    notMeasured.push({ server, why });
    print({ bench, case: `${server.name}: ${why}`, unit: "missing programs", ours: missing.length, informative: true });
  }
} finally {
  if (isSmoke) rmSync(folder, { recursive: true, force: true });
}
if (!isSmoke) {
  const kernel = execFileSync("uname", ["-r"], { encoding: "utf8" }).trim();
  writeFileSync("docs/surface.md", documentOf({ measured, notMeasured, architecture, kernel, recordings }));
}
