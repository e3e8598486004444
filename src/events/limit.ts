/**
 * Limits the rate of events of a kind, so that a program that is refused a thousand times a second cannot fill the disk
 * or hide other refusals. Dropped events are counted and the count is reported.
 *
 * Each key (for example a rule and a call) has its own token bucket. At most `keys` of them are stored; the least
 * recently used one is evicted. The caller provides the time.
 */
export interface LimitOptions {
  /** The burst: the most events of a key that pass at once. */
  readonly burst: number;
  /** Events of a key that pass per second after the burst. */
  readonly perSecond: number;
  readonly keys: number;
}

/** The dropped events of a key since its last report. */
export interface Dropped {
  readonly key: string;
  readonly count: number;
}

interface Bucket {
  /** In events, with a fraction. */
  level: number;
  /** Milliseconds. */
  at: number;
  dropped: number;
}

export class EventLimit {
  readonly #options: LimitOptions;
  /** In the order of last use: a `Map` keeps the order of insertion. */
  readonly #buckets = new Map<string, Bucket>();
  /** Counts of evicted keys. */
  #forgotten: Dropped[] = [];

  constructor(options: LimitOptions) {
    this.#options = options;
  }

  /**
   * Whether one more event of this key passes. If it does, `dropped` has the unreported drops of this key and of
   * evicted keys.
   *
   * @param now milliseconds of any clock; a clock that goes back counts as stopped.
   * @param count the calls that the event stands for, which count as dropped with it.
   */
  admit(key: string, now: number, count = 1): { readonly passes: boolean; readonly dropped: readonly Dropped[] } {
    const { burst, perSecond } = this.#options;
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      this.#makeRoom();
      bucket = { level: burst, at: now, dropped: 0 };
    } else {
      this.#buckets.delete(key);
      const elapsed = Math.max(0, now - bucket.at);
      bucket.level = Math.min(burst, bucket.level + (elapsed * perSecond) / 1000);
      bucket.at = Math.max(bucket.at, now);
    }
    this.#buckets.set(key, bucket);
    if (bucket.level < 1) {
      bucket.dropped += count;
      return { passes: false, dropped: [] };
    }
    bucket.level -= 1;
    const dropped = this.#forgotten;
    this.#forgotten = [];
    if (bucket.dropped > 0) dropped.push({ key, count: bucket.dropped });
    bucket.dropped = 0;
    return { passes: true, dropped };
  }

  /** All unreported drops, for the end of a run. */
  drain(): readonly Dropped[] {
    const dropped = this.#forgotten;
    this.#forgotten = [];
    for (const [key, bucket] of this.#buckets) {
      if (bucket.dropped > 0) dropped.push({ key, count: bucket.dropped });
      bucket.dropped = 0;
    }
    return dropped;
  }

  #makeRoom(): void {
    if (this.#buckets.size < this.#options.keys) return;
    for (const [key, bucket] of this.#buckets) {
      this.#buckets.delete(key);
      if (bucket.dropped > 0) this.#remember({ key, count: bucket.dropped });
      return;
    }
  }

  /** Also bounded: beyond `keys` entries, the counts are added up in one entry. */
  #remember(dropped: Dropped): void {
    const same = this.#forgotten.findIndex((one) => one.key === dropped.key);
    if (same !== -1) {
      this.#forgotten[same] = { key: dropped.key, count: this.#forgotten[same]!.count + dropped.count };
    } else if (this.#forgotten.length < this.#options.keys) {
      this.#forgotten.push(dropped);
    } else {
      const last = this.#forgotten.length - 1;
      this.#forgotten[last] = { key: "other events", count: this.#forgotten[last]!.count + dropped.count };
    }
  }
}
