/** Places in a policy, as the IR carries them to diagnostics, events and debug information. */

/**
 * A place in one of `Program.files`. Lines and columns count from 1; columns and the length are in UTF-16 units, as in
 * editors. The length does not extend beyond the line.
 */
export interface Location {
  readonly file: number;
  readonly line: number;
  readonly column: number;
  readonly length: number;
}
