/** The agent's metrics, in the text format of Prometheus. Loaded only if they are asked for. */
import Counter from "prom-client/lib/counter.js";
import Gauge from "prom-client/lib/gauge.js";
import Registry from "prom-client/lib/registry.js";
import { latencyBounds } from "../engines/engine/status.ts";
import type { Origin } from "../events/event.ts";
import { originName } from "../events/line.ts";
import type { Observer } from "./trees.ts";

/** What is counted when somebody looks. */
export interface Gauges {
  readonly trees: number;
  readonly policies: number;
  /** Restarts after which trees went on. */
  readonly restarts: number;
  /** Makes the trees tell their counts. */
  readonly count: () => void;
}

/**
 * Sets of labels of refused calls, of one container and of all. A hostile container makes calls of any number; beyond these
 * its calls, or those of further containers, count under "other".
 */
const mostOfContainer = 64;
const mostSets = 4096;
const other = "other";

const judgementName = "portcullis_judgement_seconds";

export class Metrics implements Observer {
  readonly contentType: string;
  readonly #registry = new Registry();
  readonly #calls: Counter<"policy" | "verdict">;
  readonly #refusals: Counter<"policy" | "line" | "call" | "container">;
  readonly #lost: Counter<never>;
  readonly #sets = new Map<string, Set<string>>();
  #setCount = 0;
  /** Containers without a tree, the first ended first: their sets make room for others. */
  readonly #ended = new Set<string>();
  readonly #latency: number[] = new Array<number>(latencyBounds.length + 2).fill(0);

  constructor(gauges: () => Gauges) {
    const registers = [this.#registry];
    this.contentType = this.#registry.contentType;
    this.#calls = new Counter({
      ...{ name: "portcullis_calls_total", registers, labelNames: ["policy", "verdict"] },
      help: "Calls that the agent has judged, by the action of their verdict; refused: without a rule of the policy.",
      collect: () => gauges().count(),
    });
    this.#refusals = new Counter({
      ...{ name: "portcullis_refusals_total", registers, labelNames: ["policy", "line", "call", "container"] },
      help: "Refused calls that became events.",
    });
    this.#registry.registerMetric(this.#judgements() as unknown as Counter<never>);
    for (const [name, help, value] of [
      ["portcullis_trees", "Trees that the agent supervises.", () => gauges().trees],
      ["portcullis_policies", "Policies of the agent's folder.", () => gauges().policies],
    ] as const) {
      new Gauge({
        ...{ name, help, registers },
        collect() {
          this.set(value());
        },
      });
    }
    const restarts = new Counter({
      ...{ name: "portcullis_restarts_total", registers },
      help: "Restarts of the agent after which its trees went on.",
      collect: () => {
        restarts.reset();
        restarts.inc(gauges().restarts);
      },
    });
    this.#lost = new Counter({
      ...{ name: "portcullis_lost_events_total", registers },
      help: "Events that were dropped, because too many came at once or their reader was too slow.",
    });
  }

  calls(policy: string, verdict: string, count: number): void {
    this.#calls.inc({ policy, verdict }, count);
  }

  refusal(policy: string, call: string, origin: Origin, rule: string | undefined, count: number): void {
    // A label for each command would be a series for each start.
    const container = origin.command === undefined ? originName(origin) : "";
    const line = rule ?? "";
    const known = this.#sets.get(container) ?? new Set();
    const set = JSON.stringify([policy, line, call]);
    const isNew = !known.has(set);
    this.#ended.delete(container);
    if (isNew && this.#setCount >= mostSets) this.#forgetEnded();
    if (isNew && (known.size >= mostOfContainer || this.#setCount >= mostSets)) {
      // Not the line, which has as many values as the call.
      const isKnown = this.#sets.has(container);
      this.#refusals.inc({ policy, line: "", call: other, container: isKnown ? container : other }, count);
      return;
    }
    if (isNew) {
      this.#sets.set(container, known.add(set));
      this.#setCount++;
    }
    this.#refusals.inc({ policy, line, call, container }, count);
  }

  ended(origin: Origin): void {
    const container = originName(origin);
    if (this.#sets.has(container)) this.#ended.add(container);
  }

  #forgetEnded(): void {
    const [container] = this.#ended;
    if (container === undefined) return;
    this.#ended.delete(container);
    const sets = this.#sets.get(container)!;
    for (const set of sets) {
      const [policy, line, call] = JSON.parse(set) as [string, string, string];
      this.#refusals.remove({ policy, line, call, container });
      this.#refusals.remove({ policy, line: "", call: other, container });
    }
    this.#setCount -= sets.size;
    this.#sets.delete(container);
  }

  judged(latency: readonly number[]): void {
    latency.forEach((more, bucket) => {
      this.#latency[bucket]! += more;
    });
  }

  lostEvents(count: number): void {
    this.#lost.inc(count);
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** The supervisor has counted in buckets; the library's own histogram takes single values. */
  #judgements() {
    const labelled = (le: number | "+Inf", value: number) => ({
      ...{ metricName: `${judgementName}_bucket`, labels: { le }, value },
    });
    return {
      name: judgementName,
      get: () => {
        const counts = this.#latency.slice(0, -1);
        let sum = 0;
        const running = counts.map((count) => {
          sum += count;
          return sum;
        });
        return Promise.resolve({
          ...{ name: judgementName, type: "histogram", aggregator: "sum" },
          help: "The time from the reception of a notification to its answer.",
          values: [
            ...latencyBounds.map((bound, bucket) => labelled(bound / 1000, running[bucket]!)),
            labelled("+Inf", sum),
            { metricName: `${judgementName}_sum`, labels: {}, value: this.#latency.at(-1)! / 1e6 },
            { metricName: `${judgementName}_count`, labels: {}, value: sum },
          ],
        });
      },
    };
  }
}
