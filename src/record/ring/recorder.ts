/**
 * Records by a filter in the kernel (program.ts), which allows every call and writes it to a BPF ring buffer. It needs
 * a kernel with the series of kernel/patches, and no privilege if the administrator permits that. Calls do not wait for
 * the recorder. The filter sees calls before they are made, so it knows no results.
 */
import { launch } from "../../engines/seccomp-ebpf/launch.ts";
import { seccompEbpfSupport } from "../../engines/seccomp-ebpf/support.ts";
import { auditArchitecture } from "../../linux/architecture.ts";
import { BpfMap, mapTypes, RingBufferReader } from "../../linux/bpf.ts";
import { callByNumber } from "../../linux/calls.ts";
import { close } from "../../linux/descriptors.ts";
import { NativeUnavailableError } from "../../linux/native.ts";
import { MemoryPrinter } from "../memory-json.ts";
import type { Availability, Recorder, RecorderOptions, Recording } from "../recorder.ts";
import { CallRecords, type CallTaker, keyOf, type RecordedCall, readOf } from "./call-records.ts";
import { type DeclaredRead, declaredReads } from "./declarations.ts";
import { recordingBundle, ringSize } from "./program.ts";
import { Tasks } from "./tasks.ts";

/** Nanoseconds between searches for tasks that a signal has ended. */
const sweepInterval = 1e9;
/** Milliseconds between checks for remaining tasks, once the launcher has ended. */
const lookInterval = 100;

export const ringRecorder: Recorder<"ring"> = {
  name: "ring",
  summary: "a filter in the kernel that writes to a ring buffer; a kernel with portcullis's patches",
  probe: (): Availability => {
    try {
      const support = seccompEbpfSupport();
      if (support.missing !== undefined) return { works: false, why: support.missing.what };
      return support.memory ? { works: true } : { works: false, why: "this kernel's filters do not copy arguments" };
    } catch (error) {
      if (error instanceof NativeUnavailableError) return { works: false, why: error.message };
      throw error;
    }
  },
  unknown: ({ memory }) => [
    "the results of calls",
    "whether a call that executes a program succeeded: inferred from the next call, unless another thread than the first made it",
    "which of several calls of a process in flight made a thread, and tasks that made no call",
    "when a signal ended a task, to within a second",
    ...(memory
      ? ["calls whose memory the kernel could not copy (EFAULT): they failed, and are left out"]
      : ["memory behind pointers"]),
    "the effect of no_new_privs: programs gained no privileges by being executed",
  ],
  start: async (command, options) => {
    const bundle = recordingBundle(options.architecture, options.memory);
    const { events, dropped, ...started } = launch(command, { bundle, parameters: [] }, {});
    return new RingRecording(started, { events, dropped }, options);
  },
};

interface Descriptors {
  readonly events: number;
  readonly dropped: number;
}

class RingRecording implements Recording {
  readonly started: Recording["started"];
  readonly #descriptors: Descriptors;
  readonly #options: RecorderOptions;
  readonly #nativeAbi: number;
  readonly #ring: RingBufferReader;
  readonly #dropped: BpfMap;
  readonly #records: CallRecords;
  readonly #tasks: Tasks;
  readonly #reads: ReadonlyMap<number, readonly DeclaredRead[]>;
  readonly #printer: MemoryPrinter;
  #sweepAt = sweepInterval;

  constructor(started: Recording["started"], descriptors: Descriptors, options: RecorderOptions) {
    const { architecture, assembler, base, memory } = options;
    this.started = started;
    this.#descriptors = descriptors;
    this.#options = options;
    this.#nativeAbi = auditArchitecture[architecture];
    const ring = { type: mapTypes.ringBuffer, keySize: 0, valueSize: 0, capacity: ringSize };
    this.#ring = new RingBufferReader(new BpfMap(ring, descriptors.events));
    const counter = { type: mapTypes.array, keySize: 4, valueSize: 8, capacity: 1 };
    this.#dropped = new BpfMap(counter, descriptors.dropped);
    this.#reads = memory ? declaredReads(architecture) : new Map();
    this.#printer = new MemoryPrinter(this.#reads, (number) => callByNumber(architecture, number)?.name ?? "");
    this.#tasks = new Tasks(architecture, assembler, started.pid);
    this.#records = new CallRecords({ base, nativeAbi: this.#nativeAbi, reads: this.#reads }, this.#taker);
  }

  poll(isOver: boolean): void {
    const now = Number(process.hrtime.bigint() - this.#options.base);
    const isDue = now >= this.#sweepAt;
    // The search precedes the reading of the ring buffer: a task that it finds ended makes no later call.
    const ended = isDue ? this.#tasks.ended() : undefined;
    this.#ring.drain(this.#take);
    if (ended !== undefined) {
      this.#sweepAt = now + sweepInterval;
      this.#tasks.end(ended, now);
    }
    if (!isOver) return;
    this.#records.end(this.#countDropped(), now);
    this.#tasks.endOfAll(now);
  }

  /** After the launcher was killed, no process reports the end of the tree. */
  async ended(treeHasEnded: boolean): Promise<void> {
    while (!treeHasEnded && this.#tasks.anyLives) {
      await new Promise((resolve) => setTimeout(resolve, lookInterval).unref());
    }
  }

  close(): void {
    close(this.#descriptors.events);
    close(this.#descriptors.dropped);
    close(this.started.pidfd);
  }

  readonly #take = (view: DataView, offset: number, length: number): void => this.#records.take(view, offset, length);

  readonly #taker: CallTaker = {
    call: (call) => this.#call(call),
    lost: (count, time) => this.#options.assembler.lost(count, time),
  };

  #call(call: RecordedCall): void {
    const isNative = call.architecture === this.#nativeAbi;
    this.#tasks.calls(call, isNative);
    const line = this.#options.assembler.call({
      ...{ tid: call.tid, time: call.time, number: call.number, registers: call.registers },
      foreignAbi: isNative ? undefined : call.architecture,
      instructionPointer: call.instructionPointer,
      memory: isNative ? this.#membersOf(call) : undefined,
    });
    if (isNative) this.#tasks.called(call, line);
  }

  #membersOf({ number, memories }: RecordedCall): string | undefined {
    if (memories.length === 0) return undefined;
    const reads = this.#reads.get(number)!;
    return this.#printer.membersOf(number, keyOf(memories), () =>
      memories.map((memory, index) => readOf(reads[index]!, memory)),
    );
  }

  #countDropped(): number {
    const value = this.#dropped.get(new Uint8Array(4));
    return value === undefined ? 0 : Number(new DataView(value.buffer).getBigUint64(0, true));
  }
}
