/** A policy compiled for the engine `seccomp-ebpf`. */
import type { EnginePolicy } from "../engine/engine.ts";

/**
 * | mode | a static denial | every other verdict |
 * | --- | --- | --- |
 * | reported | is enforced and becomes an event | likewise |
 * | quiet | is enforced, without an event | is enforced; reports are events |
 */
export type SeccompEbpfMode = "reported" | "quiet";

export interface SeccompEbpfPolicy extends EnginePolicy {
  readonly mode: SeccompEbpfMode;
  /** The bytes of a bundle (docs/bundle.md), which the launcher loads. */
  readonly bundle: Uint8Array;
  /** A word for each of the bundle's open parameters, in its order. */
  readonly parameters: readonly bigint[];
  /** Indexes in the program of the tables that are maps, in the order of the bundle. */
  readonly mappedTables?: readonly number[];
  /** Bytes of the program's ring buffer. */
  readonly eventsSize: number;
}
