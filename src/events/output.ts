/** Where a run's events go: records come in, lines go out, never waiting, and what is left out is counted. */

import { nameCall } from "../linux/decode.ts";
import { type Destination, openChannel } from "./channel.ts";
import { describe } from "./describe.ts";
import type { PolicyEvent } from "./event.ts";
import { EventLimit, type LimitOptions } from "./limit.ts";
import { printLine } from "./line.ts";
import type { EventRecord, PolicyDescription } from "./record.ts";
import { type Channel, LineSink } from "./sink.ts";

export interface EventOutput {
  record(record: EventRecord): void;
  /** Tells what was left out, writes what is kept (for a moment at most) and closes. */
  finish(): Promise<void>;
}

export interface EventOutputOptions {
  readonly policy: PolicyDescription;
  /** "lines": for people; "json": one object a line. */
  readonly form: "lines" | "json";
  readonly limit?: LimitOptions;
  /** The end of a run waits at most so many milliseconds for a slow reader. */
  readonly patience?: number;
}

/** People read a few lines; files take more. Each rule and call has this for itself. */
const limits: { readonly [F in EventOutputOptions["form"]]: LimitOptions } = {
  lines: { burst: 10, perSecond: 2, keys: 512 },
  json: { burst: 2000, perSecond: 1000, keys: 512 },
};

/** @throws DestinationError */
export function openEventOutput(destination: Destination, options: EventOutputOptions): EventOutput {
  return eventOutput(openChannel(destination), options);
}

export function eventOutput(channel: Channel, options: EventOutputOptions): EventOutput {
  const { policy, form } = options;
  const print = (event: PolicyEvent) => (form === "json" ? JSON.stringify(event) : `portcullis: ${printLine(event)}`);
  const notice = (time: number, text: string, dropped: number) => {
    const [event] = describe(policy, { kind: "notice", time, text, dropped });
    return print(event!);
  };
  const sink = new LineSink(channel, {
    keep: 1 << 20,
    retryAfter: 20,
    dropped: (count) => notice(Date.now(), `${count} lines were dropped: the reader of the events is too slow`, count),
  });
  const limit = new EventLimit(options.limit ?? limits[form]);
  /** What was dropped before it came here, and not told yet: by the notice's text. */
  const losses = new Map<string, number>();
  const tellDropped = (time: number, key: string, count: number) =>
    sink.write(notice(time, `${count} more like this: ${key}`, count));
  return {
    record(record) {
      if (record.kind === "judgement") {
        const { passes, dropped } = limit.admit(keyOf(policy, record), record.time);
        for (const { key, count } of dropped) tellDropped(record.time, key, count);
        if (!passes) return;
      } else if (record.dropped !== undefined) {
        // A flood drops more than once: one line for all that was dropped since the last.
        const sum = (losses.get(record.text) ?? 0) + record.dropped;
        losses.set(record.text, sum);
        if (!limit.admit(record.text, record.time).passes) return;
        losses.delete(record.text);
        sink.write(notice(record.time, `${sum} ${record.text}`, sum));
        return;
      }
      for (const event of describe(policy, record)) sink.write(print(event));
    },
    async finish() {
      for (const { key, count } of limit.drain()) if (!losses.has(key)) tellDropped(Date.now(), key, count);
      for (const [text, sum] of losses) sink.write(notice(Date.now(), `${sum} ${text}`, sum));
      await sink.finish(options.patience ?? 500);
    },
  };
}

/** One key a call and verdict: a flood of one refusal leaves room for the first of another. */
function keyOf(policy: PolicyDescription, record: Extract<EventRecord, { kind: "judgement" }>): string {
  const { name } = nameCall(policy.architecture, record.architecture, record.number);
  const reports = record.reports.map(({ report }) => ` "${policy.reports[report]?.text ?? "?"}"`).join("");
  if (record.verdict === undefined) return `${name}${reports}`;
  if (typeof record.verdict !== "number") return `${name} (${record.verdict})`;
  const verdict = policy.verdicts[record.verdict];
  const at = verdict?.at;
  const place = at === undefined ? "" : ` by ${policy.files[at.file] ?? "?"}:${at.line}:${at.column}`;
  return `${name} ${verdict?.action ?? "?"}${place}${reports}`;
}
