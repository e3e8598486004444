/** What the supervisor is given: the policy, the listener, and where its records go. */
import type { CompiledStep } from "../../compile/wasm/compile.ts";
import type { PolicyInstance } from "../../compile/wasm/instance.ts";
import type { SupervisorDescriptors } from "./descriptors.ts";
import type { NotifyPolicy } from "./policy.ts";
import type { QuestionsOptions } from "./questions.ts";
import type { RecordSink } from "./records.ts";
import type { StatusSink } from "./status-counts.ts";

export interface SupervisorOptions {
  readonly policy: Pick<
    NotifyPolicy,
    | ("mode" | "needs" | "calls" | "countingCalls" | "askingCalls" | "memoryIsFree")
    | ("memory" | "textFilter" | "rooms" | "readOnlyProc" | "objects" | "catching" | "allowsHandlers" | "description")
  > & {
    readonly step: CompiledStep;
  };
  readonly listener: number;
  /** `struct sock_filter[]`: the whole filter of the tree. */
  readonly filter: Uint8Array;
  readonly descriptors: SupervisorDescriptors;
  /** The command's first process: its id, and a pidfd, which stays the caller's. */
  readonly command: { readonly pid: number; readonly pidfd: number };
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

/** Use the features of this kernel, or only those of Linux 5.9. */
export type KernelFeatures = "present" | "oldest";
