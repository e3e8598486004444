/** The loop of the pinning harness, and its policy. */

import { hostArchitecture } from "../../../src/abi/architecture.ts";
import { callNumber } from "../../../src/abi/call-numbers.ts";
import { numberOf } from "../../../src/abi/calls.ts";
import { errno } from "../../../src/abi/errno-numbers.ts";
import { encodeInstructions, opcode } from "../../../src/backend/classic/instruction.ts";
import { ObservationFailure, type ObservedVerdict, Observer } from "../../../src/engines/notify/pin/observer.ts";
import type { PinOutcome } from "../../../src/engines/notify/pin/outcome.ts";
import { Pinning, passesUnpinned } from "../../../src/engines/notify/pin/pinning.ts";
import { windowProtection } from "../../../src/engines/notify/pin/protection.ts";
import { startTextFilter } from "../../../src/engines/notify/text-filter-start.ts";
import { createEpoll, pollBits, pollFor, watch } from "../../../src/machine/descriptors.ts";
import { native, required } from "../../../src/machine/native.ts";
import { openProcess, openThread } from "../../../src/machine/pidfd.ts";
import { continueFlag, notifyRequest, useSynchronousWakeUp } from "../../../src/machine/seccomp.ts";
import { compileMatcher } from "../../../src/patterns/matcher.ts";
import type { PinCounts, PinHarnessOptions } from "./options.ts";

const architecture = hostArchitecture()!;
const [eperm, eacces] = [1, 13];
const notificationSize = 80;
const latin1 = new TextDecoder("latin1");
const name = (bytes: Uint8Array): string => latin1.decode(bytes).split("/").at(-1)!;
const isForbiddenName = (bytes: Uint8Array): boolean => name(bytes).startsWith("n");
const isForbiddenAddress = (bytes: Uint8Array): boolean => bytes.length >= 8 && bytes[7] === 2;

/** Gives the same verdicts on openat's path to the addon. */
function filterTexts(): void {
  const { matcher } = compileMatcher([{ kind: "matches", text: "{n*,**/n*}" }]);
  const openat = callNumber("openat");
  const registers = new Uint8Array(openat + 1);
  registers[openat] = 2;
  const instructions = encodeInstructions([
    { code: opcode.load, jt: 0, jf: 0, k: 8 },
    { code: opcode.jumpEqual, jt: 0, jf: 1, k: 0 },
    { code: opcode.return, jt: 0, jf: 0, k: 1 },
    { code: opcode.return, jt: 0, jf: 0, k: 0 },
  ]);
  startTextFilter({ registers, observations: new Uint16Array(openat + 1), instructions }, [matcher]);
}

type Judge = (observer: Observer) => boolean | ObservationFailure;

/** The calls of the tests read nothing there; `judges` are not about others. */
const isAbsent = (observer: Observer, register: number): boolean => observer.argument(register) === 0n;

const paths =
  (...registers: readonly number[]): Judge =>
  (observer) => {
    let isForbidden = false;
    for (const register of registers) {
      if (isAbsent(observer, register)) continue;
      const text = observer.text(register);
      if (text instanceof ObservationFailure) return text;
      if (isForbiddenName(text)) isForbidden = true;
    }
    return isForbidden;
  };

const address =
  (register: number, length: number): Judge =>
  (observer) => {
    if (isAbsent(observer, register)) return false;
    const bytes = observer.address(register, length);
    return bytes instanceof ObservationFailure ? bytes : isForbiddenAddress(bytes);
  };

const execution =
  (first: number): Judge =>
  (observer) => {
    const path = observer.text(first);
    if (path instanceof ObservationFailure) return path;
    const list = (register: number) =>
      isAbsent(observer, register) ? [] : observer.vector(register, { count: 4096, bytes: 131072 });
    const words = list(first + 1);
    if (words instanceof ObservationFailure) return words;
    const environment = list(first + 2);
    if (environment instanceof ObservationFailure) return environment;
    return isForbiddenName(path) || words.some(isForbiddenName);
  };

const judges: Readonly<Record<string, Judge>> = {
  openat: paths(1),
  rename: paths(0, 1),
  renameat2: paths(1, 3),
  linkat: paths(1, 3),
  mount: paths(0, 1, 2, 4),
  connect: address(1, 2),
  bind: address(1, 2),
  sendto: address(4, 5),
  sendmsg: (observer) => {
    const message = observer.message(1);
    if (message instanceof ObservationFailure) return message;
    return message.name !== null && isForbiddenAddress(message.name);
  },
  openat2: (observer) => {
    const path = observer.text(1);
    if (path instanceof ObservationFailure) return path;
    const how = observer.structure(2, 3, { least: 24 });
    if (how instanceof ObservationFailure) return how;
    return isForbiddenName(path) || (how[0]! & 3) !== 0;
  },
  clone3: (observer) => {
    const structure = observer.structure(0, 1, { least: 64 });
    return structure instanceof ObservationFailure ? structure : (structure[1]! & 4) !== 0; // CLONE_FILES
  },
  execve: execution(0),
  execveat: execution(1),
};
const byNumber = new Map(Object.entries(judges).map(([call, judge]) => [numberOf(call, architecture)!, judge]));

export class SuperviseLoop {
  readonly counts: PinCounts = {};
  readonly #options: PinHarnessOptions;
  readonly #listener: number;
  readonly #memory = new Uint8Array(256);
  readonly #deaths = new Uint32Array(64);
  readonly #epoll = createEpoll();
  readonly #threads = new Map<number, number>();
  readonly #pinning: Pinning;
  readonly #dawdlesIn: number | undefined;

  constructor(options: PinHarnessOptions, victim: number, listener: number) {
    this.#options = options;
    this.#dawdlesIn = options.dawdlesIn === undefined ? undefined : numberOf(options.dawdlesIn, architecture);
    const { syscall } = native();
    const pidfd = required("pidfd_open", openProcess(victim));
    this.#listener = required("pidfd_getfd", syscall(numberOf("pidfd_getfd", architecture)!, pidfd, listener, 0));
    useSynchronousWakeUp(this.#listener);
    this.#pinning = new Pinning(this.#listener, {
      protection: options.protection ?? windowProtection("present"),
      executionsAreReported: options.executionsAreReported ?? true,
      threadEndsAreReported: true,
      audits: options.audits ?? false,
    });
    if (options.filtersTexts === true) filterTexts();
    native().supervise(this.#memory, this.#deaths, this.#listener, this.#epoll, -1);
  }

  /** Returns when no task is left under the filter. */
  run(): void {
    for (;;) {
      const deaths = native().next(false, true, this.#options.filtersTexts === true);
      if (deaths === -errno.ECANCELED) {
        this.#countOutcome(this.#pinning.outcomeOf(this.#memory, this.#deaths[0]!));
        continue;
      }
      if (deaths < 0) {
        if ((pollFor([this.#listener], 0)[0]! & pollBits.hangUp) !== 0) return;
        continue;
      }
      for (let more = deaths; more > 0; ) {
        for (let index = 0; index < more; index++) this.#forget(this.#deaths[index]!);
        more = more === this.#deaths.length ? native().deaths() : 0;
      }
      this.#serve(this.#memory.subarray(0, notificationSize));
    }
  }

  #forget(tid: number): void {
    const descriptor = this.#threads.get(tid);
    if (descriptor === undefined) return;
    native().syscall(callNumber("close"), descriptor);
    this.#threads.delete(tid);
    this.#pinning.ended(tid);
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  #serve(notification: Uint8Array): void {
    const received = this.#pinning.receive(notification);
    if (received.kind === "again") return this.#count("again");
    if (received.kind === "prepared") {
      this.#count(received.call.pass() ? "passed" : "not passed");
      return;
    }
    if (received.kind === "ended") return received.answer();
    const { call } = received;
    if (!this.#threads.has(call.tid)) {
      const descriptor = openThread(call.tid);
      if (descriptor >= 0) {
        watch(this.#epoll, descriptor, call.tid);
        this.#threads.set(call.tid, descriptor);
      }
    }
    const judge = byNumber.get(call.number);
    if (judge === undefined) {
      call.pass();
      return this.#count("unread");
    }
    // Begins where it is allowed, so that a try is not spent on a plain denial.
    this.#awaitChange(judge, notification, false);
    if (this.#options.answer === "continue") return this.#continue(notification.slice(), judge);
    call.observe(
      (observer) => this.#verdict(observer, judge, notification),
      this.#countOutcome,
      this.#options.audits === true ? passesUnpinned : eperm,
    );
  }

  readonly #countOutcome = (outcome: PinOutcome): boolean => {
    this.#count(outcome.kind === "unpinnable" ? `${outcome.why} ${outcome.errno}` : outcome.kind);
    return false;
  };

  #verdict(observer: Observer, judge: Judge, notification: Uint8Array): ObservedVerdict {
    const isForbidden = judge(observer);
    if (isForbidden instanceof ObservationFailure) return isForbidden;
    if (!isForbidden && this.#awaitChange(judge, notification, true)) this.#count("changed");
    return isForbidden ? observer.refuse(eacces) : observer.pin();
  }

  /**
   * Waits until the judged memory is forbidden, or is not, so that a race is lost whatever the machine's speed. The wait has
   * a bound, because the memory need not change. On a busy machine the attacker runs only when the supervisor sleeps.
   */
  #awaitChange(judge: Judge, notification: Uint8Array, isForbidden: boolean): boolean {
    if (this.#dawdlesIn !== new Observer(notification).number) return false;
    for (let look = 0; look < 220; look++) {
      if (judge(new Observer(notification)) === isForbidden) return true;
      if (look < 200) native().syscall(callNumber("sched_yield"));
      else pollFor([], 1);
    }
    return false;
  }

  /** A hole that the pinning must close: the call is judged by the memory that was read, and passes unpinned. */
  #continue(notification: Uint8Array, judge: Judge): void {
    const observer = new Observer(notification);
    const verdict = judge(observer);
    if (verdict === false && this.#awaitChange(judge, notification, true)) this.#count("changed");
    const response = new DataView(new ArrayBuffer(24));
    response.setBigUint64(0, new DataView(notification.buffer).getBigUint64(0, true), true);
    if (verdict instanceof ObservationFailure) response.setInt32(16, -verdict.errno, true);
    else if (verdict) response.setInt32(16, -eacces, true);
    else response.setUint32(20, continueFlag, true);
    native().syscall(callNumber("ioctl"), this.#listener, notifyRequest.send, response);
    this.#count("continued");
  }
}
