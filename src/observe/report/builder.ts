/** Collects what a report shows, input by input: at most one policy, first, then its cases, traces and events. */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { runCases } from "../../cases/case-run.ts";
import type { CaseFile } from "../../cases/cases.ts";
import { Coverage } from "../../cases/coverage.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Sources } from "../../diagnostics/render.ts";
import { WasmEvaluator } from "../../engines/simulate/wasm-evaluator.ts";
import type { Program } from "../../ir/program.ts";
import type { StreamedEvent } from "../../traces/formats/stream.ts";
import type { LineReading } from "../../traces/lines.ts";
import { missingForReplay, type Replay, type ReplayOptions, replay } from "../../traces/replay.ts";
import type { TraceHead } from "../../traces/trace.ts";
import { chartsOf } from "./charts.ts";
import type { ReportContent, RunView } from "./document.ts";
import { readEvents } from "./event-file.ts";
import { evidenceOf } from "./evidence.ts";
import { grouped } from "./model.ts";
import { type PolicyViewInput, placeOf, RuleHits, viewPolicy } from "./policy-view.ts";
import { Refusals } from "./refusals.ts";
import { RolesTally } from "./roles.ts";
import { RunTally } from "./run-tally.ts";
import { StatesTally } from "./states.ts";
import { surfaceOf } from "./surface.ts";

/** Recordings with charts. */
const mostRuns = 12;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class ReportBuilder {
  readonly #architecture: ArchitectureName;
  readonly #inputs: { kind: string; name: string; about: string }[] = [];
  readonly #runs: RunView[] = [];
  #moreRuns = 0;
  #policy: (Mutable<Omit<PolicyViewInput, "caseFiles">> & { caseFiles: string[] }) | undefined;
  readonly #refusals = new Refusals();
  readonly #events: ReportContent["events"][number][] = [];
  readonly #traceHits = new RuleHits();
  readonly #eventHits = new RuleHits();
  readonly #roles: RolesTally;
  readonly #states = new StatesTally();

  constructor(architecture: ArchitectureName) {
    this.#architecture = architecture;
    this.#roles = new RolesTally(architecture);
  }

  setPolicy(name: string, program: Program, sources: Sources): void {
    const surface = surfaceOf(program);
    this.#refusals.nameOf = surface.nameOf;
    this.#policy = {
      ...{ program, sources, surface, caseFiles: [], failedCases: 0, coverage: undefined },
      ...{ traces: this.#traceHits, events: this.#eventHits },
    };
    this.#inputs.push({ kind: "policy", name, about: `for ${program.architecture}` });
  }

  /** @param program the policy with the parameters of the case file */
  addCases(name: string, program: Program, cases: CaseFile): void {
    const policy = this.#policy!;
    policy.coverage ??= new Coverage();
    const results = runCases(program, cases, policy.coverage);
    const wrong = new Set(results.failures.map(({ place }) => place.line)).size;
    policy.failedCases += wrong;
    policy.caseFiles.push(name);
    const about =
      wrong === 0
        ? `${grouped(results.cases)} cases pass`
        : `${grouped(wrong)} of ${grouped(results.cases)} cases failed`;
    this.#inputs.push({ kind: "cases", name, about });
  }

  /** Returns the diagnostics; the trace is counted as far as it was read. */
  addTrace(
    name: string,
    events: Generator<StreamedEvent, readonly Diagnostic[]>,
    ids: Omit<ReplayOptions, "file">,
  ): readonly Diagnostic[] {
    const options = { file: name, ...ids };
    const found: Diagnostic[] = [];
    let [runs, calls] = [0, 0];
    let current: { head: TraceHead; tally: RunTally; replayed: Replay | undefined } | undefined;
    const finish = () => {
      if (current === undefined) return;
      found.push(...(current.replayed?.diagnostics() ?? []));
      if (current.tally.calls === 0) return;
      runs++;
      calls += current.tally.calls;
      this.#addRun(current.tally);
    };
    let next = events.next();
    for (; next.done !== true; next = events.next()) {
      const { run: head, event } = next.value;
      if (current?.head !== head) {
        finish();
        const started = this.#replay(head, options);
        if ("missing" in started) return started.missing;
        const title = `${name}, recording ${runs + 1}`;
        const tally = new RunTally(title, this.#architecture, head.words?.[0] ?? "", this.#policy?.surface.nameOf);
        current = { head, tally, replayed: started.replayed };
        this.#roles.begin(tally.name);
      }
      const { tally, replayed } = current;
      const decided = replayed?.take(event);
      tally.add(event, decided?.decision);
      this.#roles.add(event, head);
      if (decided !== undefined) {
        const { decision, pid } = decided;
        const [certain, ...others] = decision.possible;
        this.#traceHits.add(
          certain === undefined || others.length > 0 ? undefined : placeOf(this.#policy!.program, certain),
        );
        const caller = { pid, program: tally.programOf(decided.event.tid) };
        this.#refusals.addDecision(decided.event, decision, caller, this.#architecture);
      }
    }
    finish();
    if (runs === 1 && this.#runs.at(-1)?.charts.name === `${name}, recording 1`) {
      const { charts, ...rest } = this.#runs.pop()!;
      this.#runs.push({ ...rest, charts: { ...charts, name } });
    }
    this.#inputs.push({
      kind: "trace",
      name,
      about: `${grouped(calls)} calls in ${grouped(runs)} ${runs === 1 ? "recording" : "recordings"}`,
    });
    return [...found, ...next.value];
  }

  addEvents(name: string, lines: Iterable<LineReading>): readonly Diagnostic[] {
    const summary = readEvents(lines, (event) => {
      this.#eventHits.add(event.rule, event.count);
      this.#refusals.addEvent(event);
    });
    this.#events.push({ name, summary });
    const wrong = summary.malformed === 0 ? "" : `; ${grouped(summary.malformed)} lines are not events`;
    this.#inputs.push({ kind: "events", name, about: `${grouped(summary.decisions)} decisions${wrong}` });
    return [];
  }

  finish(): Omit<ReportContent, "title" | "made" | "version"> {
    return {
      inputs: this.#inputs,
      runs: this.#runs,
      moreRuns: this.#moreRuns,
      roles: this.#roles.view(),
      policies: this.#policy === undefined ? [] : [viewPolicy(this.#policy)],
      states: this.#policy === undefined ? [] : this.#states.view(this.#policy.surface, this.#refusals.list),
      refusals: this.#refusals.list,
      ungrouped: this.#refusals.ungrouped,
      unknown: this.#refusals.unknown,
      events: this.#events,
    };
  }

  #replay(
    head: TraceHead,
    options: ReplayOptions,
  ): { replayed: Replay | undefined } | { missing: readonly Diagnostic[] } {
    if (this.#policy === undefined) return { replayed: undefined };
    const { program } = this.#policy;
    const missing = missingForReplay(program, head, options);
    if (missing.length > 0) return { missing };
    return { replayed: replay(new WasmEvaluator(program), head, options) };
  }

  #addRun(tally: RunTally): void {
    this.#states.add(tally);
    if (this.#runs.length >= mostRuns) {
      this.#moreRuns++;
      return;
    }
    const states = this.#policy?.surface.states;
    const charts = chartsOf(tally, states && new Map(states.map(({ name, allowed }) => [name, allowed])));
    const kinds = new Set(
      tally.processes.flatMap(({ counts }) => [...counts.values()].flatMap((one) => [...one.keys()])),
    );
    this.#runs.push({
      charts,
      calls: tally.calls,
      kinds: kinds.size,
      evidence: evidenceOf(tally),
    });
  }
}
