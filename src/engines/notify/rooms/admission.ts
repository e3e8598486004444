/**
 * Admits judged calls to rooms, for the supervisor's loop. As for every call there are three cases: the answer is in the
 * memory and must be sent, it has been sent, or it is sent later because the call waits.
 */

import type { ArchitectureName } from "../../../abi/architecture.ts";
import { errno } from "../../../abi/errno-numbers.ts";
import { creatingCalls, executingCalls, numbersOf } from "../../../abi/process-calls.ts";
import { signals } from "../../../abi/signals.ts";
import { enteredRooms } from "../../../backend/wasm/instance.ts";
import { describeObstacle } from "../../../events/obstacles.ts";
import type { EnteredRoom } from "../../../ir/evaluation.ts";
import type { Room } from "../../../ir/program.ts";
import { signalProcess } from "../../../machine/pidfd.ts";
import { notificationIsValid } from "../../../machine/seccomp.ts";
import type { ServedCalls } from "../objects/served-calls.ts";
import type { PendingCall, Pinning, PreparedCall } from "../pin/pinning.ts";
import type { JudgementMemory } from "../policy/memory.ts";
import { type ArgumentTest, meetsTests } from "../policy/tested-calls.ts";
import type { Records } from "../records/records.ts";
import { mayTraceAll, whyPtraceRefused } from "../tasks/ptrace-refusal.ts";
import type { Thread } from "../tasks/tasks.ts";
import { packEntered, unpackEntered } from "./entered.ts";
import { type JudgeLate, PlainEntering, ReportedEntering, ServedEntering } from "./entering.ts";
import { hidingCalls } from "./hiding.ts";
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
  readonly #hiding: ReadonlyMap<number, readonly (readonly ArgumentTest[])[]>;

  constructor(options: AdmissionOptions) {
    const { rooms, architecture, listener, pinning } = options;
    this.#options = options;
    this.keeper = new RoomKeeper(rooms, pinning, listener, (thread, room) =>
      this.#killHidden(thread, rooms[room]!.name),
    );
    this.#hiding = mayTraceAll() ? new Map() : new Map(hidingCalls(architecture));
    this.#unheld = new Set(numbersOf([...creatingCalls, ...executingCalls], architecture));
  }

  /** The rooms that the judged call takes, if its verdict lets it run. */
  get entered(): readonly EnteredRoom[] {
    const { memory, rooms } = this.#options;
    return enteredRooms(memory.instance, rooms.length);
  }

  /** The call may be about to pass. */
  meets(caller: Thread, number: number, argumentOf: (index: number) => bigint): void {
    if (meetsTests(this.#hiding.get(number), argumentOf)) this.keeper.hides(caller);
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
    const mayHide = keeper.mayHide(plain);
    if (!mayHide && keeper.enterAtOnce(plain, entered)) return this.#pass();
    if (!keeper.isVisible(plain)) {
      if (!notificationIsValid(listener, memory.idBytes())) return this.#refuse(errno.EPERM); // it no longer waits
      const obstacle = whyPtraceRefused(memory.tid, errno.EPERM);
      records.putRefusal("unheld", errno.EPERM, { pin: { why: "untraceable", errno: errno.EPERM }, obstacle });
      return this.#refuse(errno.EPERM);
    }
    if (!mayHide && keeper.isExpected(plain)) {
      if (keeper.isFull) return this.#refuseFull();
      return keeper.enter(plain, entered, true) && this.#pass();
    }
    return call.pinEnd(packEntered(entered), memory.credentials, (outcome) => {
      if (outcome.kind !== "unpinnable") return false;
      const { why, refusal, errno: kernelErrno, obstacle } = outcome;
      // Another process traces it, so its end is looked for, and waits are longer.
      if (why === "untraceable") {
        if (keeper.isFull) return this.#refuseFull();
        return keeper.enter(plain, entered) && this.#pass();
      }
      records.putRefusal("unheld", refusal, { pin: { why, errno: kernelErrno }, obstacle });
      return false;
    });
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

  #killHidden({ tid, process: { pid, pidfd } }: Thread, room: string): void {
    const { records } = this.#options;
    const { cause } = describeObstacle(whyPtraceRefused(tid, errno.EPERM));
    const result = signalProcess(pidfd, signals.SIGKILL);
    if (result === -errno.ESRCH) return;
    const outcome = result >= 0 ? "was killed" : `was to be killed, and the kernel refuses it (${-result})`;
    const why = `it kept the room ${room} from others, and the end of its call cannot be seen, because ${cause}`;
    records.putNotice(`process ${pid} ${outcome}: ${why}`);
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
