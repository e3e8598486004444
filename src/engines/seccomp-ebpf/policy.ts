/** What compiling a policy for the `seccomp-ebpf` engine gives. */
import type { EnginePolicy } from "../engine.ts";

/**
 * | mode | a static denial | every other verdict |
 * | --- | --- | --- |
 * | reported | is enforced and becomes an event | likewise |
 * | quiet | is enforced, without an event | is enforced; reports are events |
 */
export type SeccompEbpfMode = "reported" | "quiet";

export interface SeccompEbpfPolicy extends EnginePolicy {
  readonly mode: SeccompEbpfMode;
  /** The file that `compile` writes (docs/bundle.md): the launcher loads it. */
  readonly bundle: Uint8Array;
  /** The words of the bundle's open parameters, in its order. */
  readonly parameters: readonly bigint[];
  /** The tables that are maps, by their index in the program, in the order of the bundle. */
  readonly mappedTables?: readonly number[];
  /** Bytes of the program's ring buffer. */
  readonly eventsSize: number;
}
