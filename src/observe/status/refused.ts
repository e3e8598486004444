/** Groups refused calls while a tree runs, within bounds: a hostile process can make calls of any kind, under any name. */
import { describe } from "../../events/describe.ts";
import type { DecisionEvent } from "../../events/event.ts";
import type { JudgementRecord, ObjectRecord, PolicyDescription } from "../../events/record.ts";
import { mayPass } from "../../ir/verdicts.ts";
import type { RefusedGroup } from "./status.ts";

const mostGroups = 32;

interface Group {
  calls: number;
  /** The calls when the calls per second were counted. */
  rated: number;
  perSecond: number;
  last: JudgementRecord | ObjectRecord;
}

export class RefusedGroups {
  readonly #policy: PolicyDescription;
  /** In the order of their last calls. */
  readonly #groups = new Map<string, Group>();
  /** Calls of groups that others have displaced. */
  before = 0;

  constructor(policy: PolicyDescription) {
    this.#policy = policy;
  }

  add(record: JudgementRecord | ObjectRecord): void {
    if (!this.#isRefused(record)) return;
    const key = keyOf(record);
    const group = this.#groups.get(key) ?? { calls: 0, rated: 0, perSecond: 0, last: record };
    group.calls += record.kind === "judgement" ? (record.count ?? 1) : 1;
    group.last = record;
    this.#groups.delete(key);
    this.#groups.set(key, group);
    if (this.#groups.size <= mostGroups) return;
    const [oldest, { calls }] = this.#groups.entries().next().value!;
    this.#groups.delete(oldest);
    this.before += calls;
  }

  /** Counts the calls per second since the last time. */
  rate(seconds: number): void {
    for (const group of this.#groups.values()) {
      group.perSecond = (group.calls - group.rated) / seconds;
      group.rated = group.calls;
    }
  }

  get list(): readonly RefusedGroup[] {
    return [...this.#groups.values()].flatMap(({ calls, perSecond, last }) => {
      const event = describe(this.#policy, last).find((one): one is DecisionEvent => one.kind === "decision");
      return event === undefined ? [] : [{ calls, perSecond: Math.round(10 * perSecond) / 10, event }];
    });
  }

  /** Under audit a call counts that would be refused. */
  #isRefused(record: JudgementRecord | ObjectRecord): boolean {
    if (record.kind === "object") return true;
    const { verdict, answered } = record;
    if (typeof verdict !== "number") return verdict !== undefined;
    const { action } = this.#policy.verdicts[verdict]!;
    if (action === "ask") return answered !== undefined && !answered.startsWith("allowed");
    return !mayPass({ action });
  }
}

function keyOf(record: JudgementRecord | ObjectRecord): string {
  const kind = record.kind === "object" ? "object" : `${record.verdict} ${record.answered ?? ""} ${record.phases}`;
  return `${record.number} ${kind} ${record.command ?? ""}`;
}
