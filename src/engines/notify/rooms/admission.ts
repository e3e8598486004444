/**
 * What becomes of a judged call that enters rooms, for the supervisor's loop. The answer is one of three, as for every call:
 * it lies in the memory and is to be sent; it was given already; it is given later, because the call waits.
 */
import { enteredRooms } from "../../../compile/wasm/instance.ts";
import type { EnteredRoom } from "../../../ir/evaluation.ts";
import type { Room } from "../../../ir/program.ts";
import type { ArchitectureName } from "../../../linux/architecture.ts";
import { errno } from "../../../linux/errno-numbers.ts";
import { creatingCalls, executingCalls, numbersOf } from "../../../linux/process-calls.ts";
import { notificationIsValid } from "../../../linux/seccomp.ts";
import type { JudgementMemory } from "../memory.ts";
import type { ServedCalls } from "../objects/served-calls.ts";
import type { PendingCall, Pinning, PreparedCall } from "../pin/pinning.ts";
import { whyPtraceRefused } from "../ptrace-refusal.ts";
import type { Records } from "../records.ts";
import type { Thread } from "../tasks.ts";
import { packEntered, unpackEntered } from "./entered.ts";
import { type JudgeLate, PlainEntering, ReportedEntering, ServedEntering } from "./entering.ts";
import { RoomKeeper } from "./keeper.ts";

export interface AdmissionOptions {
  readonly rooms: readonly Room[];
  readonly architecture: ArchitectureName;
  readonly listener: number;
  readonly pinning: Pinning;
  readonly memory: JudgementMemory;
  readonly records: Records;
  readonly judgeLate: JudgeLate;
}

export class Admission {
  readonly keeper: RoomKeeper;
  readonly #options: AdmissionOptions;
  /** Calls that can hold no room: they return in two tasks, or in another program. */
  readonly #unheld: ReadonlySet<number>;

  constructor(options: AdmissionOptions) {
    const { rooms, architecture, listener, pinning } = options;
    this.#options = options;
    this.keeper = new RoomKeeper(rooms, pinning, listener);
    this.#unheld = new Set(numbersOf([...creatingCalls, ...executingCalls], architecture));
  }

  /** The rooms that the judged call takes, if its verdict lets it run. */
  get entered(): readonly EnteredRoom[] {
    const { memory, rooms } = this.#options;
    return enteredRooms(memory.instance, rooms.length);
  }

  /** False where the call can hold no room and is to be refused (EPERM). The event is made. */
  canHold(entered: readonly EnteredRoom[]): boolean {
    const { memory, records } = this.#options;
    if (entered.length === 0 || !this.#unheld.has(memory.number)) return true;
    records.putRefusal("unheld", errno.EPERM, { enter: "creates" });
    return false;
  }

  /** A call that is made as it is. True where the answer lies in the memory. */
  enter(call: PendingCall, caller: Thread, entered: readonly EnteredRoom[]): boolean {
    const { keeper } = this;
    const { memory, records, listener, judgeLate } = this.#options;
    if (!this.canHold(entered)) return this.#refuse(errno.EPERM);
    const plain = new PlainEntering(listener, memory.bytes(), caller, judgeLate);
    if (keeper.enterAtOnce(plain, entered)) return this.#pass();
    if (!keeper.isVisible(plain)) {
      if (!notificationIsValid(listener, memory.idBytes())) return this.#refuse(errno.EPERM); // it waits no more
      const obstacle = whyPtraceRefused(memory.tid, errno.EPERM);
      records.putRefusal("unheld", errno.EPERM, { pin: { why: "untraceable", errno: errno.EPERM }, obstacle });
      return this.#refuse(errno.EPERM);
    }
    if (keeper.isExpected(plain)) {
      if (keeper.isFull) return this.#refuseFull();
      return keeper.enter(plain, entered, true) && this.#pass();
    }
    const outcome = call.pinEnd(packEntered(entered));
    if (outcome.kind !== "unpinnable") return false;
    const { why, refusal, errno: kernelErrno, obstacle } = outcome;
    // Another process traces it: its end is seen, and waits are longer.
    if (why === "untraceable") {
      if (keeper.isFull) return this.#refuseFull();
      return keeper.enter(plain, entered) && this.#pass();
    }
    records.putRefusal("unheld", refusal, { pin: { why, errno: kernelErrno }, obstacle });
    return false;
  }

  /** The stub's call. True where the answer lies in the memory. */
  enterPrepared(call: PreparedCall, caller: Thread): boolean {
    if (this.keeper.isFull) return this.#refuseFull();
    const reported = new ReportedEntering(call, caller, this.#options.judgeLate);
    if (this.keeper.enter(reported, unpackEntered(call.rooms))) call.pass();
    return false;
  }

  /** A call that is made on its caller's behalf. True where it is to be served now. */
  enterServed(objects: ServedCalls, caller: Thread): boolean {
    const { memory, listener, judgeLate } = this.#options;
    const { entered } = this;
    if (entered.length === 0) return true;
    return this.keeper.enter(new ServedEntering(listener, memory.bytes(), caller, judgeLate, objects), entered);
  }

  #refuseFull(): boolean {
    this.#options.records.putRefusal("unheld", errno.EAGAIN, { enter: "too-many" });
    return this.#refuse(errno.EAGAIN);
  }

  #refuse(number: number): true {
    this.#options.memory.refuse(number);
    return true;
  }

  #pass(): true {
    this.#options.memory.pass();
    return true;
  }
}
