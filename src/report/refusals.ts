/** Refused calls of traces and events, in groups of equal call, verdict and rule. */
import type { SimulatedDecision } from "../engines/simulate/model.ts";
import type { DecisionEvent } from "../events/event.ts";
import { remedyFor } from "../events/line.ts";
import { explainedVerdict } from "../ir/verdicts.ts";
import type { ArchitectureName } from "../linux/architecture.ts";
import { nameCall, printCall } from "../linux/decode.ts";
import type { CallEvent } from "../traces/trace.ts";
import { printTraceCall } from "../traces/words.ts";

export interface RefusalGroup {
  /** `trace`: the policy would refuse it; `events`: it was refused. */
  readonly from: "trace" | "events";
  /** The first one with its arguments. */
  readonly example: string;
  readonly verdict: string;
  readonly rule: string | undefined;
  readonly reason: string | undefined;
  readonly phase: string | undefined;
  readonly process: string;
  readonly remedy: string | undefined;
  count: number;
}

const mostGroups = 500;
/** Characters of an example, which can have texts of 4 KiB. */
const mostExample = 300;

export class Refusals {
  readonly #groups = new Map<string, RefusalGroup>();
  /** Refused calls that are in none of the groups. */
  ungrouped = 0;
  /** Calls whose verdict depends on information that the trace lacks. */
  unknown = 0;

  /** The most frequent first. */
  get list(): readonly RefusalGroup[] {
    return [...this.#groups.values()].sort((one, other) => other.count - one.count);
  }

  addDecision(event: CallEvent, decision: SimulatedDecision, process: string, architecture: ArchitectureName): void {
    const { action, passes, rule, reason } = decision;
    if (action === "unknown") this.unknown++;
    if (passes !== false || action === "unknown" || action === "fails") return;
    if (action === "allow") return;
    const { name } = nameCall(architecture, event.architecture, event.number);
    const verdict = explainedVerdict({ action, errno: decision.errno });
    this.#add({ from: "trace", call: name, verdict, rule, reason, count: 1 }, () => ({
      example: printTraceCall(event, { architecture }),
      phase: Object.values(decision.phases.before).join(", ") || undefined,
      process,
      remedy: remedyFor({ verdict: action, call: name, ...(rule === undefined ? {} : { rule }) }),
    }));
  }

  addEvent(event: DecisionEvent): void {
    if (event.verdict === "log") return;
    const action = event.verdict.replace("-", " ");
    const verdict = `${event.audit === true ? "would " : ""}${action}${event.errno === undefined ? "" : ` ${event.errno}`}`;
    const { call, rule, reason, count = 1 } = event;
    this.#add({ from: "events", call, verdict, rule, reason, count }, () => ({
      example: printCall(event.call, event.arguments),
      phase: event.phases === undefined ? undefined : Object.values(event.phases).join(", "),
      process: `${event.command === "" ? "?" : event.command} ${event.pid}`,
      remedy: remedyFor(event),
    }));
  }

  #add(
    { call, count, ...group }: Pick<RefusalGroup, "from" | "verdict" | "rule" | "reason" | "count"> & { call: string },
    first: () => Pick<RefusalGroup, "example" | "phase" | "process" | "remedy">,
  ): void {
    const { from, verdict, rule, reason } = group;
    const key = JSON.stringify([from, call, verdict, rule, reason]);
    const known = this.#groups.get(key);
    if (known !== undefined) known.count += count;
    else if (this.#groups.size >= mostGroups) this.ungrouped += count;
    else {
      const { example, ...rest } = first();
      const shown = example.length > mostExample ? `${example.slice(0, mostExample)}…` : example;
      this.#groups.set(key, { ...group, ...rest, example: shown, count });
    }
  }
}
