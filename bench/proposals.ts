/**
 * Measures proposals as an administrator makes them: three recordings of a program, `propose` with its defaults, and another
 * load under the policy. Writes the tables of docs/propose.md if all programs are installed (make setup-proposals), or with
 * --only the rows of some.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { batchTools } from "./proposals/batch.ts";
import { furtherServers } from "./proposals/further-servers.ts";
import { knownServers } from "./proposals/known-servers.ts";
import type { Place, Program } from "./proposals/program.ts";
import { makePlace, runWith } from "./proposals/run.ts";
import { untriedServers } from "./proposals/untried-servers.ts";
import { amount, chosen, isSmoke } from "./support/amount.ts";
import { removeWithUs, startWithUs } from "./support/end-with-us.ts";
import { print } from "./support/pairs.ts";
import { freePort } from "./support/port.ts";
import { count, table, tableLine } from "./surface/table.ts";

const bench = "proposals";
const checkout = resolve(".");
const portcullis = join(checkout, "bin/portcullis");
const recordings = amount(3, 1);
/** The number of loads in a recording. */
const times = amount(5, 1);
/** The recordings, policies and events remain in build/proposals. */
const folder = isSmoke ? mkdtempSync(join(tmpdir(), "portcullis-bench-proposals-")) : resolve("build/proposals");
mkdirSync(folder, { recursive: true });

/** Users of the programs' own reach it, the paths of sockets in it are short, and only root can write above it (dropbear). */
const places = process.getuid?.() === 0 ? "/run/portcullis-bench" : mkdtempSync(join(tmpdir(), "portcullis-"));
mkdirSync(places, { recursive: true });
removeWithUs(places);

interface Outcome {
  readonly program: Program;
  readonly calls: number;
  readonly judged: number;
  readonly roles: number;
  readonly lines: number;
  readonly refused: ReadonlyMap<string, number>;
  readonly requests: number;
  readonly failed: readonly string[];
  /** What its roles can do once they serve, of what an attacker wants first. */
  readonly powers: readonly string[];
  /** Calls that `propose` names as missing, with the situation that makes them. */
  readonly named: ReadonlySet<string>;
}

/** The members of `propose --json` that this benchmark reads. */
interface Figures {
  readonly calls: number;
  readonly supervised: number;
  readonly roles: readonly unknown[];
  readonly abilities: readonly { readonly roles: readonly string[]; readonly can: readonly string[] }[];
  readonly unseen: readonly { readonly lacks: readonly string[] }[];
}

/** An HTTP server that is not confined, in a process of its own: commands of the loads block this one. */
const originFolder = mkdtempSync(join(tmpdir(), "portcullis-bench-origin-"));
removeWithUs(originFolder);
mkdirSync(join(originFolder, "list"));
writeFileSync(join(originFolder, "index.html"), "hello\n");
writeFileSync(join(originFolder, "list/a"), "a\n");
writeFileSync(join(originFolder, "large"), "x".repeat(300_000));
const originPort = await freePort();
const origin = startWithUs(["python3", "-m", "http.server", "-b", "127.0.0.1", "-d", originFolder, `${originPort}`], {
  stdio: "ignore",
});

function propose(policy: string, traces: readonly string[]): Figures {
  const ran = spawnSync(portcullis, ["propose", "-q", "--json", "-o", policy, ...traces], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (ran.status !== 0) throw new Error(`propose: ${ran.stderr || ran.stdout.slice(-500)}`);
  return JSON.parse(ran.stdout) as Figures;
}

function refusedIn(events: string): ReadonlyMap<string, number> {
  const refused = new Map<string, number>();
  const lines = existsSync(events) ? readFileSync(events, "utf8").split("\n").filter(Boolean) : [];
  for (const line of lines) {
    const event = JSON.parse(line) as { kind: string; call?: string; count?: number; arguments?: { text: string }[] };
    if (event.kind !== "decision") continue;
    const text = `${event.call}(${(event.arguments ?? []).map((each) => each.text).join(", ")})`;
    refused.set(text, (refused.get(text) ?? 0) + (event.count ?? 1));
  }
  return refused;
}

async function measure(program: Program): Promise<Outcome> {
  const base = join(folder, program.name.replaceAll(" ", "-"));
  rmSync(base, { recursive: true, force: true });
  mkdirSync(base, { recursive: true });
  const place: Place = {
    folder: join(places, program.name.replaceAll(" ", "-")),
    port: await freePort(),
    other: await freePort(),
    origin: originPort,
  };
  const traces = Array.from({ length: recordings }, (_, index) => join(base, `${index + 1}.trace`));
  try {
    for (const trace of traces) {
      makePlace(program, place);
      const { failed } = await runWith(
        [portcullis, "record", "-q", "-o", trace, "--"],
        program,
        place,
        "recorded",
        times,
      );
      if (failed.length > 0) throw new Error(`its recording fails: ${failed.join("; ")}`);
    }
    const policy = join(base, "policy.ts");
    const figures = propose(policy, traces);
    const events = join(base, "events");
    if (program.kind === "server") makePlace(program, place);
    const before = [portcullis, "run", "-q", "-p", policy, "--events", events, "--"];
    const { requests, failed } = await runWith(before, program, place, "later", 1);
    writeFileSync(join(base, "failed"), failed.map((text) => `${text}\n`).join(""));
    return {
      program,
      calls: figures.calls,
      judged: figures.supervised,
      roles: figures.roles.length,
      lines: readFileSync(policy, "utf8").trimEnd().split("\n").length,
      refused: refusedIn(events),
      requests,
      failed,
      powers: powersOf(figures),
      named: new Set(figures.unseen.flatMap(({ lacks }) => lacks)),
    };
  } finally {
    rmSync(place.folder, { recursive: true, force: true });
  }
}

function powersOf({ abilities }: Figures): readonly string[] {
  return ["execute programs", "make executable memory"].flatMap((power) => {
    const roles = abilities.filter(({ can }) => can.includes(power)).flatMap((one) => one.roles);
    return roles.length === 0 ? [] : [`${power} (${roles.join(", ")})`];
  });
}

function isInstalled({ package: name }: Program): boolean {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's placeholder
  return /installed$/.test(spawnSync("dpkg-query", ["-W", "-f=${Status}", name], { encoding: "utf8" }).stdout ?? "");
}

function show({ program: { name }, failed, refused, ...figures }: Outcome): void {
  const row = (what: string, unit: string, ours: number, reference?: number) =>
    print({
      bench,
      case: `${name}: ${what}`,
      unit,
      ours,
      ...(reference === undefined ? {} : { reference }),
      informative: true,
    });
  row("failed", "requests", failed.length, figures.requests);
  row(
    "refused",
    "calls",
    [...refused.values()].reduce((sum, each) => sum + each, 0),
  );
  row("judged by the supervisor", "calls", figures.judged, figures.calls);
  row("roles", "roles", figures.roles);
  row("policy", "lines", figures.lines);
}

const head = [
  "program",
  "recorded calls",
  "judged in 1,000",
  "roles",
  "lines",
  "can, once it serves",
  "refused calls",
  "failed requests",
];

function rowOf(outcome: Outcome): readonly string[] {
  const { program, calls, judged, roles, lines, powers, failed, requests } = outcome;
  return [
    program.name,
    count(calls),
    ((1000 * judged) / calls).toFixed(1),
    `${roles}`,
    `${lines}`,
    powers.join("; ") || "neither",
    refusedText(outcome),
    `${failed.length} of ${requests}`,
  ];
}

/** "2 × dup2*, 1 × openat": the star marks calls that `propose` has named as missing. */
function refusedText({ refused, named }: Outcome): string {
  const counts = new Map<string, number>();
  for (const [text, times] of refused) {
    const [name = ""] = text.split("(");
    counts.set(name, (counts.get(name) ?? 0) + times);
  }
  const texts = [...counts].map(([name, times]) => `${times} × ${name}${named.has(name) ? "*" : ""}`);
  return texts.length === 0 ? "0" : texts.join(", ");
}

const begin = "<!-- npm run bench -- proposals -->";
const end = "<!-- end -->";

/** All programs make the tables anew; some renew their rows. */
function write(sections: readonly (readonly [title: string, outcomes: readonly Outcome[]])[], isAll: boolean): void {
  const file = "docs/propose.md";
  const text = readFileSync(file, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no place for the tables: ${begin} … ${end}`);
  let tables = text.slice(from + begin.length + 1, to);
  if (isAll)
    tables = sections.map(([title, outcomes]) => `${title}:\n\n${table(head, outcomes.map(rowOf))}\n`).join("\n");
  for (const outcome of sections.flatMap(([, outcomes]) => outcomes)) {
    const row = tables.split("\n").find((line) => line.startsWith(`| ${outcome.program.name} |`));
    if (row !== undefined) tables = tables.replace(row, () => tableLine(rowOf(outcome)));
  }
  writeFileSync(file, `${text.slice(0, from)}${begin}\n${tables}${text.slice(to)}`);
}

const smoke = ["memcached", "tar"];
const names = chosen ?? (isSmoke ? smoke : undefined);
const groups = [
  ["Servers", knownServers],
  ["Further servers", furtherServers],
  ["Untried servers", untriedServers],
  ["Tools", batchTools],
] as const;
const results: [string, Outcome[]][] = [];
let complete = true;
for (const [title, programs] of groups) {
  const outcomes: Outcome[] = [];
  for (const program of programs) {
    if (names !== undefined && !names.includes(program.name)) continue;
    if (!isInstalled(program)) {
      complete = false;
      console.error(`${program.name} is not measured: ${program.package} is not installed (make setup-proposals)`);
      continue;
    }
    try {
      const outcome = await measure(program);
      outcomes.push(outcome);
      show(outcome);
    } catch (error) {
      complete = false;
      process.exitCode = 1;
      console.error(`${program.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  results.push([title, outcomes]);
}
origin.kill();
if (isSmoke) rmSync(folder, { recursive: true, force: true });
else if (complete) write(results, names === undefined);
