/** One simulated thread: passes the calls that a test makes to its tree (tree.ts). */
import type { BirthCall } from "./birth.ts";
import { shownVerdict } from "./decision.ts";
import type {
  BegunCall,
  Birth,
  CallOptions,
  SimulatedCall,
  SimulatedDecision,
  SimulatedProcess,
  SimulatedTask,
} from "./model.ts";
import type { SeenState } from "./repeated-decisions.ts";
import type { Holder } from "./state-keeper.ts";

/** The operations of a tree that its tasks use. */
export interface TaskOperations {
  judge(task: Task, call: SimulatedCall, options: CallOptions): SimulatedDecision;
  begun(task: Task): BegunCall | undefined;
  /** The call of `begin`, or its wait, ends. */
  leave(task: Task): void;
  make(parent: Task, kind: "process" | "thread", tid: number | undefined): Task;
  birthCall(call: BirthCall): SimulatedCall;
  execute(task: Task): void;
  end(tasks: readonly Task[]): void;
}

/** The members of a process that only the tree uses. */
export interface ProcessRecord extends SimulatedProcess {
  readonly tasks: Task[];
  readonly state: Holder<unknown>;
  /** The same object for processes that share their memory. */
  memory: object;
}

/** The policy refused a call that must pass for a test to continue. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  readonly decision: SimulatedDecision;

  constructor(what: string, decision: SimulatedDecision) {
    const because = [decision.reason, decision.rule].filter((part) => part !== undefined).join(", ");
    super(`${what} is not allowed: ${shownVerdict(decision)}${because === "" ? "" : ` (${because})`}`);
    this.decision = decision;
  }
}

export class Task implements SimulatedTask {
  /** @internal Only the tree changes it. */
  record: { tid: number; process: ProcessRecord; state: Holder<unknown>; alive: boolean; readonly births: Set<Birth> };
  uid: number;
  gid: number;
  /** @internal Only the tree uses it. */
  seenState: SeenState | undefined;
  private readonly operations: TaskOperations;

  constructor(operations: TaskOperations, record: Task["record"], ids: { uid: number; gid: number }) {
    this.operations = operations;
    this.record = record;
    this.uid = ids.uid;
    this.gid = ids.gid;
  }

  get tid(): number {
    return this.record.tid;
  }

  get process(): SimulatedProcess {
    return this.record.process;
  }

  get pid(): number {
    return this.record.process.pid;
  }

  get alive(): boolean {
    return this.record.alive;
  }

  call(call: SimulatedCall, options: CallOptions = {}): SimulatedDecision {
    const decision = this.begin(call, options);
    this.operations.leave(this);
    return decision;
  }

  begin(call: SimulatedCall, options: CallOptions = {}): SimulatedDecision {
    const { begun } = this.living();
    if (begun !== undefined && begun.is !== "late")
      throw new Error(`thread ${this.tid} has begun a call that has not ended`);
    return this.operations.judge(this, call, options);
  }

  get begun(): BegunCall | undefined {
    return this.operations.begun(this);
  }

  end(): void {
    if (this.living().begun?.is !== "runs") throw new Error(`no call of thread ${this.tid} runs`);
    this.operations.leave(this);
  }

  interrupt(): void {
    if (this.living().begun?.is !== "waits") throw new Error(`no call of thread ${this.tid} waits`);
    this.operations.leave(this);
  }

  fork(by: "clone" | "fork" | "vfork" = "clone", tid?: number): SimulatedTask {
    return this.judgedBirth(by, by).process(tid);
  }

  thread(tid?: number): SimulatedTask {
    return this.judgedBirth("clone, for a thread,", "thread").thread(tid);
  }

  make(kind: "process" | "thread", tid?: number): SimulatedTask {
    return this.operations.make(this.living(), kind, tid);
  }

  execute(): void {
    this.operations.execute(this.living());
  }

  exit(): void {
    this.operations.end([this.living()]);
  }

  exitGroup(): void {
    this.operations.end([...this.living().record.process.tasks]);
  }

  private judgedBirth(what: string, call: BirthCall): Birth {
    const decision = this.call(this.operations.birthCall(call));
    if (decision.passes !== true || decision.birth === undefined) throw new RefusedError(what, decision);
    return decision.birth;
  }

  private living(): this {
    if (!this.record.alive) throw new Error(`thread ${this.tid} of process ${this.pid} has ended`);
    return this;
  }
}
