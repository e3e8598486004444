/**
 * Writes a run's events: puts repetitions together, turns records into lines, limits and writes them without blocking, and counts dropped ones.
 */

import { nameCall } from "../abi/decode.ts";
import { jsonText } from "../diagnostics/width.ts";
import { type Destination, openChannel } from "./channel.ts";
import { describe } from "./describe.ts";
import type { Origin, PolicyEvent } from "./event.ts";
import { Gathering } from "./gathering.ts";
import { EventLimit, type LimitOptions } from "./limit.ts";
import { printLine } from "./line.ts";
import type { EventRecord, JudgementRecord, ObjectRecord, PolicyDescription } from "./record.ts";
import { type Channel, LineSink, type Loss, type WriteFault } from "./sink.ts";

export interface EventOutput {
  record(record: EventRecord): void;
  /**
   * Reports the drops, writes the queue and closes. Waits for a slow reader for at most `patience`. Resolves with the
   * lines that are lost.
   */
  finish(): Promise<Loss>;
}

export interface EventOutputOptions {
  readonly policy: PolicyDescription;
  readonly origin?: Origin;
  /** "lines": for people; "json": one object a line. */
  readonly form: "lines" | "json";
  /** The name of the destination for people. */
  readonly name?: string;
  readonly limit?: LimitOptions;
  /** How long the end of a run waits for a slow reader, in milliseconds; 500 by default. */
  readonly patience?: number;
  /** Called with a sentence without a full stop if events are lost and no line among them can report it. */
  readonly onLoss?: ((sentence: string) => void) | undefined;
}

/** The size of the queue for a slow reader, in bytes. */
const keep = 1 << 20;
const defaultPatience = 500;

/** People read a few lines; files take more. The limit is for each rule and call. */
const limits: { readonly [F in EventOutputOptions["form"]]: LimitOptions } = {
  lines: { burst: 10, perSecond: 2, keys: 512 },
  json: { burst: 2000, perSecond: 1000, keys: 512 },
};

/**
 * For people, each call that portcullis refuses as unknown is one line, and a number at the end: programs fall back on its
 * ENOSYS (libuv tries io_uring_setup for each event loop), and its arguments matter to no rule.
 */
const limitOfUnknown: LimitOptions = { burst: 1, perSecond: 0, keys: 512 };

/** @throws DestinationError */
export function openEventOutput(destination: Destination, options: EventOutputOptions): EventOutput {
  return eventOutput(openChannel(destination), options);
}

export function eventOutput(channel: Channel, options: EventOutputOptions): EventOutput {
  const { form, name = "the channel", onLoss } = options;
  const sink = openLineSink(channel, { form, onFault: (fault) => onLoss?.(describeFault(name, fault)) });
  return eventLines(sink, options);
}

export interface SinkLosses {
  /** Called at the first error. */
  readonly onFault: (fault: WriteFault) => void;
  readonly onDropped?: (count: number) => void;
}

/** A sink of the size for events, in which lines about dropped ones are of this form. */
export function openLineSink(
  channel: Channel,
  { form, onFault, onDropped }: Pick<EventOutputOptions, "form"> & SinkLosses,
): LineSink {
  return new LineSink(channel, {
    keep,
    retryAfter: 20,
    dropped(count) {
      onDropped?.(count);
      const text = `${count} lines were dropped: they could not be written in time`;
      const event: PolicyEvent = { v: 1, kind: "notice", time: Date.now() / 1000, text, dropped: count };
      return form === "json" ? jsonText(event) : `portcullis: ${printLine(event)}`;
    },
    onFault,
  });
}

/** The same for a sink that may take lines of other trees, too: `finish` is the sink's. */
export function eventLines(sink: Pick<LineSink, "write" | "finish">, options: EventOutputOptions): EventOutput {
  const { policy, form, origin, name = "the channel" } = options;
  const print = (event: PolicyEvent) =>
    form === "json" ? jsonText({ ...event, ...origin }) : `portcullis: ${printLine(event, origin)}`;
  const notice = (time: number, text: string, dropped: number) => {
    const [event] = describe(policy, { kind: "notice", time, text, dropped });
    return print(event!);
  };
  const limit = new EventLimit(options.limit ?? limits[form]);
  const unknown = form === "lines" ? new EventLimit(limitOfUnknown) : limit;
  /** Events that the engine dropped, not yet reported, by the notice's text. */
  const losses = new Map<string, number>();
  const tellDropped = (time: number, key: string, count: number) =>
    sink.write(notice(time, `${count} more like this: ${key}`, count));
  const gathering = new Gathering(policy);
  let timer: NodeJS.Timeout | undefined;
  let wakes = Number.POSITIVE_INFINITY;
  const put = (records: readonly JudgementRecord[]) => {
    for (const record of records) {
      const chosen = record.verdict === "unknown-call" ? unknown : limit;
      const { passes, dropped } = chosen.admit(keyOf(policy, record), record.time, record.count);
      for (const { key, count } of dropped) tellDropped(record.time, key, count);
      if (passes) for (const event of describe(policy, record)) sink.write(print(event));
    }
    const { next } = gathering;
    if (next === undefined || next >= wakes) return;
    clearTimeout(timer);
    wakes = next;
    timer = setTimeout(() => {
      wakes = Number.POSITIVE_INFINITY;
      put(gathering.due(performance.now()));
    }, next - performance.now());
    timer.unref(); // the end of the run writes what is held
  };
  return {
    record(record) {
      if (record.kind === "judgement") {
        put(gathering.take(record, performance.now()));
        return;
      }
      if (record.kind === "notice" && record.dropped !== undefined) {
        // A flood drops repeatedly: one line for all drops since the last.
        const sum = (losses.get(record.text) ?? 0) + record.dropped;
        losses.set(record.text, sum);
        if (!limit.admit(record.text, record.time).passes) return;
        losses.delete(record.text);
        sink.write(notice(record.time, `${sum} ${record.text}`, sum));
        return;
      }
      const key = limitKey(policy, record);
      if (key !== undefined) {
        const { passes, dropped } = limit.admit(key, record.time);
        for (const { key, count } of dropped) tellDropped(record.time, key, count);
        if (!passes) return;
      }
      for (const event of describe(policy, record)) sink.write(print(event));
    },
    async finish() {
      put(gathering.drain(performance.now()));
      clearTimeout(timer);
      for (const one of new Set([limit, unknown]))
        for (const { key, count } of one.drain()) if (!losses.has(key)) tellDropped(Date.now(), key, count);
      for (const [text, sum] of losses) sink.write(notice(Date.now(), `${sum} ${text}`, sum));
      const patience = options.patience ?? defaultPatience;
      const loss = await sink.finish(patience);
      if (loss.lines > 0) options.onLoss?.(describeLoss(name, loss, patience));
      return loss;
    },
  };
}

function describeFault(name: string, fault: WriteFault): string {
  const what = fault.isFinal ? "all later events are lost" : "1 MiB is queued until they can be, and the rest is lost";
  return `events cannot be written to ${name} (${explain(fault)}): ${what}`;
}

function describeLoss(name: string, { lines, fault }: Loss, patience: number): string {
  const why =
    fault === undefined ? `its reader did not read them within ${patience / 1000} s of the end` : explain(fault);
  return `${lines} ${lines === 1 ? "line" : "lines"} of events could not be written to ${name} and ${lines === 1 ? "is" : "are"} lost: ${why}`;
}

const explained: Readonly<Record<string, string>> = {
  ENOSPC: "no space is left on the device",
  EDQUOT: "the disk quota is exceeded",
  EFBIG: "the limit on the size of a file (ulimit -f) is reached",
  EPIPE: "the reader is gone",
  ECONNRESET: "the reader is gone",
};

function explain({ code }: WriteFault): string {
  return explained[code] === undefined ? code : `${code}: ${explained[code]}`;
}

/** The key of a record whose rate is limited here; undefined for others. */
function limitKey(policy: PolicyDescription, record: EventRecord): string | undefined {
  if (record.kind === "object") return objectKey(policy, record);
  return record.kind === "host" ? `host ${record.refusal.host}:${record.refusal.port ?? 0}` : undefined;
}

/** One key per call and missing right. */
function objectKey({ architecture }: PolicyDescription, record: ObjectRecord): string {
  const { name } = nameCall(architecture, record.architecture, record.number);
  return `${name} (${record.blockers.join(", ")})`;
}

/** One key per call and verdict, so that a flood of one refusal does not hide another. */
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
