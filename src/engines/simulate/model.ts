/** The words of a simulation: calls, tasks, and what became of each call. */

import type { AdmissionOutcome } from "../../ir/admission.ts";
import type { Location } from "../../ir/location.ts";
import type { Action } from "../../ir/verdicts.ts";
import type { GivenMemories } from "./given-memory.ts";

export interface SimulatedCall {
  readonly number: number;
  /** Registers, 0 … 2^64 − 1; those that are left out are 0. */
  readonly arguments?: readonly bigint[];
  /** `AUDIT_ARCH_…`; the policy's own if left out. */
  readonly architecture?: number;
  readonly instructionPointer?: bigint;
  /** Behind pointers. An omitted one is absent behind a null pointer, and else not known. */
  readonly memory?: GivenMemories | undefined;
  /** In place of `memory`: a word for each of `Program.words`. */
  readonly observed?: readonly bigint[] | undefined;
}

export interface CallOptions {
  /** For each register a mask of its bits that are not known. Their value does not count. */
  readonly unknown?: readonly bigint[];
  readonly unknownInstructionPointer?: bigint;
  /** Beside `observed`: a mask for each word. */
  readonly unknownObserved?: readonly bigint[];
}

/** One thread of a simulated tree. Its methods throw once it has ended. */
export interface SimulatedTask {
  readonly tid: number;
  readonly pid: number;
  readonly process: SimulatedProcess;
  readonly alive: boolean;
  /** Effective, as seen from where the command was started. Children begin with their parent's. */
  uid: number;
  gid: number;
  /**
   * Judges a call. Its effect on the policy's state stands; that the call then happens, `decision.birth` and others say.
   * A call that takes rooms ends at once; one that would have to wait for a room gives up.
   */
  call(call: SimulatedCall, options?: CallOptions): SimulatedDecision;
  /**
   * Judges a call that goes on until `end`. A call that has to wait for a room (`decision.waits`) is admitted when the
   * calls before it have ended, or is late; `begun` says so. Throws while an earlier call goes on.
   */
  begin(call: SimulatedCall, options?: CallOptions): SimulatedDecision;
  /** The call that was begun last. Undefined after `end` and `interrupt`, and if it was refused. */
  readonly begun: BegunCall | undefined;
  /** The call that was begun returns. Throws if none goes on. */
  end(): void;
  /** A signal interrupts the wait of the call that was begun: it leaves, and would be judged again. */
  interrupt(): void;
  /** A new process, by this call with no flags, which is judged first. Throws a `RefusedError` if it may not. */
  fork(by?: "clone" | "fork" | "vfork", tid?: number): SimulatedTask;
  /** A new thread, by clone with the flags of pthread_create, which is judged first. Throws a `RefusedError` likewise. */
  thread(tid?: number): SimulatedTask;
  /** A new process or thread without a judgement: a recording says that it happened. */
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
  /** Those that live, in order of birth. */
  readonly tasks: readonly SimulatedTask[];
}

export interface SimulatedDecision {
  readonly admission: AdmissionOutcome;
  /**
   * "allow", "log", "deny EACCES", "trap", "kill thread" or "kill process"; "unknown" where the bits of the call that
   * are not known decide between several of these; "fails EFAULT" where the memory behind a pointer cannot be copied, so
   * that the call fails without a judgement.
   */
  readonly verdict: string;
  readonly action: Action | "unknown" | "fails";
  /** With a denial and a failure, else 0. */
  readonly errno: number;
  /** The call is made (allow, log); undefined where that is unknown. */
  readonly passes: boolean | undefined;
  readonly reason: string | undefined;
  /** The policy's line, "policies/nginx.ts:29:7"; undefined where no line decided, or it is unknown which. */
  readonly rule: string | undefined;
  readonly at: Location | undefined;
  /**
   * Arguments of whose memory something is not known that may decide about the verdict, state or reports. Memory that is
   * not known is supposed to be readable.
   */
  readonly lacking: readonly string[];
  /** All that it can be, indexes into `Program.verdicts`: one, or more where bits are unknown; none without judgement. */
  readonly possible: readonly number[];
  /** The sides of rooms that the call takes if it passes; where effects are not known, those that it takes in any case. */
  readonly entered: readonly SimulatedRoom[];
  /** Set if the call passes and has to wait for a room. */
  readonly waits: SimulatedWait | undefined;
  /** In order; where effects are not known, those that are made in any case. */
  readonly reports: readonly SimulatedReport[];
  /** False where unknown bits decide about state or reports: the state is uncertain from here on. */
  readonly effectsKnown: boolean;
  readonly phases: { readonly before: PhaseNames; readonly after: PhaseNames };
  /** The call makes a process or a thread and passes (or may): what the parent does next. */
  readonly birth: Birth | undefined;
}

/** Of each declared `phases`, the phase that the caller is in; "unknown" where that is uncertain. */
export type PhaseNames = Readonly<Record<string, string>>;

export type BegunCall =
  | { readonly is: "runs" }
  | { readonly is: "waits"; readonly wait: SimulatedWait }
  /** It has waited too long, and the room's verdict ended it. */
  | { readonly is: "late"; readonly ruling: Pick<SimulatedDecision, "verdict" | "reason" | "rule"> };

/** A wait for a room: for its holders, and for those that wait before this one. */
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
  /** Undefined where the value depends on bits that are not known. */
  readonly values: Readonly<Record<string, bigint | boolean | undefined>>;
  readonly rule: string | undefined;
}

/**
 * A call to make a task that was let through and has not happened yet. The child's state is the parent's as it was at
 * the judgement; until one of these is called, a new process counts as alive. One of them may be called, once.
 */
export interface Birth {
  /** What the call's flags say; clone3's lie behind a pointer. */
  readonly kind: "process" | "thread" | "either";
  /** A new process; `tid` is its number, the next free one if none is given. */
  process(tid?: number): SimulatedTask;
  /** A new thread of the parent's process. */
  thread(tid?: number): SimulatedTask;
  /** The kernel refused: no memory, a limit, an interrupt. */
  fail(): void;
}

/** A phase that no process was in: rules that depend on it never applied. */
export interface NeverEntered {
  /** The name of the declaration, and of the phase. */
  readonly phases: string;
  readonly phase: string;
  readonly at: Location | undefined;
}
