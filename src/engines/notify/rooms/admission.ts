/**
 * Admits judged calls to rooms, for the supervisor's loop. As for every call there are three cases: the answer is in the
 * memory and must be sent, it has been sent, or it is sent later because the call waits.
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
  /** Calls that cannot hold a room, because they return in two tasks or in another program. */
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

  /** False if the call cannot hold a room; it has its event, and must be refused with EPERM. */
  canHold(entered: readonly EnteredRoom[]): boolean {
    const { memory, records } = this.#options;
    if (entered.length === 0 || !this.#unheld.has(memory.number)) return true;
    records.putRefusal("unheld", errno.EPERM, { enter: "creates" });
    return false;
  }

  /** Lets an unpinned call enter. True if the answer is in the memory. */
  enter(call: PendingCall, caller: Thread, entered: readonly EnteredRoom[]): boolean {
    const { keeper } = this;
    const { memory, records, listener, judgeLate } = this.#options;
    if (!this.canHold(entered)) return this.#refuse(errno.EPERM);
    const plain = new PlainEntering(listener, memory.bytes(), caller, judgeLate);
    if (keeper.enterAtOnce(plain, entered)) return this.#pass();
    if (!keeper.isVisible(plain)) {
      if (!notificationIsValid(listener, memory.idBytes())) return this.#refuse(errno.EPERM); // it no longer waits
      const obstacle = whyPtraceRefused(memory.tid, errno.EPERM);
      records.putRefusal("unheld", errno.EPERM, { pin: { why: "untraceable", errno: errno.EPERM }, obstacle });
      return this.#refuse(errno.EPERM);
    }
    if (keeper.isExpected(plain)) {
      if (keeper.isFull) return this.#refuseFull();
      return keeper.enter(plain, entered, true) && this.#pass();
    }
    const outcome = call.pinEnd(packEntered(entered), memory.credentials);
    if (outcome.kind !== "unpinnable") return false;
    const { why, refusal, errno: kernelErrno, obstacle } = outcome;
    // Another process traces it, so its end is looked for, and waits are longer.
    if (why === "untraceable") {
      if (keeper.isFull) return this.#refuseFull();
      return keeper.enter(plain, entered) && this.#pass();
    }
    records.putRefusal("unheld", refusal, { pin: { why, errno: kernelErrno }, obstacle });
    return false;
  }

  /** Lets a prepared call enter. True if the answer is in the memory. */
  enterPrepared(call: PreparedCall, caller: Thread): boolean {
    if (this.keeper.isFull) return this.#refuseFull();
    const reported = new ReportedEntering(call, caller, this.#options.judgeLate);
    if (this.keeper.enter(reported, unpackEntered(call.rooms))) call.pass();
    return false;
  }

  /** Lets a call enter that is made on its caller's behalf. True if it must be served now. */
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
