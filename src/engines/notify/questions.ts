/**
 * Calls that a person decides about. The notification of such a call stays without a response until its answer; then the
 * call is judged again. So an approval never lets a call pass that the policy refuses by then, and never one whose
 * arguments have changed: the second judgement needs the same verdict on the same arguments and the same memory.
 */
import { createHash, type Hash } from "node:crypto";
import type { ArchitectureName } from "../../abi/architecture.ts";
import { callByNumber, registerOf } from "../../abi/calls.ts";
import type { Answered, JudgementRecord } from "../../events/record.ts";
import type { Memory } from "../../ir/observe.ts";
import { clearEvent } from "../../machine/descriptors.ts";
import { notificationLayout } from "../../machine/pinned-calls.ts";
import { notificationIsValid } from "../../machine/seccomp.ts";
import { type AnswerWord, answerWords } from "../engine/approval.ts";
import type { MemoryOfCall } from "./caller-memory.ts";
import type { JudgementMemory } from "./policy/memory.ts";

/** To the process that waits for the command: engines/engine/approval.ts. */
export interface PostedQuestion {
  readonly place: number;
  /** The notification's. */
  readonly id: bigint;
  readonly record: JudgementRecord;
  readonly isRepeatable: boolean;
}

export interface QuestionsOptions {
  readonly memory: JudgementMemory;
  readonly architecture: ArchitectureName;
  readonly listener: number;
  /** Shared with the process that waits for the command (engines/engine/approval.ts). */
  readonly words: Int32Array;
  /** An eventfd, readable when a word has changed. */
  readonly event: number;
  readonly put: (question: PostedQuestion) => void;
}

interface HeldQuestion {
  readonly notification: Uint8Array;
  readonly key: string;
  /** Undefined if an answer holds for this call only. */
  readonly lasting: string | undefined;
  readonly record: JudgementRecord;
}

/** An answered call, whose notification is in the memory. */
export interface AnsweredCall {
  readonly answer: AnswerWord;
  readonly record: JudgementRecord;
}

export class Questions {
  readonly #options: QuestionsOptions;
  /** By place. */
  readonly #held = new Map<number, HeldQuestion>();
  /** Allowed calls that have not been made yet: by thread, the key of the one call. */
  readonly #allowed = new Map<number, string>();
  /** Keys of calls that are always allowed, and until when, in milliseconds. */
  readonly #lasting = new Map<string, number>();
  readonly #answered: number[] = [];

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  /** Whether answers are awaited. */
  get isOpen(): boolean {
    return this.#held.size > 0;
  }

  /** The calls that are asked about: `struct seccomp_notif` of each. */
  get notifications(): readonly Uint8Array[] {
    return [...this.#held.values()].map(({ notification }) => notification);
  }

  /** Whether an answer allows the call in the memory, which was judged with this verdict and memory. */
  allows(verdict: number, read: MemoryOfCall | undefined): Answered | undefined {
    const { tid } = this.#options.memory;
    const allowed = this.#allowed.get(tid);
    if (allowed !== undefined && allowed === this.#key(verdict, read)) {
      // A call that is pinned can be judged again until it is made.
      if (read === undefined) this.#allowed.delete(tid);
      return "allowed";
    }
    this.#allowed.delete(tid);
    if (this.#lasting.size === 0) return undefined;
    const lasting = this.#lastingKey(verdict, read);
    const until = lasting === undefined ? undefined : this.#lasting.get(lasting);
    if (until === undefined) return undefined;
    if (performance.now() < until) return "allowed-before";
    this.#lasting.delete(lasting!);
    return undefined;
  }

  /** The thread has made its allowed call, or has ended. */
  ended(tid: number): void {
    this.#allowed.delete(tid);
  }

  /** Asks about the call in the memory and holds it. False if too many questions are open. */
  ask(verdict: number, read: MemoryOfCall | undefined, record: JudgementRecord): boolean {
    const { memory, words, put } = this.#options;
    const most = words.length / 2;
    let place = 0;
    while (place < most && this.#held.has(place)) place++;
    if (place === most) return false;
    const lasting = this.#lastingKey(verdict, read);
    this.#held.set(place, {
      notification: memory.bytes().slice(0, notificationLayout.size),
      key: this.#key(verdict, read),
      lasting,
      record,
    });
    put({ place, id: memory.id, record, isRepeatable: lasting !== undefined });
    return true;
  }

  /**
   * The next answered call, which is in the memory then. It can be a withdrawn one, whose caller will end when it gets a
   * response. `withdrawn`: the caller of this id no longer waits.
   */
  next(withdrawn: (id: bigint) => void): AnsweredCall | undefined {
    const { memory, words, listener } = this.#options;
    this.#take();
    for (let place = this.#answered.shift(); place !== undefined; place = this.#answered.shift()) {
      const { notification, key, lasting, record } = this.#held.get(place)!;
      const answer = wordNames.get(Atomics.load(words, 2 * place))!;
      const seconds = Atomics.load(words, 2 * place + 1);
      this.#held.delete(place);
      Atomics.store(words, 2 * place, answerWords.none);
      memory.receiveAgain(notification);
      if (!notificationIsValid(listener, memory.idBytes())) {
        withdrawn(memory.id);
        continue;
      }
      if (answer === "allow" || answer === "always") this.#allowed.set(memory.tid, key);
      if (answer === "always" && lasting !== undefined)
        this.#lasting.set(lasting, seconds === 0 ? Number.POSITIVE_INFINITY : performance.now() + 1000 * seconds);
      return { answer, record };
    }
    return undefined;
  }

  /** Finds the places with an answer. */
  #take(): void {
    const { words, event } = this.#options;
    if (!this.isOpen) return;
    clearEvent(event);
    for (const place of this.#held.keys()) {
      if (Atomics.load(words, 2 * place) !== answerWords.none && !this.#answered.includes(place))
        this.#answered.push(place);
    }
  }

  /** Identifies the call with all its registers and the memory that was read. */
  #key(verdict: number, read: MemoryOfCall | undefined): string {
    const { memory } = this.#options;
    const hash = start(verdict, memory.number);
    for (const register of memory.arguments()) add(hash, register);
    addMemory(hash, read);
    return hash.digest("base64");
  }

  /**
   * The same without addresses and without bits that the kernel does not use: equal for all calls that do the same. Undefined
   * if the call has a pointer whose memory was not read, because equal addresses say nothing.
   */
  #lastingKey(verdict: number, read: MemoryOfCall | undefined): string | undefined {
    const { memory, architecture } = this.#options;
    const { number } = memory;
    const call = callByNumber(architecture, number);
    if (call === undefined) return undefined;
    const isRead = new Set(read?.observations.map(({ source }) => source.register));
    const registers = memory.arguments();
    const hash = start(verdict, number);
    for (const [index, { kind, width }] of call.parameters.entries()) {
      const register = registerOf(call, index, architecture);
      const value = BigInt.asUintN(width, registers[register]!);
      if (kind.is !== "pointer") add(hash, value);
      else if (value !== 0n && !isRead.has(register)) return undefined;
    }
    addMemory(hash, read);
    return hash.digest("base64");
  }
}

const wordNames: ReadonlyMap<number, AnswerWord> = new Map(
  Object.entries(answerWords).flatMap(([name, word]) => (name === "none" ? [] : [[word, name as AnswerWord]])),
);

function start(verdict: number, number: number): Hash {
  const hash = createHash("sha256");
  add(hash, BigInt(verdict));
  add(hash, BigInt(number));
  return hash;
}

function add(hash: Hash, word: bigint): void {
  hash.update(BigUint64Array.of(BigInt.asUintN(64, word)));
}

/** Each part has its length before it, so that different memory has different bytes. */
function addMemory(hash: Hash, read: MemoryOfCall | undefined): void {
  for (const one of read?.memory ?? []) addOne(hash, one);
}

function addOne(hash: Hash, one: Memory): void {
  hash.update(one.is);
  switch (one.is) {
    case "absent":
      return;
    case "failed":
      return add(hash, BigInt(one.errno));
    case "bytes":
      add(hash, one.controlLength ?? 0n);
      return addBytes(hash, one.bytes);
    case "strings":
      add(hash, BigInt(one.entries.length));
      for (const entry of one.entries) addBytes(hash, entry);
  }
}

function addBytes(hash: Hash, bytes: Uint8Array): void {
  add(hash, BigInt(bytes.length));
  hash.update(bytes);
}
