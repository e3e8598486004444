/** The page of a report: one file without references to others. Tables are markup; a script draws the charts. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { EventSummary } from "./event-file.ts";
import type { PhaseEvidence } from "./evidence.ts";
import { html, jsonElement, type Markup, ownElement, preformatted, when } from "./markup.ts";
import { dataElement, grouped, type RunCharts } from "./model.ts";
import { isSamePlace, type PolicyView, type RuleView, type SourceLine } from "./policy-view.ts";
import { type PowerUse, powers } from "./powers.ts";
import type { RefusalGroup } from "./refusals.ts";
import type { RolesView, RoleView } from "./roles.ts";
import type { StateView } from "./states.ts";

export interface RunView {
  readonly charts: RunCharts;
  readonly calls: number;
  readonly kinds: number;
  readonly evidence: readonly PhaseEvidence[];
}

export interface ReportContent {
  readonly title: string;
  /** "2026-11-26 08:00 UTC". */
  readonly made: string;
  readonly version: string;
  readonly inputs: readonly { readonly kind: string; readonly name: string; readonly about: string }[];
  readonly runs: readonly RunView[];
  /** Runs that are counted in the rules and refusals, and have no charts. */
  readonly moreRuns: number;
  /** The roles in all recordings. */
  readonly roles: RolesView | undefined;
  readonly policies: readonly PolicyView[];
  /** The states of the policy's phases; empty without a policy. */
  readonly states: readonly StateView[];
  readonly refusals: readonly RefusalGroup[];
  readonly ungrouped: number;
  readonly unknown: number;
  readonly events: readonly { readonly name: string; readonly summary: EventSummary }[];
}

export interface PageAssets {
  readonly script: string;
  readonly style: string;
  /** The licences of the packages in the script. */
  readonly licences: string;
}

export function reportDocument(content: ReportContent, { script, style, licences }: PageAssets): string {
  const hash = createHash("sha256").update(script).digest("base64");
  // The charting library sets styles of elements; a style can load nothing, because nothing may be loaded.
  const policy = `default-src 'none'; script-src 'sha256-${hash}'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'`;
  const { title, runs } = content;
  const page = html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
${ownElement("style", style)}
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<h1>${title}</h1>
<p class="made">portcullis ${content.version}, ${content.made} <button type="button" id="theme" hidden>Theme: as the system</button></p>
${navigation(content)}
</header>
<main id="content">
${when(hasRefusals(content), () => refusalSection(content))}
${when(content.states.length > 0, () => statesSection(content))}
${runs.map((run, index) => runSection(run, index, content.policies.length > 0))}
${when(content.moreRuns > 0, () => html`<p class="note">${grouped(content.moreRuns)} more recordings are counted in the other parts, and have no charts.</p>`)}
${content.roles === undefined ? "" : rolesSection(content.roles)}
${content.policies.map(policySection)}
${content.events.map(eventSection)}
${inputs(content)}
</main>
<footer>
<details><summary>Licences of the software in this page</summary><pre>${preformatted(licences)}</pre></details>
</footer>
${jsonElement(
  dataElement,
  runs.map(({ charts }) => charts),
)}
${ownElement("script", script)}
</body>
</html>
`;
  return page.text;
}

/** Without recordings, a policy refuses none. */
function hasRefusals({ refusals, policies, runs, events }: ReportContent): boolean {
  return refusals.length > 0 || events.length > 0 || (policies.length > 0 && runs.length > 0);
}

function navigation(content: ReportContent): Markup {
  const items = [
    ...(hasRefusals(content) ? [["#refusals", "Refused calls"] as const] : []),
    ...(content.states.length > 0 ? [["#states", "What processes can do"] as const] : []),
    ...content.runs.map(({ charts }, index) => [`#run-${index}`, charts.name] as const),
    ...(content.roles === undefined ? [] : [["#roles", "Roles and triggers"] as const]),
    ...content.policies.map(({ name }, index) => [`#policy-${index}`, `Policy ${name}`] as const),
    ...content.events.map(({ name }, index) => [`#events-${index}`, `Events of ${name}`] as const),
    ["#inputs", "Inputs"] as const,
  ];
  return html`<nav aria-label="Sections"><ul>${items.map(([target, text]) => html`<li><a href="${target}">${text}</a></li>`)}</ul></nav>`;
}

function inputs({ inputs: of }: ReportContent): Markup {
  return html`<section aria-labelledby="inputs"><h2 id="inputs">Inputs</h2>
${table(
  ["input", "kind", ""],
  of.map(({ kind, name, about }) => [html`<code>${name}</code>`, kind, about]),
)}</section>`;
}

// ── A run ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function runSection({ charts, calls, kinds, evidence }: RunView, index: number, hasPolicy: boolean): Markup {
  const { name, clock, length, processes, undrawn } = charts;
  const span = clock === "seconds" ? `${figure(length)} s` : "no times: the axis counts calls";
  const more = undrawn > 0 ? ` ${grouped(undrawn)} more processes are counted, and not drawn.` : "";
  return html`<section class="run" id="run-${index}" aria-labelledby="run-${index}-title">
<h2 id="run-${index}-title">${name}</h2>
<dl class="figures">${facts([
    ["calls", grouped(calls)],
    ["different calls", grouped(kinds)],
    ["processes", grouped(processes.length + undrawn)],
    ["length", span],
  ])}</dl>
${chart(index, "timeline", "Processes and phases over time", `A band for each process, children below their parents. ${hasPolicy ? "A part of a band is a phase of the policy; its name stands in it or is read out." : "Without a policy there are no phases."}${more}`)}
${processTable(charts)}
${chart(index, "surface", "Attack surface", "Different system calls: those that were made up to each time, and those that were still made at that time or later. With a policy, those that it may let pass in the phases of the living processes.")}
${chart(index, "heat", "Calls by process and phase", "A stronger colour is more often; the number is in the cell. A cross marks calls that the policy refuses.")}
${heatTable(charts)}
${when(evidence.length > 0, () => html`<h3>Evidence for the phases</h3>${evidenceTable(evidence, clock)}`)}
</section>`;
}

function chart(run: number, kind: string, title: string, about: string): Markup {
  const id = `${kind}-${run}`;
  return html`<figure aria-labelledby="${id}-title">
<figcaption><h3 id="${id}-title">${title}</h3><p>${about}</p></figcaption>
<div class="chart" data-chart="${kind}" data-run="${run}" tabindex="0" role="group" aria-labelledby="${id}-title" aria-describedby="${id}-now"><noscript>The chart needs JavaScript. The tables do not.</noscript></div>
<p class="now" id="${id}-now" aria-live="polite"></p>
</figure>`;
}

function processTable({ processes, clock }: RunCharts): Markup {
  const unit = clock === "seconds" ? " (s)" : " (calls)";
  return html`<details><summary>The processes as a table</summary>${table(
    ["process", "pid", "parent", `from${unit}`, `to${unit}`, "calls", "threads", "phases"],
    processes.map(({ name, pid, parent, from, to, calls, threads, spans, depth }) => [
      html`<span class="depth">${"· ".repeat(Math.min(depth, 12))}</span>${name === "" ? "?" : name}`,
      String(pid),
      parent === undefined ? "" : String(processes[parent]!.pid),
      figure(from),
      figure(to),
      grouped(calls),
      grouped(threads),
      spans
        .filter(({ phase }) => phase !== "")
        .slice(0, 12)
        .map(({ phase, from: start }) => `${phase} from ${figure(start)}`)
        .join(", "),
    ]),
  )}</details>`;
}

function heatTable({ heat: { columns, rows, counts, refused } }: RunCharts): Markup {
  return html`<details><summary>The calls as a table</summary>${table(
    ["call", ...columns],
    rows.map((row, index) => [
      html`<code>${row}</code>`,
      ...counts[index]!.map((count, column) => {
        const some = refused[index]![column]!;
        return count === 0 ? "" : `${grouped(count)}${some === 0 ? "" : `, ${grouped(some)} refused`}`;
      }),
    ]),
  )}</details>`;
}

function evidenceTable(evidence: readonly PhaseEvidence[], clock: RunCharts["clock"]): Markup {
  return html`<p>What the processes that entered a phase made before and after it.</p>${table(
    [
      "phase",
      "entered by",
      "processes",
      clock === "seconds" ? "first (s)" : "first (calls)",
      "before only",
      "after only",
      "both",
    ],
    evidence.map(({ former, phase, call, processes, first, stopped, begun, common }) => [
      `${former} → ${phase}`,
      call === undefined ? "another process" : html`<code>${call}</code>`,
      grouped(processes),
      figure(first),
      names(stopped),
      names(begun),
      names(common),
    ]),
  )}`;
}

// ── Roles and triggers ──────────────────────────────────────────────────────────────────────────────────────────────

function rolesSection({ recordings, roles }: RolesView): Markup {
  return html`<section aria-labelledby="roles"><h2 id="roles">Roles and triggers</h2>
<p>What <code>portcullis propose</code> finds in ${recordings === 1 ? "the recording" : `the ${grouped(recordings)} recordings`}: processes grouped by their origin, and for each role the event that begins a phase, with the next best ones. A trigger is rare, is in every recording, and is followed by fewer different calls.</p>
${roles.map(roleSection)}</section>`;
}

function roleSection({ name, origin, processes, calls, names: made, triggers }: RoleView): Markup {
  return html`<h3>${name}</h3>
<dl class="figures">${facts([
    ["processes", grouped(processes)],
    ["calls", grouped(calls)],
    ...(origin === "" ? [] : [["origin", origin] as const]),
  ])}</dl>
<p>Different calls: ${names(made)}</p>
${
  triggers.length === 0
    ? html`<p>No event is followed by fewer different calls.</p>`
    : table(
        ["event", "begins", "processes", "recordings", "matches", "lies after it", "before", "after", "dropped"],
        triggers.map((trigger) => [
          trigger.event,
          trigger.phase ?? trigger.refusal ?? "runner-up",
          trigger.processes,
          trigger.recordings,
          grouped(trigger.matches),
          `${Math.round(trigger.share * 100)} %`,
          grouped(trigger.before),
          grouped(trigger.after),
          names(trigger.dropped),
        ]),
      )
}`;
}

const absent = html`<span class="absent">${"–"}</span>`;

/** Shows as many names as fit in a line, and the others on demand. */
function names(list: readonly string[]): Markup {
  if (list.length === 0) return html`none`;
  const [only, ...others] = list;
  if (others.length === 0) return html`<code>${only}</code>`;
  if (list.length <= mostNames) return html`${grouped(list.length)}: <code>${list.join(" ")}</code>`;
  return html`<details><summary>${grouped(list.length)}: <code>${list.slice(0, 3).join(" ")}</code> ${"…"}</summary><code>${list.slice(3).join(" ")}</code></details>`;
}

const mostNames = 6;

// ── A policy ────────────────────────────────────────────────────────────────────────────────────────────────────────

function policySection(view: PolicyView, index: number): Markup {
  const { name, surface, caseFiles, failedCases, rules, sources, neverEntered } = view;
  // Rules that have refused a call come first.
  const refusing = rules.filter(({ isAllowing, traces = 0, events = 0 }) => !isAllowing && traces + events > 0);
  const ordered = [...refusing, ...rules.filter((rule) => !refusing.includes(rule))];
  const reached = (of: "cases" | "traces") => {
    const known = rules.filter((rule) => rule[of] !== undefined);
    return known.length === 0
      ? "none given"
      : `reach ${grouped(known.filter((rule) => rule[of]! > 0).length)} of ${grouped(known.length)} rules`;
  };
  return html`<section id="policy-${index}" aria-labelledby="policy-${index}-title">
<h2 id="policy-${index}-title">Policy ${name}</h2>
<dl class="figures">${facts([
    ["cases", reached("cases")],
    ["traces", reached("traces")],
    ...(caseFiles.length > 0 ? [["failed cases", failedText(failedCases)] as const] : []),
    ["calls that it judges", grouped(surface.table)],
  ])}</dl>
${when(neverEntered.length > 0, () => html`<p class="note">No case enters: ${neverEntered.join(", ")}.</p>`)}
<h3>Rules</h3>
${table(
  ["rule", "verdict", "reason", "calls", "cases", "traces", "events"],
  ordered.map((rule) => [
    placeLink(placeOfRule(rule), anchor(index, rule.file, rule.line)),
    rule.verdict,
    rule.reason ?? "",
    rule.calls.length === surface.table ? "any" : rule.calls.length === 0 ? absent : names(rule.calls),
    hits(rule, "cases"),
    hits(rule, "traces"),
    hits(rule, "events"),
  ]),
)}
${sources.map(({ file, lines }) => sourceListing(index, file, lines))}
</section>`;
}

function failedText(count: number): Markup {
  return count === 0 ? html`0` : html`<span class="bad">${grouped(count)}</span>`;
}

function placeOfRule({ file, line, column }: RuleView): string {
  return `${file}:${line}:${column}`;
}

/** The folder would fill the column. */
function placeLink(place: string, target: string): Markup {
  return html`<a href="#${target}" title="${place}"><code>${basename(place)}</code></a>`;
}

/** Calls that pass are no events. */
function hits(rule: RuleView, of: "cases" | "traces" | "events"): Markup {
  const count = rule[of];
  if (count === undefined || (of === "events" && rule.isAllowing)) return absent;
  if (count === 0) return html`<span class="absent">0</span>`;
  return html`<span class="hit">${grouped(count)}</span>`;
}

function anchor(policy: number, file: string, line: number): string {
  return `source-${policy}-${file}-${line}`;
}

function sourceListing(policy: number, file: string, lines: readonly SourceLine[]): Markup {
  return html`<details class="source"><summary>Source of <code>${file}</code></summary><div class="scroll"><table><thead><tr><th scope="col">line</th><th scope="col">cases</th><th scope="col">source</th></tr></thead><tbody>${lines.map(
    ({ number, text, cases, hasRule }) =>
      html`<tr id="${anchor(policy, file, number)}"${cases === 0 && hasRule ? html` class="unreached"` : undefined}><td>${number}</td><td>${cases === undefined ? "" : grouped(cases)}</td><td><code>${text.replaceAll("\t", "  ")}</code></td></tr>`,
  )}</tbody></table></div></details>`;
}

// ── Refusals and events ─────────────────────────────────────────────────────────────────────────────────────────────

/** The rows that the section shows at once. */
const firstRefusals = 8;

function refusalSection(content: ReportContent): Markup {
  const { refusals, ungrouped, unknown } = content;
  const [first, others] = [refusals.slice(0, firstRefusals), refusals.slice(firstRefusals)];
  const calls = refusals.reduce((sum, { count }) => sum + count, ungrouped);
  return html`<section aria-labelledby="refusals"><h2 id="refusals">Refused calls</h2>
${
  refusals.length === 0
    ? html`<p>None.</p>`
    : html`<p>${grouped(calls)} ${calls === 1 ? "call" : "calls"}, in ${grouped(refusals.length)} ${refusals.length === 1 ? "group" : "groups"} of equal call, program, phase and rule.</p>
${refusalTable(first, content)}`
}
${when(others.length > 0, () => html`<details><summary>${grouped(others.length)} more groups</summary>${refusalTable(others, content)}</details>`)}
${when(ungrouped > 0, () => html`<p class="note">${grouped(ungrouped)} more refused calls of other kinds are left out.</p>`)}
${when(unknown > 0, () => html`<p class="note">The verdict on ${grouped(unknown)} recorded calls depends on information that the trace lacks.</p>`)}
</section>`;
}

function refusalTable(groups: readonly RefusalGroup[], { policies }: ReportContent): Markup {
  return table(
    ["times", "call", "process", "role, phase", "verdict", "rule"],
    groups.map(({ count, examples, hasMore, verdict, rule, reason, program, processes, state, remedy, from }) => [
      grouped(count),
      html`${examples.map((one) => html`<code class="example">${one}</code>`)}${when(hasMore, () => html`<span class="absent">and with other arguments</span>`)}`,
      `${program === "" ? "?" : program} ${processes.size === 1 ? [...processes].join("") : `(${grouped(processes.size)} processes)`}`,
      state === "" ? absent : state,
      html`<span class="bad">${from === "trace" ? `would be: ${verdict}` : verdict}</span>${when(reason !== undefined, () => html`<br>${reason}`)}`,
      html`${rule === undefined ? "portcullis itself" : ruleLink(rule, policies)}${when(remedy !== undefined, () => html`<br><span class="absent">${remedy}</span>`)}`,
    ]),
    { isStacked: true },
  );
}

/** With the line of the policy, if its source is known. */
function ruleLink(place: string, policies: readonly PolicyView[]): Markup {
  for (const [index, { rules, sources }] of policies.entries()) {
    const rule = rules.find((one) => isSamePlace(placeOfRule(one), place));
    if (rule === undefined) continue;
    const text = sources.find(({ file }) => file === rule.file)?.lines[rule.line - 1]?.text.trim() ?? "";
    return html`${placeLink(place, anchor(index, rule.file, rule.line))}<br><code>${text}</code>`;
  }
  return html`<code title="${place}">${basename(place)}</code>`;
}

// ── The states of a policy ──────────────────────────────────────────────────────────────────────────────────────────

function statesSection(content: ReportContent): Markup {
  const { states, policies } = content;
  const { table: judged } = policies[0]!.surface;
  const isRecorded = states.some(({ recorded }) => recorded !== undefined);
  return html`<section aria-labelledby="states"><h2 id="states">Roles, and what their processes can still do</h2>
<p>The calls by which a process can do it, with some arguments. On conditions: for each of them a count, a path or a structure decides${when(policies[0]!.declaresObjects, () => html`; the policy also declares the files, ports or hosts that the tree may use`)}.</p>
${table(
  [
    ...["role, phase", ...powers, "calls that may pass"],
    ...(isRecorded ? ["processes", "recorded calls"] : []),
    ...(hasRefusals(content) ? ["refused"] : []),
  ],
  states.map(({ name, allowed, powers: of, recorded, refused }) => [
    name === "" ? "always" : name,
    ...powers.map((power) => powerCell(of.get(power)!)),
    `${grouped(allowed)} of ${grouped(judged)}`,
    ...(recorded === undefined ? [] : [grouped(recorded.processes), grouped(recorded.calls)]),
    ...(hasRefusals(content) ? [grouped(refused)] : []),
  ]),
  { isStacked: true },
)}
</section>`;
}

function powerCell({ calls, isConditional }: PowerUse): Markup {
  if (calls.length === 0) return html`<span class="absent">no</span>`;
  const answer = isConditional ? html`on conditions` : html`<strong>yes</strong>`;
  if (calls.length <= mostNames) return html`${answer}: <code>${calls.join(" ")}</code>`;
  return html`<details><summary>${answer}: <code>${calls.slice(0, 3).join(" ")}</code> ${"…"}</summary><code>${calls.slice(3).join(" ")}</code></details>`;
}

function eventSection({ name, summary }: ReportContent["events"][number], index: number): Markup {
  const { decisions, reports, notices, dropped, malformed, first, last } = summary;
  const time = (seconds: number | undefined) => {
    const date = new Date((seconds ?? Number.NaN) * 1000);
    return Number.isNaN(date.getTime()) ? "unknown" : date.toISOString().slice(0, 19).replace("T", " ");
  };
  const rows = [
    ...[...reports].map((one) => ["report", one] as const),
    ...[...notices].map((one) => ["notice", one] as const),
  ];
  return html`<section id="events-${index}" aria-labelledby="events-${index}-title"><h2 id="events-${index}-title">Events of ${name}</h2>
<dl class="figures">${facts([
    ["decisions", grouped(decisions)],
    ["from", time(first)],
    ["to", time(last)],
    ...(dropped > 0 ? [["dropped", grouped(dropped)] as [string, string]] : []),
    ...(malformed > 0 ? [["lines that are not events", grouped(malformed)] as [string, string]] : []),
  ])}</dl>
${when(rows.length > 0, () =>
  table(
    ["kind", "text", "times"],
    rows.map(([kind, [text, count]]) => [kind, text, grouped(count)]),
  ),
)}
</section>`;
}

// ── Parts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * A column whose cells are all numbers is set as numbers.
 * @param isStacked in a narrow window each row is a list of its cells with their names
 */
function table(
  head: readonly string[],
  rows: readonly (readonly (string | Markup)[])[],
  { isStacked = false } = {},
): Markup {
  const numeric = head.map((_, column) =>
    rows.every((row) => typeof row[column] === "string" && /^[\d,. ]*$/.test(row[column] as string)),
  );
  const kind = (column: number) => (numeric[column] === true ? html` class="number"` : undefined);
  const label = (column: number) => (isStacked ? html` data-label="${head[column]}"` : undefined);
  return html`<div class="scroll" tabindex="0" role="group" aria-label="${`table: ${head.filter((name) => name !== "").join(", ")}`}"><table${isStacked ? html` class="stacked"` : undefined}><thead><tr>${head.map(
    (name, column) => html`<th scope="col"${kind(column)}>${name}</th>`,
  )}</tr></thead><tbody>${rows.map(
    (row) =>
      html`<tr>${row.map((cell, column) => html`<td${kind(column)}${label(column)}>${isStacked ? html`<div>${cell}</div>` : cell}</td>`)}</tr>`,
  )}</tbody></table></div>`;
}

function facts(list: readonly (readonly [name: string, value: string | Markup])[]): readonly Markup[] {
  return list.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`);
}

function figure(value: number): string {
  return grouped(Number(value.toPrecision(5)));
}
