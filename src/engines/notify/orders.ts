/** The messages between the supervisor's thread and the thread that gives it trees (supervision.ts, worker.ts). */
import type { CompiledStep } from "../../backend/wasm/compile.ts";
import type { EventRecord } from "../../events/record.ts";
import type { StateSnapshot } from "../engine/status.ts";
import type { EndOrder } from "../engine/thread.ts";
import type { PostedQuestion } from "./questions.ts";
import type { Supervisor } from "./supervisor.ts";
import type { SupervisorOptions } from "./supervisor-options.ts";

/** The data that the thread starts with. */
export interface WorkerData {
  /** The addon's path, because the source may come from memory and then cannot find the addon itself. */
  readonly addon: string;
  /** Undefined: it supervises one tree, and then ends. */
  readonly many: ManyTrees | undefined;
}

export interface ManyTrees {
  /** An eventfd, made readable after each order. */
  readonly event: number;
  /** Word 0: the number of orders so far. */
  readonly orders: Int32Array;
  /** An eventfd, made readable before the order to suspend. */
  readonly wake: number;
  /** It stays on the processor with this index, see stayOnProcessor. */
  readonly processor: number;
  /** Word 0: the milliseconds that its turns have taken. */
  readonly used: Float64Array;
}

/** A policy for trees that follow; undefined: no other tree follows. */
export interface PolicyOrder {
  readonly kind: "policy";
  readonly key: number;
  readonly policy: SupervisorOptions["policy"] | undefined;
}

/** No other tree with this state follows. */
export interface StateOrder {
  readonly kind: "forget-state";
  readonly state: number;
}

/** Allocate the memory of a tree's policy, and answer "ready". */
export interface PreparationOrder {
  readonly kind: "prepare";
  readonly step: CompiledStep;
}

/** Suspend all trees; each is reported as suspended or finished. No order to supervise follows. */
export interface SuspendOrder {
  readonly kind: "suspend";
}

/** Supervise a tree. */
export interface SuperviseOrder
  extends Omit<SupervisorOptions, "sink" | "instance" | "status" | "questions" | "policy" | "joined" | "isOneOfMany"> {
  readonly kind: "supervise";
  /** The tree's number in the messages about it. */
  readonly tree: number;
  /** The number of a PolicyOrder. */
  readonly policy: number;
  /** Trees with the same number share their state. */
  readonly state: number;
  /** Word 0: the number of its records in transit. */
  readonly underWay: Int32Array;
  /** Counts in shared memory (engines/engine/status.ts). */
  readonly status: Uint32Array | undefined;
  /** Answers in shared memory (engines/engine/approval.ts). */
  readonly answers: Int32Array | undefined;
}

export type WorkerOrder = PolicyOrder | StateOrder | PreparationOrder | SuspendOrder | SuperviseOrder | EndOrder;

export type WorkerMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "record"; readonly tree: number; readonly record: EventRecord }
  | { readonly kind: "snapshot"; readonly tree: number; readonly snapshot: StateSnapshot }
  | { readonly kind: "question"; readonly tree: number; readonly question: PostedQuestion }
  /** `saved`: see Supervisor.save. */
  | { readonly kind: "suspended"; readonly tree: number; readonly saved: ReturnType<Supervisor["save"]> }
  /** No task is left under the filter; `why`: the supervision has failed, and the listener is closed. */
  | { readonly kind: "finished"; readonly tree: number; readonly why: string | undefined };
