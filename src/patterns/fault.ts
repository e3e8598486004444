/**
 * An error in a text that a policy gives for a pattern or a CIDR block. The language front end makes a diagnostic of
 * it: this folder imports nothing.
 */

export type FaultKind =
  /** The text is not of the form. */
  | "malformed"
  /** A CIDR block has bits behind its prefix (P0206). */
  | "host-bits"
  /** An address has a port. */
  | "port";

export interface Fault {
  readonly kind: FaultKind;
  /** The position in the text, in UTF-16 units from 0; at most the text's length. */
  readonly offset: number;
  /** How many UTF-16 units are at fault, at least 1. */
  readonly length: number;
  /** One sentence, no full stop. */
  readonly message: string;
  /** The way out. */
  readonly help: string;
}

export function fault(message: string, help: string, offset: number, length = 1, kind: FaultKind = "malformed"): Fault {
  return { kind, offset, length: Math.max(1, length), message, help };
}
