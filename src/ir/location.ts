/** Source locations of a policy, as the IR carries them to diagnostics, events and debug information. */

/**
 * A location in one of `Program.files`. Lines and columns count from 1; columns and length are in UTF-16 units, as in
 * editors. The length does not extend beyond the line.
 */
export interface Location {
  readonly file: number;
  readonly line: number;
  readonly column: number;
  readonly length: number;
  /** How much of the construct follows on further lines, with the line end; absent if nothing does. */
  readonly further?: number;
}

/** The location as a diagnostic shows it. Undefined if its file has no name. */
export function spanOf({ files }: { readonly files: readonly string[] }, at: Location | undefined) {
  const file = at && files[at.file];
  return file === undefined ? undefined : { file, line: at!.line, column: at!.column, length: Math.max(1, at!.length) };
}
