/** One line of `doctor`'s report. */
export interface Finding {
  /** "note": it works, and could be better. "broken": no engine works without it. */
  readonly state: "fine" | "note" | "missing" | "broken";
  readonly what: string;
  readonly help?: string | undefined;
}
