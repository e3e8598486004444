/**
 * The supervisor: receives what the filter asks, has the policy judge it, and answers.
 *
 * One judgement is: fused native call → `step` → fused native call. The thread that runs this does nothing else, so an
 * evaluation is atomic. Anything that goes wrong in here denies: from the first internal error on, everything.
 */
import { readFileSync } from "node:fs";
import type { CompiledStep } from "../../compile/wasm/compile.ts";
import { instantiate, type PolicyInstance, takeReports } from "../../compile/wasm/instance.ts";
import type { EventRecord, JudgementRecord, Refusal } from "../../events/record.ts";
import type { Action } from "../../ir/verdicts.ts";
import { type ArchitectureName, auditArchitecture, x32Bit } from "../../linux/architecture.ts";
import { callNumber } from "../../linux/call-numbers.ts";
import { close, createEpoll, pollBits, pollFor } from "../../linux/descriptors.ts";
import { native } from "../../linux/native.ts";
import { openProcess, openThread, signalProcess } from "../../linux/pidfd.ts";
import { notificationIsValid, notifyRequest, useSynchronousWakeUp } from "../../linux/seccomp.ts";
import { BirthWatch } from "./births.ts";
import { JudgementMemory } from "./memory.ts";
import { callTrait, type NotifyPolicy } from "./policy.ts";
import { readStatus, TaskRegistry, type Thread, type Unidentified } from "./tasks.ts";

const errno = { EPERM: 1, ENOSYS: 38 } as const;
const sigkill = 9;
const cloneFlags = { thread: 0x0001_0000n, untraced: 0x0080_0000n } as const;
/** Milliseconds between looks at what is traced, while no call comes. */
const traceInterval = 0.1;

/** Where records of judgements go. */
export interface RecordSink {
  /** May this one be made? Asked first, because making one costs more than the judgement. */
  wants(key: string, now: number): boolean;
  put(record: EventRecord): void;
}

export interface SupervisorOptions {
  readonly policy: Pick<NotifyPolicy, "mode" | "needs" | "calls" | "description"> & { readonly step: CompiledStep };
  readonly listener: number;
  /** The command's first process. */
  readonly command: number;
  readonly sink: RecordSink;
  readonly kernel: KernelFeatures;
}

/** Use what this kernel has, or only what Linux 5.9 had. */
export type KernelFeatures = "present" | "oldest";

/** Whether a kernel's release ("6.18.44-amd64") is at least this. */
export function kernelAtLeast(release: string, major: number, minor: number): boolean {
  const [a = 0, b = 0] = release.split(".").map(Number);
  return a > major || (a === major && b >= minor);
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #native = native();
  readonly #instance: PolicyInstance;
  readonly #memory: JudgementMemory;
  readonly #registry: TaskRegistry;
  readonly #births: BirthWatch;
  readonly #epoll: number;
  readonly #deaths = new Uint32Array(64);
  readonly #endsWithoutUsers: boolean;
  readonly #actions: readonly Action[];
  readonly #audit: boolean;
  readonly #architecture: number;
  readonly #isX86: boolean;
  /** Whether the thread or the process that calls must be known to judge it. */
  readonly #identifies: boolean;
  /** Addresses of the cells that hold phases, with the scope whose state they are in. */
  readonly #phases: readonly { readonly scope: "thread" | "process" | "tree"; readonly offset: number }[];
  readonly #clone: number;
  readonly #clone3: number;
  #failed = false;

  constructor(options: SupervisorOptions, release: string) {
    const { policy, listener, kernel } = options;
    this.#options = options;
    this.#instance = instantiate(policy.step);
    this.#memory = new JudgementMemory(this.#instance);
    this.#endsWithoutUsers = kernel === "present" && kernelAtLeast(release, 6, 11);
    const { needs, description } = policy;
    this.#identifies = needs.threads || needs.processes || needs.processId || needs.credentials;
    this.#epoll = this.#identifies || needs.births ? createEpoll() : -1;
    this.#registry = new TaskRegistry(this.#memory, needs, this.#epoll, {
      threadDescriptors: kernel === "present" && hasThreadDescriptors(),
      descriptorsTellWho: kernel === "present",
    });
    this.#births = new BirthWatch(
      this.#registry,
      (pid) => this.#kill(pid),
      (pid, why) => this.#notice(`process ${pid} was killed at its birth: ${why}`),
    );
    this.#actions = description.verdicts.map(({ action }) => action);
    this.#audit = policy.mode === "audit";
    const architecture: ArchitectureName = description.architecture;
    this.#architecture = auditArchitecture[architecture];
    this.#isX86 = architecture === "x86_64";
    this.#clone = callNumber("clone", architecture);
    this.#clone3 = callNumber("clone3", architecture);
    this.#phases = phaseCells(policy.step, description.phases);
    this.#bind();
    if (kernel === "present") useSynchronousWakeUp(listener);
    if (needs.births && !this.#registry.adopt(options.command)) this.#fail("the command cannot be followed");
  }

  /** Returns when no task is left under the filter. */
  run(): void {
    const { listener } = this.#options;
    let answer = false;
    for (;;) {
      if (this.#births.busy) {
        if (answer) this.#send();
        answer = false;
        this.#births.advance();
        if (this.#births.busy && (pollFor([listener], traceInterval)[0]! & (pollBits.in | pollBits.hangUp)) === 0)
          continue;
      }
      const deaths = this.#native.next(answer);
      answer = false;
      if (deaths < 0) {
        if ((pollFor([listener], 0)[0]! & pollBits.hangUp) !== 0) break;
        continue;
      }
      if (deaths > 0) this.#bury(deaths);
      answer = this.#judgeSafely();
    }
    close(listener);
  }

  /** Where it fails, the call is denied, and so is every later one. */
  #judgeSafely(): boolean {
    try {
      if (!this.#failed) return this.#judge();
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
    return this.#refuse("supervisor-failed", errno.ENOSYS);
  }

  // ── A judgement ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** True where an answer lies in the memory and is to be sent; false where it has been sent. */
  #judge(): boolean {
    const memory = this.#memory;
    const { number, tid } = memory;
    if (memory.architecture !== this.#architecture) return this.#refuse("foreign-abi", errno.ENOSYS);
    const traits = number < this.#options.policy.calls.length ? this.#options.policy.calls[number]! : 0;
    if (traits === 0) {
      const isX32 = this.#isX86 && number !== 0xffff_ffff && (number & x32Bit) !== 0;
      return this.#refuse(isX32 ? "foreign-abi" : "unknown-call", errno.ENOSYS);
    }
    if (tid === 0) return this.#refuse("invisible-task", errno.EPERM);

    const { needs } = this.#options.policy;
    let caller: Thread | undefined;
    if (this.#identifies) {
      const found = this.#registry.find(tid) ?? this.#discover(tid);
      if (typeof found === "string") return this.#refuseUnidentified(found);
      caller = found;
      memory.setProcess(caller.process.pid);
      if (needs.credentials) {
        const credentials = this.#registry.credentials(caller);
        if (credentials === undefined) return this.#refuse("invisible-task", errno.EPERM);
        memory.setCredentials(credentials.uid, credentials.gid);
      }
    }
    if (needs.alive) memory.setAlive(this.#registry.alive);

    const phases = this.#phases.length === 0 ? noPhases : this.#readPhases(caller);
    const verdict = this.#instance.step(caller?.slot ?? 0, caller?.process.slot ?? 0);
    const action = this.#actions[verdict]!;
    const passes = action === "allow" || action === "log" || this.#audit;
    if (action !== "allow" || memory.reportCount !== 0) this.#record(verdict, action, caller, phases);

    if (passes) {
      if (traits === callTrait.judged) {
        memory.pass();
        return true;
      }
      return this.#passFollowed(traits, caller);
    }
    if (action === "deny") {
      memory.refuse(this.#options.policy.description.verdicts[verdict]!.errno);
    } else {
      // A trap cannot come here (compile.ts refuses it), and a killed thread takes its process along.
      this.#killCaller(caller);
      memory.refuse(errno.EPERM);
    }
    return true;
  }

  #discover(tid: number): Thread | Unidentified {
    const { listener } = this.#options;
    const id = this.#memory.id();
    const found = this.#registry.discover(tid, () => notificationIsValid(listener, id));
    this.#bind();
    return found;
  }

  #refuseUnidentified(why: Unidentified): boolean {
    if (why === "gone") {
      // Nobody waits for this answer, or nobody whom we can see.
      this.#memory.refuse(errno.EPERM);
      return true;
    }
    return this.#refuse("unseen-child", errno.EPERM);
  }

  /** Calls that make a process, or that may change who has which id. */
  #passFollowed(traits: number, caller: Thread | undefined): boolean {
    const memory = this.#memory;
    const { number, tid } = memory;
    if ((traits & callTrait.creates) !== 0) {
      // Its flags lie behind a pointer. C libraries fall back to clone on this errno.
      if (number === this.#clone3) return this.#refuse("unseen-child", errno.ENOSYS);
      const flags = number === this.#clone ? memory.argument(0) : 0n;
      if ((flags & cloneFlags.thread) === 0n) return this.#passCreation(flags, caller);
    } else if ((traits & callTrait.executes) !== 0 && caller !== undefined && caller.process.pid !== tid) {
      const seized = this.#births.seize(tid);
      if (seized < 0) return this.#refuse("unseen-child", errno.EPERM);
      if (this.#passSeized(tid)) this.#births.awaitExecution(tid);
      return false;
    }
    memory.pass();
    return true;
  }

  #passCreation(flags: bigint, caller: Thread | undefined): boolean {
    const { tid } = this.#memory;
    // Its child would not stop for us. Nothing but an attempt to get away uses it.
    if ((flags & cloneFlags.untraced) !== 0n) return this.#refuse("unseen-child", errno.EPERM);
    const seized = this.#births.seize(tid);
    if (seized < 0) return this.#refuse("unseen-child", errno.EPERM);
    const birth = this.#registry.conceive(caller);
    this.#bind();
    if (!this.#passSeized(tid)) {
      this.#registry.miscarry(birth);
      return false;
    }
    this.#births.awaitBirth(tid, birth);
    this.#births.advanceEagerly();
    return false;
  }

  /** Sends "go on" to a seized caller. False where it was interrupted first: it is let go. */
  #passSeized(tid: number): boolean {
    this.#memory.pass();
    if (this.#send()) return true;
    this.#births.release(tid);
    return false;
  }

  /** True where the caller has got the answer. */
  #send(): boolean {
    const response = this.#memory.bytes().subarray(80, 104);
    return this.#native.syscall(callNumber("ioctl"), this.#options.listener, notifyRequest.send, response) === 0;
  }

  // ── Refusals of our own, and their events ─────────────────────────────────────────────────────────────────────────

  #refuse(refusal: Refusal, number: number): boolean {
    this.#memory.refuse(number);
    const { sink } = this.#options;
    const now = Date.now();
    const key = `${refusal} ${this.#memory.number}`;
    if (sink.wants(key, now))
      sink.put({
        ...this.#callRecord(now, undefined),
        verdict: refusal,
        errno: number,
        phases: [],
        reports: [],
        audit: false,
      });
    return true;
  }

  #record(verdict: number, action: Action, caller: Thread | undefined, phases: readonly number[]): void {
    const reports = this.#memory.reportCount === 0 ? [] : takeReports(this.#instance.memory);
    const { sink } = this.#options;
    const now = Date.now();
    // Reports of an allowed call are counted by what they report, denials by the rule and the call.
    const key =
      action === "allow" ? `report ${reports.map(({ report }) => report).join()}` : `${verdict} ${this.#memory.number}`;
    if (!sink.wants(key, now)) return;
    sink.put({ ...this.#callRecord(now, caller), verdict, phases, reports, audit: this.#audit && action !== "allow" });
  }

  #callRecord(
    time: number,
    caller: Thread | undefined,
  ): Omit<JudgementRecord, "verdict" | "phases" | "reports" | "audit"> {
    const { tid, architecture, number } = this.#memory;
    const described = describeTask(tid);
    return {
      kind: "judgement",
      time,
      pid: caller?.process.pid ?? described.pid,
      tid,
      command: described.command,
      architecture,
      number: number | 0,
      arguments: this.#memory.arguments(),
    };
  }

  #notice(text: string): void {
    this.#options.sink.put({ kind: "notice", time: Date.now(), text });
  }

  #fail(why: string): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#notice(`the supervisor failed and denies everything from now on: ${why}`);
  }

  #readPhases(caller: Thread | undefined): readonly number[] {
    const bases = { thread: caller?.slot ?? 0, process: caller?.process.slot ?? 0, tree: this.#instance.layout.tree };
    return this.#phases.map(({ scope, offset }) => this.#memory.lowWord(bases[scope] + offset));
  }

  // ── Tasks ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #bury(count: number): void {
    for (let more = count; more > 0; ) {
      for (let index = 0; index < more; index++) this.#registry.ended(this.#deaths[index]!);
      more = more === this.#deaths.length ? this.#native.deaths() : 0;
    }
  }

  /** SIGKILL through a pidfd, which cannot hit another process, while the caller waits for its answer. */
  #killCaller(caller: Thread | undefined): void {
    if (caller !== undefined) {
      signalProcess(caller.process.pidfd, sigkill);
      return;
    }
    const { tid } = this.#memory;
    let pidfd = openThread(tid);
    if (pidfd < 0) {
      const identity = { process: 0, uid: 0, gid: 0 };
      pidfd = readStatus(tid, identity) ? openProcess(identity.process) : -1;
    }
    if (pidfd < 0) return;
    if (notificationIsValid(this.#options.listener, this.#memory.id())) signalProcess(pidfd, sigkill);
    close(pidfd);
  }

  /** Only for tracees of ours: not reaped before we let them go, so the id is theirs. */
  #kill(pid: number): void {
    this.#native.syscall(callNumber("kill"), pid, sigkill);
  }

  /** The addon works on the memory's present buffer. */
  #bind(): void {
    this.#native.supervise(
      this.#memory.bytes(),
      this.#deaths,
      this.#options.listener,
      this.#epoll,
      this.#endsWithoutUsers,
    );
  }
}

const noPhases: readonly number[] = [];

function phaseCells(step: CompiledStep, phases: readonly { readonly cell: number }[]) {
  const scopes = ["thread", "process", "tree"] as const;
  return phases.map(({ cell }) => {
    for (const scope of scopes) {
      const found = step.layout.scopes[scope].cells.find((one) => one.cell === cell);
      if (found !== undefined) return { scope, offset: found.offset };
    }
    throw new Error(`cell ${cell} has no place in memory`);
  });
}

function hasThreadDescriptors(): boolean {
  const descriptor = openThread(process.pid);
  if (descriptor >= 0) close(descriptor);
  return descriptor >= 0;
}

/** For people only: name and process of a task, as far as /proc still knows. */
function describeTask(tid: number): { readonly pid: number; readonly command: string | undefined } {
  const identity = { process: tid, uid: 0, gid: 0 };
  if (tid === 0 || !readStatus(tid, identity)) return { pid: tid, command: undefined };
  try {
    return { pid: identity.process, command: readFileSync(`/proc/${tid}/comm`, "utf8").replace(/\n$/, "") };
  } catch {
    return { pid: identity.process, command: undefined };
  }
}
