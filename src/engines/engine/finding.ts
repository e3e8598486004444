/** A result of an examination of this machine, which `doctor` prints. Engines examine themselves (description.ts). */
export interface Finding {
  /** "note": the feature works, but could work better. "broken": no engine works without it. */
  readonly state: "fine" | "note" | "missing" | "broken";
  /** A sentence without a full stop. */
  readonly what: string;
  /** A remedy, likewise. */
  readonly help?: string | undefined;
}
