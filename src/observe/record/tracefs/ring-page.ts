/**
 * Decodes a page of the kernel's trace ring buffer, as per_cpu/cpuN/trace_pipe_raw gives it: `struct buffer_data_page`
 * (kernel/trace/ring_buffer.c) and `struct ring_buffer_event` (include/linux/ring_buffer.h). Both have been stable since
 * Linux 2.6.30; the file events/header_page of tracefs describes the first.
 */

const headerSize = 16;
/** The kernel has overwritten events before this page; their number follows the data if the second bit is also set. */
const missedEvents = 1 << 31;
const missedStored = 1 << 30;
const sizeMask = 0x0fff_ffff;

/** `type_len` of an event: its number of words up to 28, or one of these. */
const eventType = { longData: 0, padding: 29, timeExtend: 30, timeStamp: 31 } as const;
const deltaShift = 27;

export interface PageReader {
  /** `at` is the offset of the event's data in `view`, `time` is nanoseconds since `base`. */
  event(view: DataView, at: number, time: number): void;
  /** At least one event was lost before `time`; `count` is undefined where the kernel did not store it. */
  lost(count: number | undefined, time: number): void;
}

export function readPage(view: DataView, base: bigint, reader: PageReader): void {
  const pageTime = view.getBigUint64(0, true);
  let time = Number(pageTime - base);
  const commit = view.getUint32(8, true);
  const end = headerSize + (commit & sizeMask);
  if (end > view.byteLength) return;
  if ((commit & missedEvents) !== 0) {
    const isStored = (commit & missedStored) !== 0 && end + 8 <= view.byteLength;
    reader.lost(isStored ? view.getUint32(end, true) : undefined, time);
  }
  for (let at = headerSize; at + 4 <= end; ) {
    const head = view.getUint32(at, true);
    const type = head & 31;
    const delta = head >>> 5;
    at += 4;
    switch (type) {
      case eventType.padding:
        if (delta === 0) return;
        time += delta;
        at += view.getUint32(at, true);
        break;
      case eventType.timeExtend:
        time += delta + view.getUint32(at, true) * 2 ** deltaShift;
        at += 4;
        break;
      case eventType.timeStamp: {
        // The delta has 59 bits; the higher bits come from the page.
        const stamp = BigInt(delta) + (BigInt(view.getUint32(at, true)) << BigInt(deltaShift));
        time = Number(((pageTime >> 59n) << 59n) + stamp - base);
        at += 4;
        break;
      }
      case eventType.longData: {
        time += delta;
        const size = (view.getUint32(at, true) - 4 + 3) & ~3;
        if (size < 0) return;
        if (at + 4 + size <= end) reader.event(view, at + 4, time);
        at += 4 + size;
        break;
      }
      default:
        time += delta;
        if (at + 4 * type <= end) reader.event(view, at, time);
        at += 4 * type;
    }
  }
}
