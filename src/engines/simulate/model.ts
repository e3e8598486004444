/** The types of a simulation: calls, tasks, and decisions. */

import type { AdmissionOutcome } from "../../ir/admission.ts";
import type { Location } from "../../ir/location.ts";
import type { Action } from "../../ir/verdicts.ts";
import type { GivenMemories, LackingMemory } from "./given-memory.ts";

export interface SimulatedCall {
  readonly number: number;
  /** Registers, 0 … 2^64 − 1; omitted ones are 0. */
  readonly arguments?: readonly bigint[];
  /** `AUDIT_ARCH_…`; the policy's own if left out. */
  readonly architecture?: number;
  readonly instructionPointer?: bigint;
  /** Memory behind pointers. Omitted memory is absent behind a null pointer, otherwise unknown. */
  readonly memory?: GivenMemories | undefined;
  /** In place of `memory`: a word for each of `Program.words`. */
  readonly observed?: readonly bigint[] | undefined;
  /** The same object for calls that are equal, also in the options of `call`: their decisions can be the same object. */
  readonly content?: object | undefined;
}

export interface CallOptions {
  /** For each register a mask of its unknown bits, whose value is ignored. */
  readonly unknown?: readonly bigint[];
  readonly unknownInstructionPointer?: bigint;
  /** With `observed`: a mask for each word. */
  readonly unknownObserved?: readonly bigint[];
  /** A person allows the call, if the policy asks. Otherwise such a call fails and has no effects. Default false. */
  readonly allowed?: boolean;
}

/** One thread of a simulated tree. Its methods throw once it has ended. */
export interface SimulatedTask {
  readonly tid: number;
  readonly pid: number;
  readonly process: SimulatedProcess;
  readonly alive: boolean;
  /** Effective ids in the user namespace of the command's start. Children start with their parent's. */
  uid: number;
  gid: number;
  /**
   * Judges a call, with its effects on the policy's state. The kernel's part, such as a new process, is simulated through
   * `decision.birth` and the methods below. A call that takes rooms ends at once, or gives up if it would have to wait.
   */
  call(call: SimulatedCall, options?: CallOptions): SimulatedDecision;
  /**
   * Judges a call that lasts until `end`. A call that has to wait for a room (`decision.waits`) is admitted when the calls
   * before it have ended, or is late: see `begun`. Throws during an earlier call.
   */
  begin(call: SimulatedCall, options?: CallOptions): SimulatedDecision;
  /** The last call of `begin`. Undefined after `end` and `interrupt`, and if it was refused. */
  readonly begun: BegunCall | undefined;
  /** The call of `begin` returns. Throws without such a call. */
  end(): void;
  /** A signal interrupts the wait of the call of `begin`: the call leaves, and would be judged again. */
  interrupt(): void;
  /** A new process, by this call without flags, which is judged first. Throws a `RefusedError` if the policy refuses it. */
  fork(by?: "clone" | "fork" | "vfork", tid?: number): SimulatedTask;
  /** A new thread, by clone with the flags of pthread_create, which is judged first. Throws a `RefusedError` likewise. */
  thread(tid?: number): SimulatedTask;
  /** A new process or thread without a judgement, because a recording contains it. */
  make(kind: "process" | "thread", tid?: number): SimulatedTask;
  /**
   * Another program is executed: the process's other threads end, and this one takes the leader's number. The state
   * stays. (The call itself is judged by `call`.)
   */
  execute(): void;
  /** The thread ends, and with the last one its process. Forks in flight fail. */
  exit(): void;
  /** All threads of the process end. */
  exitGroup(): void;
}

/** A thread group. */
export interface SimulatedProcess {
  readonly pid: number;
  /** The living ones, in the order of their creation. */
  readonly tasks: readonly SimulatedTask[];
}

export interface SimulatedDecision {
  readonly admission: AdmissionOutcome;
  /**
   * "allow", "log", "ask", "deny EACCES", "trap", "kill thread" or "kill process"; "unknown" if unknown bits of the call decide
   * between several of these; "fails EFAULT" if the memory behind a pointer cannot be copied, so that the call fails
   * without a judgement.
   */
  readonly verdict: string;
  readonly action: Action | "unknown" | "fails";
  /** The errno of a denial or a failure, else 0. */
  readonly errno: number;
  /** Whether the call is made (allow, log, ask with `allowed`); undefined if unknown. */
  readonly passes: boolean | undefined;
  readonly reason: string | undefined;
  /** The policy's line, "policies/nginx.ts:29:7"; undefined if no line decided, or if the line is unknown. */
  readonly rule: string | undefined;
  readonly at: Location | undefined;
  /**
   * Unknown memory that may affect the verdict, state or reports. The simulation assumes that it is readable.
   */
  readonly lacking: readonly LackingMemory[];
  /** The possible verdicts, as indexes into `Program.verdicts`: one, more with unknown bits, none without a judgement. */
  readonly possible: readonly number[];
  /** The sides of rooms that the call takes if it passes; with unknown effects, those that it certainly takes. */
  readonly entered: readonly SimulatedRoom[];
  /** Set if the call passes and has to wait for a room. */
  readonly waits: SimulatedWait | undefined;
  /** In order; with unknown effects, those that are certainly made. */
  readonly reports: readonly SimulatedReport[];
  /** False if unknown bits decide about state or reports; the state is uncertain from then on. */
  readonly effectsKnown: boolean;
  readonly phases: { readonly before: PhaseNames; readonly after: PhaseNames };
  /** Set if the call makes a process or a thread and passes (or may pass): its outcome in the kernel. */
  readonly birth: Birth | undefined;
}

/** For each declared `phases`, the caller's phase, or "unknown". */
export type PhaseNames = Readonly<Record<string, string>>;

export type BegunCall =
  | { readonly is: "runs" }
  | { readonly is: "waits"; readonly wait: SimulatedWait }
  /** It has waited too long, and got the room's verdict. */
  | { readonly is: "late"; readonly ruling: Pick<SimulatedDecision, "verdict" | "reason" | "rule"> };

/** A wait for a room: for its holders, and for the earlier waiting calls. */
export interface SimulatedWait {
  readonly room: string;
  readonly behind: readonly SimulatedTask[];
}

export interface SimulatedRoom {
  readonly room: string;
  readonly side: string;
}

export interface SimulatedReport {
  readonly text: string;
  /** A value is undefined if it depends on unknown bits. */
  readonly values: Readonly<Record<string, bigint | boolean | undefined>>;
  readonly rule: string | undefined;
}

/**
 * The outcome of an allowed call that makes a task. The child's state is the parent's at the judgement. Until one of these
 * methods is called, a new process counts as alive. Only one of them may be called, once.
 */
export interface Birth {
  /** By the call's flags; clone3's are behind a pointer. */
  readonly kind: "process" | "thread" | "either";
  /** A new process; `tid` is its number, the next free one if none is given. */
  process(tid?: number): SimulatedTask;
  /** A new thread of the parent's process. */
  thread(tid?: number): SimulatedTask;
  /** The kernel refused: no memory, a limit, an interrupt. */
  fail(): void;
}

/** A phase that no process ever entered, so rules that depend on it never applied. */
export interface NeverEntered {
  /** The name of the declaration, and of the phase. */
  readonly phases: string;
  readonly phase: string;
  readonly at: Location | undefined;
}
