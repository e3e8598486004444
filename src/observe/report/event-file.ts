/** Reads the lines of `run --events` (docs/events.md). Lines of other programs, and lines that are cut short, are counted. */

import type { DecisionEvent } from "../../events/event.ts";
import { actionNames } from "../../ir/verdicts.ts";
import type { LineReading } from "../../traces/lines.ts";

export interface EventSummary {
  readonly decisions: number;
  readonly reports: ReadonlyMap<string, number>;
  /** Notices, for example about dropped events, and ends, with their number. */
  readonly notices: ReadonlyMap<string, number>;
  /** Events that the notices say were dropped. */
  readonly dropped: number;
  readonly malformed: number;
  /** Seconds since the epoch. */
  readonly first: number | undefined;
  readonly last: number | undefined;
}

const mostTexts = 200;

export function readEvents(lines: Iterable<LineReading>, onDecision: (event: DecisionEvent) => void): EventSummary {
  const reports = new Map<string, number>();
  const notices = new Map<string, number>();
  let [decisions, dropped, malformed] = [0, 0, 0];
  let first: number | undefined;
  let last: number | undefined;
  for (const reading of lines) {
    if (reading.kind !== "line") {
      malformed++;
      continue;
    }
    if (reading.text.trim() === "") continue;
    const event = parse(reading.text);
    if (event === undefined) {
      malformed++;
      continue;
    }
    const time = numberOf(event["time"]);
    if (time !== undefined) {
      first = Math.min(first ?? time, time);
      last = Math.max(last ?? time, time);
    }
    const text = String(event["text"] ?? "");
    switch (event["kind"]) {
      case "decision": {
        const decision = decisionOf(event);
        if (decision === undefined) malformed++;
        else {
          decisions += decision.count ?? 1;
          onDecision(decision);
        }
        break;
      }
      case "report":
        increase(reports, `${text} ${String(event["rule"] ?? "")}`.trim());
        break;
      case "host":
        increase(notices, `the host ${String(event["host"])} was refused: ${String(event["reason"])}`);
        break;
      case "notice":
      case "end":
        dropped += numberOf(event["dropped"]) ?? 0;
        increase(notices, text);
        break;
    }
  }
  return { decisions, reports, notices, dropped, malformed, first, last };
}

type Members = Readonly<Record<string, unknown>>;

function parse(text: string): Members | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : undefined;
  } catch {
    return undefined;
  }
}

const verdicts: readonly unknown[] = actionNames.filter((name) => name !== "allow");

/** The members that a report shows, if they have the right types. */
function decisionOf(event: Members): DecisionEvent | undefined {
  const { call, verdict, pid, command } = event as { readonly [M in keyof DecisionEvent]?: unknown };
  if (typeof call !== "string" || !verdicts.includes(verdict) || typeof pid !== "number") return undefined;
  const given = Array.isArray(event["arguments"]) ? (event["arguments"] as readonly unknown[]) : [];
  const args = given.map((one) => {
    const { name, text } = (typeof one === "object" && one !== null ? one : {}) as Members;
    return { name: String(name ?? ""), text: String(text ?? "?") };
  });
  const texts = (member: "reason" | "rule" | "errno" | "advice") =>
    typeof event[member] === "string" ? { [member]: event[member] } : {};
  const phases = event["phases"];
  return {
    ...({ v: 1, kind: "decision", time: numberOf(event["time"]) ?? 0 } as const),
    ...{ pid, tid: numberOf(event["tid"]) ?? pid, command: typeof command === "string" ? command : "", call },
    ...{ number: numberOf(event["number"]) ?? -1, arguments: args, policy: String(event["policy"] ?? "") },
    verdict: verdict as DecisionEvent["verdict"],
    ...texts("reason"),
    ...texts("rule"),
    ...texts("errno"),
    ...texts("advice"),
    ...(event["audit"] === true ? { audit: true as const } : {}),
    ...(isCount(event["count"]) ? { count: event["count"] } : {}),
    ...(typeof phases === "object" && phases !== null
      ? { phases: Object.fromEntries(Object.entries(phases).map(([name, phase]) => [name, String(phase)])) }
      : {}),
  };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function increase(map: Map<string, number>, text: string): void {
  if (map.has(text) || map.size < mostTexts) map.set(text, (map.get(text) ?? 0) + 1);
}
