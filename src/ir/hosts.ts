/**
 * The hosts to which a policy restricts its tree, by name. A proxy of the run decides, not the step: the tree reaches hosts only
 * by it (src/engines/hosts).
 */
import type { HostPattern } from "../hosts/names.ts";
import type { Location } from "./location.ts";

/** The list of one policy. A host must be in the lists of all. */
export interface HostRules {
  readonly patterns: readonly HostPattern[];
  readonly at: Location;
}
