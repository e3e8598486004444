/** What the supervisor is given: the policy, the listener, and where its records go. */
import type { PolicyInstance } from "../../backend/wasm/instance.ts";
import type { SupervisorDescriptors } from "./descriptors.ts";
import type { JudgementMemory } from "./policy/memory.ts";
import type { JudgedPolicy } from "./policy/policy.ts";
import type { QuestionsOptions } from "./questions.ts";
import type { RecordSink } from "./records/records.ts";
import type { StatusSink } from "./status-counts.ts";
import type { SavedState, SavedTree } from "./tasks/saved.ts";
import type { TaskRegistry } from "./tasks/tasks.ts";

export interface SupervisorOptions {
  readonly policy: JudgedPolicy;
  readonly listener: number;
  /** `struct sock_filter[]`: the whole filter of the tree. */
  readonly filter: Uint8Array;
  readonly descriptors: SupervisorDescriptors;
  /**
   * The command's first process: its id, and a pidfd, which stays the caller's. Undefined if a container runtime has installed
   * the filter: one that reports at least what `filter` reports, before it executes the command.
   */
  readonly command: { readonly pid: number; readonly pidfd: number } | undefined;
  /** This thread supervises many trees (trees.ts). */
  readonly isOneOfMany: boolean;
  /** The state is that of this other supervisor in the same thread: of another process of the same container. */
  readonly joined?: SharedState | undefined;
  /** Another supervisor has had the tree before. */
  readonly saved?: { readonly state: SavedState; readonly tree: SavedTree } | undefined;
  readonly sink: RecordSink;
  readonly kernel: KernelFeatures;
  /** See NotifyRunOptions. */
  readonly interruptsForks: boolean;
  /** The instance of the policy's step, if it exists already. */
  readonly instance?: PolicyInstance | undefined;
  readonly status?: StatusSink | undefined;
  /** Undefined without a person who answers: such a call fails. */
  readonly questions?: Pick<QuestionsOptions, "words" | "put"> | undefined;
}

/** What the supervisors of one container share. Its descriptors are those of the first one. */
export interface SharedState {
  readonly memory: JudgementMemory;
  readonly registry: TaskRegistry;
  /** Watches the known tasks. */
  readonly epoll: number;
  /** Threads with a prepared clone3 that makes a process. Their forks count as alive since their judgement. */
  readonly preparedForks: Set<number>;
}

/** Use the features of this kernel, or only those of Linux 5.9. */
export type KernelFeatures = "present" | "oldest";
