/**
 * The type of a recorder: a way to see the calls of a command and its descendants. Each recorder is a folder and a line
 * in session/registry.ts.
 */

import type { ArchitectureName } from "../../abi/architecture.ts";
import type { Started } from "../../engines/launcher/launcher.ts";
import type { TraceAssembler } from "./assembler.ts";

export interface RecorderOptions {
  readonly architecture: ArchitectureName;
  readonly assembler: TraceAssembler;
  /** The start of the recording, in nanoseconds of CLOCK_MONOTONIC. */
  readonly base: bigint;
  /** The reads behind the pointers of calls. */
  readonly memory: boolean;
}

/** Processes that run already: one and its descendants, or those of a cgroup of version 2 and of those below it. */
export type AttachTarget =
  | { readonly is: "process"; readonly pid: number }
  | { readonly is: "cgroup"; readonly folder: string };

/** A task that was there when the recording began. */
export interface FoundTask {
  readonly tid: number;
  /** The first of all, the first of another process, or a further thread. */
  readonly is: "start" | "fork" | "thread";
  /** An earlier task: of the parent, of the first process if the parent is not recorded, or of the same process. */
  readonly by: number;
}

export interface Recording {
  /**
   * Passes recent events to the assembler, as many as fit into little memory. `isOver`: no task is left. Returns the time
   * up to which all events have been passed, in nanoseconds since the start; infinite if no event is left.
   */
  poll(isOver: boolean): number;
  /** How many events were lost; undefined if that is unknown. */
  lost(): number | undefined;
  /** Resolves when no task is left to record. `treeHasEnded`: the launcher has reported the end of the tree. */
  ended(treeHasEnded: boolean): Promise<void>;
  close(): void;
}

/** A command that is recorded. */
export interface StartedRecording extends Recording {
  readonly started: Pick<Started, "socket" | "launcher" | "pid" | "pidfd">;
}

/** Running processes that are recorded. */
export interface AttachedRecording extends Recording {
  /** At least one. */
  readonly found: readonly FoundTask[];
}

/** Whether a recorder works on this machine; sentences without a full stop. */
export type Availability = { readonly works: true } | { readonly works: false; readonly why: string };

/** A member of it is a line in session/registry.ts, too, and a row in bench/record.ts and test/live/record.test.ts. */
export type RecorderName = "tracefs" | "notifier";

export interface Recorder<Name extends RecorderName = RecorderName> {
  readonly name: Name;
  /** A description for help pages. */
  readonly summary: string;
  probe(): Availability;
  /** The limits of its recordings, for their header: sentences without a full stop. */
  unknown(options: Pick<RecorderOptions, "memory">): readonly string[];
  /** @throws StartError if the command was not started */
  start(command: readonly string[], options: RecorderOptions): Promise<StartedRecording>;
  /** @throws StartError if the processes cannot be recorded */
  attach?(target: AttachTarget, options: RecorderOptions): AttachedRecording;
}
