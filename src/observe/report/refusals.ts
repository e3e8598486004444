/** Refused calls of traces and events, in groups of equal call, verdict, rule, program and phase. */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { nameCall, printCall } from "../../abi/decode.ts";
import type { SimulatedDecision } from "../../engines/simulate/model.ts";
import type { DecisionEvent } from "../../events/event.ts";
import { remedyFor } from "../../events/line.ts";
import { phasesToShow } from "../../events/phases.ts";
import { explainedVerdict } from "../../ir/verdicts.ts";
import { printTraceCall } from "../../traces/formats/words.ts";
import type { CallEvent } from "../../traces/trace.ts";

export interface RefusalGroup {
  /** `trace`: the policy would refuse it; `events`: it was refused. */
  readonly from: "trace" | "events";
  /** The first different ones with their arguments. */
  readonly examples: readonly string[];
  /** There are calls with other arguments than those of the examples. */
  readonly hasMore: boolean;
  readonly verdict: string;
  readonly rule: string | undefined;
  readonly reason: string | undefined;
  /** The role and the phase; empty if they are not known. */
  readonly state: string;
  readonly program: string;
  readonly processes: ReadonlySet<number>;
  readonly remedy: string | undefined;
  readonly count: number;
}

const mostGroups = 500;
/** Characters of an example, which can have texts of 4 KiB. */
const mostExample = 300;
const mostExamples = 3;
/** Processes of a group that are listed. */
const mostProcesses = 100;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
interface Group extends Mutable<RefusalGroup> {
  readonly examples: string[];
  readonly processes: Set<number>;
}
type Key = Pick<RefusalGroup, "from" | "verdict" | "rule" | "reason" | "state" | "program"> & { readonly call: string };

export class Refusals {
  readonly #groups = new Map<string, Group>();
  /** Names the state of a process with these phases, if there is a policy. */
  nameOf: ((phases: Readonly<Record<string, string>>) => string) | undefined;
  /** Refused calls that are in none of the groups. */
  ungrouped = 0;
  /** Calls whose verdict depends on information that the trace lacks. */
  unknown = 0;

  /** Calls that were refused before those that would be, and the most frequent first. */
  get list(): readonly RefusalGroup[] {
    return [...this.#groups.values()].sort(
      (one, other) => Number(one.from === "trace") - Number(other.from === "trace") || other.count - one.count,
    );
  }

  addDecision(
    event: CallEvent,
    decision: SimulatedDecision,
    { pid, program }: { readonly pid: number; readonly program: string },
    architecture: ArchitectureName,
  ): void {
    const { action, passes, rule, reason } = decision;
    if (action === "unknown") this.unknown++;
    if (passes !== false || action === "unknown" || action === "fails") return;
    if (action === "allow") return;
    const { name } = nameCall(architecture, event.architecture, event.number);
    const verdict = explainedVerdict({ action, errno: decision.errno });
    const state = this.#state(decision.phases.before);
    this.#add({ from: "trace", call: name, verdict, rule, reason, state, program }, pid, 1, {
      example: () => printTraceCall(event, { architecture }),
      remedy: remedyFor({ verdict: action, call: name, ...(rule === undefined ? {} : { rule }) }),
    });
  }

  addEvent(event: DecisionEvent): void {
    // A call about which a person was asked has an errno if it failed.
    const isAllowed = event.verdict === "ask" && event.errno === undefined && event.audit !== true;
    if (event.verdict === "log" || isAllowed) return;
    const action = event.verdict.replace("-", " ");
    const verdict = `${event.audit === true ? "would " : ""}${action}${event.errno === undefined ? "" : ` ${event.errno}`}`;
    const { call, rule, reason, count = 1, pid, command: program } = event;
    const state = this.#state(event.phases ?? {});
    this.#add({ from: "events", call, verdict, rule, reason, state, program }, pid, count, {
      example: () => printCall(event.call, event.arguments),
      remedy: remedyFor(event),
    });
  }

  #state(phases: Readonly<Record<string, string>>): string {
    if (Object.keys(phases).length === 0) return "";
    return (
      this.nameOf?.(phases) ??
      phasesToShow(phases)
        .map(([, phase]) => phase)
        .join(", ")
    );
  }

  #add(
    { call, ...shown }: Key,
    pid: number,
    count: number,
    { example, remedy }: { readonly example: () => string; readonly remedy: string | undefined },
  ): void {
    const key = JSON.stringify([call, ...Object.values(shown)]);
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= mostGroups) {
        this.ungrouped += count;
        return;
      }
      group = { ...shown, remedy, examples: [], hasMore: false, processes: new Set(), count: 0 };
      this.#groups.set(key, group);
    }
    group.count += count;
    if (group.processes.size < mostProcesses) group.processes.add(pid);
    if (group.hasMore) return;
    const text = example();
    const cut = text.length > mostExample ? `${text.slice(0, mostExample)}…` : text;
    if (group.examples.includes(cut)) return;
    if (group.examples.length < mostExamples) group.examples.push(cut);
    else group.hasMore = true;
  }
}
