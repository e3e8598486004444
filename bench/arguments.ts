/**
 * "Checked arguments are cheap": an allow-list of the arguments that recordings of three servers have, hundreds of lists
 * of values, in three forms: libseccomp's filter, ours, and a policy that remembers checked values. Compares their
 * verdicts, counts the instructions of each recorded call, and measures the servers' rates. Writes a part of
 * docs/internals/checked-arguments.md. With --only=counted it measures no rates, with --only=filters nothing in the machine either.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostArchitecture } from "../src/abi/architecture.ts";
import { type Checked, withChecked } from "./arguments/document.ts";
import { compareVerdicts, formsOf, writeForms } from "./arguments/forms.ts";
import { mixOf } from "./arguments/mix.ts";
import { argumentProfile } from "./arguments/profile.ts";
import {
  type Costs,
  costCommands,
  type FormRates,
  guestVariable,
  hasPatchedKernel,
  ratesInMachine,
  ratesUnder,
} from "./arguments/rates.ts";
import { amount, chosen, isSmoke } from "./support/amount.ts";
import { removeWithUs } from "./support/end-with-us.ts";
import { instructions } from "./support/machine.ts";
import { median, print } from "./support/pairs.ts";
import { record, runsIn } from "./surface/recording.ts";
import { missingForLoad, type Server } from "./surface/server.ts";
import { servers } from "./surface/servers.ts";

const bench = "arguments";
const architecture = hostArchitecture()!;
const lists = amount(700, 50);
const documentFile = "docs/internals/checked-arguments.md";
const measured = servers.filter(({ name }) => ["nginx", "memcached", "redis"].includes(name));
const forms = ["libseccomp", "searching", "remembering"] as const;
const isWanted = (part: "counted" | "rates"): boolean => chosen === undefined || chosen.includes(part);
const usesMachine = !isSmoke && hasPatchedKernel();

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function row(what: string, unit: string, ours: number, reference: number, limit?: string): void {
  const context = limit === undefined ? { informative: true as const } : { limit };
  print({ bench, case: what, unit, ours, reference, ratio: ours / reference, ...context });
}

async function measure(server: Server, folder: string): Promise<Checked> {
  const { name } = server;
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "trace");
  // The generator's load determines the rates.
  await record(server, 1, file, isSmoke ? 2 : undefined, (instance) => void instance.burst());
  const runs = runsIn(file, architecture);
  const { profile, calls, total } = argumentProfile(runs, architecture, lists);
  const all = runs.flatMap(({ events }) => events.filter((event) => event.kind === "call"));
  const made = formsOf(profile);
  writeForms(made, folder);
  const { compared, ...steps } = compareVerdicts(made, all);
  const what = `${name}, ${profile.rules.length} lists`;
  row(`${what}: filter`, "instructions", made.searching.length, made.libseccomp.length, "≤ 1");
  for (const [kind, of] of [
    ["mean over the recorded calls", mean],
    ["median", median],
    ["worst", (values: readonly number[]) => values.reduce((most, value) => Math.max(most, value), 0)],
  ] as const) {
    row(`${what}: ${kind}`, "instructions/call", of(steps.searching), of(steps.libseccomp), "≤ 1");
    row(
      `${what}: ${kind}, remembering against searching`,
      "instructions/call",
      of(steps.remembering),
      of(steps.searching),
    );
  }
  print({ bench, case: `${what}: equal verdicts of all forms`, unit: "calls", ours: compared, informative: true });
  const mix = mixOf(all, architecture);
  writeFileSync(join(folder, "mix"), mix.lines);
  const costs: Costs | undefined =
    usesMachine && isWanted("counted") ? instructions("patched", costCommands(folder)) : undefined;
  if (costs !== undefined)
    for (const form of forms)
      row(
        `${what}: a call of the kernel, ${form}, ${(100 * mix.share).toFixed(0)} % of the calls`,
        "instructions",
        costs[form],
        costs.none,
      );
  return {
    server: name,
    lists: profile.rules.length,
    share: calls.length / total,
    compared,
    mean: meansOf(steps),
    costs,
    ...(await rates(server, folder)),
  };
}

function meansOf(steps: Readonly<Record<(typeof forms)[number], readonly number[]>>): Checked["mean"] {
  return {
    libseccomp: mean(steps.libseccomp),
    searching: mean(steps.searching),
    remembering: mean(steps.remembering),
  };
}

async function rates(server: Server, folder: string): Promise<Pick<Checked, "here" | "inMachine">> {
  if (!isWanted("rates")) return { here: undefined, inMachine: undefined };
  const found = {
    here: await ratesUnder(server, folder, "notify"),
    inMachine: usesMachine ? ratesInMachine(server, folder) : undefined,
  };
  printRates(`${server.name}, notify`, found.here);
  if (found.inMachine !== undefined) printRates(`${server.name} in the machine, seccomp-ebpf`, found.inMachine);
  return found;
}

function printRates(what: string, of: FormRates): void {
  for (const form of forms) {
    const { perSecond, perProcessorSecond } = of[form];
    print({ bench, case: `${what}: ${form}, against no filter`, unit: "requests/s", ...perSecond, informative: true });
    // The kernels of the tests have no CONFIG_SCHED_INFO, and so no processor times.
    if (!Number.isFinite(perProcessorSecond.ratio)) continue;
    const unit = "requests/s of a processor";
    print({ bench, case: `${what}: ${form}: by processor time`, unit, ...perProcessorSecond, informative: true });
  }
}

const guest = process.env[guestVariable]?.split(" ");
if (guest !== undefined) {
  const [name, folder] = guest;
  console.log(JSON.stringify(await ratesUnder(servers.find((one) => one.name === name)!, folder!, "seccomp-ebpf")));
} else {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-bench-arguments-"));
  removeWithUs(folder);
  const checked: Checked[] = [];
  try {
    for (const server of measured) {
      const missing = missingForLoad(server);
      if (missing.length === 0) {
        checked.push(await measure(server, join(folder, server.name)));
        continue;
      }
      const what = `${server.name}: ${missing.join(", ")} not installed`;
      print({ bench, case: what, unit: "missing programs", ours: missing.length, informative: true });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (!isSmoke) writeFileSync(documentFile, withChecked(readFileSync(documentFile, "utf8"), checked));
}
