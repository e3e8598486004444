/**
 * How many events of a kind pass, so that a program that is refused a thousand times a second fills no disk and hides no
 * other refusal. What does not pass is counted, and the count is told: nothing is lost silently.
 *
 * Each key (a rule and a call, say) has a token bucket of its own; at most `keys` of them are remembered, the one that
 * was quiet for longest makes room. No clock and no timer in here: the caller brings the time.
 */
export interface LimitOptions {
  /** How many of a key may pass at once. */
  readonly burst: number;
  /** How many of a key pass a second thereafter. */
  readonly perSecond: number;
  readonly keys: number;
}

/** What a key has lost since it was last told. */
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
  /** Counts of keys that had to make room. */
  #forgotten: Dropped[] = [];

  constructor(options: LimitOptions) {
    this.#options = options;
  }

  /**
   * May one more of this key pass? `dropped` says what was lost before it, where it passes: the key's own losses, and
   * those of keys that made room.
   *
   * @param now milliseconds of any clock; going back counts as standing still.
   */
  admit(key: string, now: number): { readonly passes: boolean; readonly dropped: readonly Dropped[] } {
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
      bucket.dropped++;
      return { passes: false, dropped: [] };
    }
    bucket.level -= 1;
    const dropped = this.#forgotten;
    this.#forgotten = [];
    if (bucket.dropped > 0) dropped.push({ key, count: bucket.dropped });
    bucket.dropped = 0;
    return { passes: true, dropped };
  }

  /** Everything that was lost and not yet told; the end of a run asks. */
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

  /** Also bounded: beyond as many as there are keys, the counts go together into one. */
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
