/** What an examination of this machine finds: `doctor` prints it. Engines examine themselves (description.ts). */
export interface Finding {
  /** "note": it works, and could be better. "broken": no engine works without it. */
  readonly state: "fine" | "note" | "missing" | "broken";
  /** A sentence without a full stop. */
  readonly what: string;
  /** The way out, likewise. */
  readonly help?: string | undefined;
}
