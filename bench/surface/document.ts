/** Prints docs/surface.md from the measurements. */
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import { allCalls } from "../../src/abi/calls.ts";
import type { StaticBound } from "../../src/propose/elf/static-bound.ts";
import type { Columns, Counts, PhaseCalls } from "./columns.ts";
import type { Enforcement } from "./enforcement.ts";
import { intrusive, isRefused } from "./intrusive.ts";
import { options, type Proposal } from "./proposal.ts";
import { ratesSection } from "./rates-table.ts";
import { reasonFor, reasons } from "./reasons.ts";
import type { Server } from "./server.ts";
import { compareWithBound } from "./static-bound.ts";
import { count, table } from "./table.ts";

export interface Measured {
  readonly server: Server;
  /** The version of the server's package. */
  readonly version: string;
  /** The names of the load's parts. */
  readonly features: readonly string[];
  readonly byPhase: PhaseCalls;
  readonly columns: Columns;
  readonly byPaperPhase: PhaseCalls;
  readonly atPaperCut: Columns;
  /** Undefined if the disassembler is not installed. */
  readonly bound: StaticBound | undefined;
  readonly proposal: Proposal;
  readonly enforcement: Enforcement;
}

export interface NotMeasured {
  readonly server: Server;
  readonly why: string;
}

export interface Report {
  readonly measured: readonly Measured[];
  readonly notMeasured: readonly NotMeasured[];
  readonly architecture: ArchitectureName;
  readonly kernel: string;
  /** The number of recordings of each server. */
  readonly recordings: number;
}

export function documentOf(report: Report): string {
  const { measured, notMeasured } = report;
  return `${[
    "<!-- Written by `npm run bench -- surface`. -->",
    "# The attack surface of six servers",
    introduction(report),
    "## Calls in initialisation and in serving",
    columnsTable(measured, notMeasured),
    "The calls are distinct names. *Initialisation* has the calls of a process before the event that begins serving, *serving* the calls from that event on; children inherit the phase. Programs that a server executes (CGI, PHP, a piped log) are not counted: they need a policy of their own. The reduction of initialisation is 1 − initialisation/union, that of serving 1 − serving/union: the share of calls that a policy with two phases refuses in each, in addition to a filter without phases.",
    boundsTable(measured),
    whyLower(measured),
    "## Where serving begins",
    cutsTable(measured),
    "## Refused calls by phase",
    sharesTable(report),
    intrusionsTable(measured),
    remarks(measured),
    "## Proposed and enforced",
    proposalsTable(measured),
    enforcementTable(measured),
    ratesSection(measured.map(({ server, enforcement }) => ({ server, rates: enforcement.rates }))),
    "## Call by call",
    "The number is how often the recordings have the call; calls in *italics* are also made in serving. *Possible, never recorded* are the calls of the static bound that no recording has: code for conditions that the load does not cause, or code that the server never executes.",
    ...measured.map(callByCall),
    "## The load",
    "Each recording starts the server with a configuration, a folder and loopback ports of its own, puts every part of its load on it once, in an order that follows from the recording's number, and ends it by SIGTERM.",
    ...measured.map(({ server, features }) => `**${server.name}**: ${features.join("; ")}.`),
    limits,
  ]
    .filter((part) => part !== "")
    .join("\n\n")}\n`;
}

function introduction({ kernel, recordings, measured }: Report): string {
  const versions = measured.map(({ server, version }) => `${server.packages[0]} ${version}`).join(", ");
  const calls = measured.reduce((sum, { byPhase }) => sum + byPhase.total, 0);
  return `\`npm run bench -- surface\` measures this table and writes this page; figures vary a little with the machine and the versions. The paper's figures are **analysed**: a static analysis of each server's source finds every call that a phase could reach (Ghavamnia et al., USENIX Security 2020). Ours are **recorded**: the calls in ${recordings} recordings of each server under a published load (\`portcullis record\`), ${count(calls)} calls in all. An analysis includes calls that no run makes; a recording lacks calls that no load caused. The two bound the truth from both sides, and their differences are not of the same kind.

Measured: ${versions}, on Linux ${kernel}.`;
}

function columnsTable(measured: readonly Measured[], notMeasured: readonly NotMeasured[]): string {
  const rows = measured.map(({ server, columns: c }) => {
    const { published: p } = server;
    const pair = (ours: number, paper: number) => `${ours} (${paper})`;
    return [
      server.name,
      pair(c.init, p.init),
      pair(c.serving, p.serving),
      pair(c.common, p.common),
      pair(c.union, p.union),
      `${percent(c.reduction)} (${percent(p.reduction)})`,
      percent(c.servingReduction),
    ];
  });
  const missing = notMeasured.map(({ server, why }) => [
    server.name,
    `not measured: ${why}`,
    "",
    "",
    "",
    `(${percent(server.published.reduction)})`,
    "",
  ]);
  const head = [
    "server",
    "initialisation",
    "serving",
    "common",
    "union",
    "reduction of initialisation",
    "reduction of serving",
  ];
  return `Recorded, with the paper's analysed figures in parentheses:\n\n${table(head, [...rows, ...missing])}`;
}

function boundsTable(measured: readonly Measured[]): string {
  const rows = measured.map(({ server, byPhase, bound }) => {
    if (bound === undefined) return [server.name, "not measured: no disassembler", "", "", "", "", "", ""];
    const { possible, neverRecorded, notInBound, reduction, servingReduction } = compareWithBound(bound, byPhase);
    const [first, ...others] = [
      `${bound.unresolved.length} of ${bound.sites} instructions`,
      ...bound.missing.map((name) => `${name} not found`),
    ];
    return [
      server.name,
      count(bound.files.length),
      `${possible} (${server.published.union})`,
      `${neverRecorded.length}`,
      [notInBound.length, ...notInBound].join(" "),
      [first, ...others].join(", "),
      `${percent(reduction)} (${percent(server.published.reduction)})`,
      percent(servingReduction),
    ];
  });
  const head = [
    "server",
    "files",
    "calls possible",
    "never recorded",
    "recorded, not in the bound",
    "not resolved",
    "reduction of initialisation against it",
    "of serving",
  ];
  return `### The static bound

The static bound has the calls that the code can make, whether or not a run makes them: \`propose --elf\` disassembles the program, its libraries, and the modules that the recordings show it to load. The parentheses have the paper's union and reduction.

${table(head, rows)}

*Not resolved* are system call instructions whose number is computed, or passed in a way that the bound does not follow. The bound lacks their calls, and those of further modules. The code for \`rt_sigreturn\` is reached from a signal's frame only. The reduction compares the recorded calls of a phase with the possible calls: of the calls that one filter for the whole code allows, the share that the phase refuses. The paper compares an analysed phase with an analysed union, so its phases also have calls that no run makes.`;
}

/** Explains each recorded reduction that is less than the paper's. */
function whyLower(measured: readonly Measured[]): string {
  const lower = measured.filter(({ server, columns }) => columns.reduction < server.published.reduction);
  if (lower.length === 0) return "";
  const rows = lower.map(({ server: { name, published }, byPhase, columns: { init, union, reduction }, bound }) => {
    const needed = Math.ceil(init / (1 - published.reduction / 100));
    const against = bound === undefined ? undefined : compareWithBound(bound, byPhase);
    return [
      name,
      `${percent(reduction)} (${percent(published.reduction)})`,
      `${init} (${published.init})`,
      `${union - init} (${published.union - published.init})`,
      percent(100 * (1 - init / published.union)),
      `${needed - union}`,
      ...(against === undefined ? ["", ""] : [`${against.neverRecorded.length}`, percent(against.reduction)]),
    ];
  });
  const head = [
    "server",
    "reduction",
    "initialisation",
    "serving only",
    "our initialisation against the paper's union",
    "more calls in serving only for the paper's reduction",
    "possible, never recorded",
    "reduction against the static bound",
  ];
  return `### Where the reduction is less than the paper's

${table(head, rows)}

The reduction is serving only/union. If the recorded initialisation has about as many calls as the analysed one, the difference comes from the calls that only serving makes: an analysis adds all calls to serving that its call graph cannot exclude, and so divides by a larger union. The fifth column is 1 − our initialisation/the paper's union. The sixth is the number of further calls that only serving would have to make for the paper's reduction, the seventh the number of possible calls that no recording has. The paper prints numbers without calls. [Call by call](#call-by-call) therefore lists, for each server, the calls of initialisation with their reasons, the differences at the paper's cut, the calls that only serving makes, and the possible calls that were never recorded. A further call of the last list raises the reduction if only serving makes it, and lowers it if initialisation makes it, too.`;
}

function cutsTable(measured: readonly Measured[]): string {
  const rows = measured.map(({ server, columns, atPaperCut }) => {
    const { cut, paperCut } = server;
    const event = ({ role, call }: typeof cut) =>
      `${call === undefined ? "the first call" : `\`${call}\``} of ${role === "child" ? "a child" : "the command"}`;
    return [
      server.name,
      `${event(cut)}: ${cut.why}`,
      `${event(paperCut)}: ${paperCut.why}`,
      `${atPaperCut.init}, ${atPaperCut.serving}, ${percent(atPaperCut.reduction)} (${percent(columns.reduction)})`,
    ];
  });
  return `The event is a call that a policy can use as a trigger: rare, and in every recording. The paper cuts at the function that begins serving in the source; the last two columns have the event that is closest to that function, and the figures for it.\n\n${table(["server", "ours", "the paper's", "initialisation, serving and reduction at the paper's (at ours)"], rows)}`;
}

function sharesTable({ measured, architecture }: Report): string {
  const size = allCalls.filter(({ number }) => number[architecture] !== undefined).length;
  const share = (allowed: number) => percent(100 * (1 - allowed / size));
  const rows = measured.map(({ server, columns: { init, serving, union } }) => [
    server.name,
    share(union),
    share(init),
    share(serving),
  ]);
  return `Of the ${size} calls of the ${architecture} table:\n\n${table(["server", "one filter for both", "initialisation", "serving"], rows)}`;
}

function intrusionsTable(measured: readonly Measured[]): string {
  const rows = intrusive.map((name) => [
    name,
    ...measured.map(({ byPhase }) => {
      if (!isRefused(byPhase, "serving", name)) return "allowed";
      return isRefused(byPhase, "init", name) ? "refused, always" : "refused";
    }),
  ]);
  const head = ["calls of intruders", ...measured.map(({ server }) => server.name)];
  return `While a server serves (*always*: initialisation does not need the call either, so a filter without phases also refuses it):\n\n${table(head, rows)}`;
}

function proposalsTable(measured: readonly Measured[]): string {
  const rows = measured.flatMap(({ server, proposal: { names, roles } }) =>
    roles.map(({ name, processes, trigger, allowed }, index) => [
      index === 0 ? `${server.name}, ${names} calls` : "",
      name,
      count(processes),
      trigger ?? "none",
      allowed.map(({ phase, calls }) => `${phase} ${calls} (${percent(100 * (1 - calls / names))})`).join(", "),
    ]),
  );
  const words = options.join(" ");
  return `\`portcullis propose ${words}\` makes a policy of the recordings. It finds the roles of the processes and the event that changes a role's phase by itself. The later phase lacks the calls that only the earlier one made; frequent calls remain allowed, so that no supervisor judges them, and programs that the server executes are roles of their own. (With \`--phases exact\` the earlier phase also lacks the calls that only the later one made, as in the first table; a supervisor then judges calls of a serving server.) The parentheses have the share of the policy's calls that the phase refuses.\n\n${table(["server", "role", "processes", "event that ends its first phase", "calls allowed"], rows)}`;
}

function enforcementTable(measured: readonly Measured[]): string {
  const rows = measured.map(({ server, proposal, enforcement: { failed, refused, fallbacks } }) => [
    server.name,
    [refused.length, ...refused].join("; "),
    [failed.length, ...failed].join("; "),
    count(fallbacks),
    percent(100 * proposal.supervised),
  ]);
  const head = ["server", "calls refused", "parts of the load that failed", "io_uring refused", "supervised"];
  return `The policy enforced by the engine \`notify\` under a load in another order, with other names and sizes. *Supervised* is the share of the recorded calls that the supervisor would judge in serving. io_uring is refused before any policy is evaluated, and the server does without.\n\n${table(head, rows)}`;
}

function remarks(measured: readonly Measured[]): string {
  const lines = measured.flatMap(({ server }) => (server.remarks ?? []).map((text) => `- ${server.name}: ${text}`));
  return lines.join("\n");
}

function callByCall({ server, byPhase, byPaperPhase, bound }: Measured): string {
  const { init, serving } = byPhase.calls;
  const only = [...serving.keys()].filter((name) => !init.has(name));
  const parts = [
    `### ${server.name}`,
    "Initialisation:",
    byReason([...init.keys()], (names) => listed(init, names, (name) => serving.has(name))),
    `Serving only (${only.length}): ${listed(serving, only, () => false)}`,
    atTheirCut(init, byPaperPhase.calls.init),
  ];
  if (bound !== undefined) {
    const { neverRecorded } = compareWithBound(bound, byPhase);
    parts.push(
      `Possible, never recorded (${neverRecorded.length}):`,
      byReason(neverRecorded, (names) => names.join(", ")),
    );
  }
  return parts.filter((part) => part !== "").join("\n\n");
}

function byReason(calls: readonly string[], text: (names: readonly string[]) => string): string {
  const lines = reasons.flatMap((reason) => {
    const names = calls.filter((name) => reasonFor(name) === reason);
    return names.length === 0 ? [] : [`- ${reason} (${names.length}): ${text(names)}`];
  });
  return lines.join("\n");
}

/** The calls of initialisation that the paper's cut removes or adds. */
function atTheirCut(ours: Counts, theirs: Counts): string {
  const without = (from: Counts, other: Counts) => [...from.keys()].filter((name) => !other.has(name)).sort();
  const [gone, added] = [without(ours, theirs), without(theirs, ours)];
  const parts = [
    ...(gone.length > 0 ? [`without ${gone.join(", ")}`] : []),
    ...(added.length > 0 ? [`with ${added.join(", ")}`] : []),
  ];
  return parts.length === 0 ? "" : `At the paper's cut, initialisation is ${parts.join("; and ")}.`;
}

function listed(counts: Counts, names: readonly string[], isShared: (name: string) => boolean): string {
  const one = (name: string) => `${isShared(name) ? `*${name}*` : name} ${count(counts.get(name)!)}`;
  return [...names].sort().map(one).join(", ");
}

const limits = `## Limits of these figures

- A call that no part of the load causes is not in the table: running out of memory or descriptors, signals that no load sends, crash handlers, other modules and other configurations. A policy for production is proposed from recordings of that production.
- The calls of a phase are counted by name. A policy also refuses by arguments; the table of intrusions shows that for \`mmap\` and \`mprotect\`.
- A thread of a process that serves can still be starting, so a few calls of thread start-up are in serving.`;

const percent = (value: number): string => `${value.toFixed(1)} %`;
