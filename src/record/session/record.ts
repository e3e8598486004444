/**
 * Records a command: starts it, and moves events from its recorder to the file until its last task has ended. At most a
 * second of the recording is in memory only.
 */
import { existsSync, readlinkSync } from "node:fs";
import { release } from "node:os";
import { CommandWatch } from "../../engines/command-watch.ts";
import { awaitMessages } from "../../engines/launcher.ts";
import { hideFromCommand, type RunResult } from "../../engines/run.ts";
import { StartError } from "../../engines/start-error.ts";
import { hostArchitecture } from "../../linux/architecture.ts";
import { packageVersion } from "../../linux/package.ts";
import { startLine } from "../../traces/json.ts";
import type { TraceFile } from "../../traces/trace-file.ts";
import { TraceAssembler } from "../assembler.ts";
import { CallCensus, type Count } from "../census.ts";
import type { Recorder, RecorderName, Recording } from "../recorder.ts";
import { type RecorderChoice, recorderOf, recorders } from "./registry.ts";

/** Milliseconds between polls of the recorder, and between blocks of the file. */
const interval = { look: 20, block: 800, progress: 1000 } as const;
/** Nanoseconds that a call waits for its result or its child before its line is printed. */
const heldFor = 100e6;
/** Bytes of a block before compression. */
const blockSize = 1 << 20;
/** Milliseconds after which a recorder whose launcher has ended is abandoned. */
const endPatience = 5000;

export interface RecordOptions {
  readonly file: TraceFile;
  readonly recorder: RecorderChoice;
  readonly memory: boolean;
  /** Receives a sentence for the user. */
  readonly onNotice: (sentence: string) => void;
  /** Called once a second while the command runs. */
  readonly onProgress?: ((count: Count) => void) | undefined;
}

interface SessionResult extends Pick<RunResult, "status"> {
  /** False if calls are missing in the file; a notice has said so. */
  readonly isComplete: boolean;
}

export interface RecordResult extends SessionResult {
  readonly recorder: RecorderName;
  readonly count: Count;
}

/**
 * Returns the named recorder, or the first that works on this machine.
 *
 * @throws StartError
 */
function chooseRecorder(choice: RecorderChoice): Recorder {
  const found: string[] = [];
  for (const recorder of choice === "auto" ? recorders : [recorderOf(choice)]) {
    const availability = recorder.probe();
    if (availability.works) return recorder;
    found.push(`${recorder.name}: ${availability.why}`);
  }
  throw new StartError(
    125,
    `this machine cannot record with ${found.join("; ")}`,
    "--recorder auto chooses one that works",
  );
}

/** @throws StartError or NativeUnavailableError if the command was not started */
export async function record(command: readonly string[], options: RecordOptions): Promise<RecordResult> {
  if (command.length === 0) throw new StartError(125, "there is no command to record");
  const architecture = hostArchitecture();
  if (architecture === undefined) throw new StartError(125, `recording needs x86-64 or arm64, this is ${process.arch}`);
  const { file, memory } = options;
  const recorder = chooseRecorder(options.recorder);
  const census = new CallCensus();
  const assembler = new TraceAssembler(architecture, census);
  const base = process.hrtime.bigint();
  file.add(`${JSON.stringify(header(recorder, command, memory))}\n`);
  file.flush();
  if (file.fault !== undefined) throw new StartError(125, `${file.name} cannot be written: ${file.fault}`);
  hideFromCommand();
  const recording = await recorder.start(command, { architecture, assembler, base, memory });
  const { pid } = recording.started;
  const head = { command: pid, uid: process.geteuid!(), gid: process.getegid!(), directory: workingDirectory() };
  file.add(`${startLine(head, architecture)}\n`);
  const result = await new Session(recording, { base, assembler, census }, options).run();
  return { ...result, recorder: recorder.name, count: census.count() };
}

/** The header of the recording: how it is made, and its limits. */
function header(recorder: Recorder, command: readonly string[], memory: boolean): object {
  return {
    v: 1,
    kind: "recording",
    recorder: recorder.name,
    portcullis: packageVersion(),
    kernel: release(),
    began: new Date().toISOString(),
    command,
    unknown: recorder.unknown({ memory }),
  };
}

/** Undefined if it has been removed, or if its path is not UTF-8. */
function workingDirectory(): string | undefined {
  try {
    const path = readlinkSync("/proc/self/cwd", "buffer").toString();
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}

class Session {
  readonly #recording: Recording;
  readonly #base: bigint;
  readonly #assembler: TraceAssembler;
  readonly #census: CallCensus;
  readonly #options: RecordOptions;
  #blockAt = 0;
  #progressAt = 0;
  #saidFault = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    recording: Recording,
    { base, assembler, census }: { base: bigint; assembler: TraceAssembler; census: CallCensus },
    options: RecordOptions,
  ) {
    this.#recording = recording;
    this.#base = base;
    this.#assembler = assembler;
    this.#census = census;
    this.#options = options;
  }

  async run(): Promise<SessionResult> {
    let hasFailed = false;
    const watch = new CommandWatch(
      this.#recording.started,
      (event) => {
        if (event.kind === "notice") this.#options.onNotice(event.text);
      },
      undefined,
    );
    this.#lookAgain(0);
    try {
      const { kind } = await awaitMessages(this.#recording.started.socket, (message) => watch.heed(message));
      // After any other last message the launcher was killed, and the tree may continue.
      const treeHasEnded = kind === "tree-ended";
      const ended = this.#recording.ended(treeHasEnded);
      await (treeHasEnded ? atMost(endPatience, ended) : ended);
    } catch (error) {
      hasFailed = true;
      this.#options.onNotice(`the recorder failed: ${error instanceof Error ? error.message : error}`);
    } finally {
      clearTimeout(this.#timer);
    }
    while (!this.#look(true));
    const lost = this.#recording.lost();
    if (lost !== 0) this.#options.onNotice(lossText(lost));
    this.#recording.close();
    const isComplete = !hasFailed && lost === 0 && this.#options.file.fault === undefined;
    return { status: watch.finish().status, isComplete };
  }

  #lookAgain(delay: number): void {
    this.#timer = setTimeout(() => this.#lookAgain(this.#look(false) ? interval.look : 0), delay);
  }

  /** Returns whether the recorder had no more events. */
  #look(isOver: boolean): boolean {
    const until = this.#recording.poll(isOver);
    const hasAll = until === Number.POSITIVE_INFINITY;
    const now = performance.now();
    const present = Number(process.hrtime.bigint() - this.#base);
    const before = isOver && hasAll ? until : Math.min(present, until) - heldFor;
    this.#options.file.add(this.#assembler.take(before));
    if ((isOver && hasAll) || this.#options.file.pending >= blockSize || now >= this.#blockAt) {
      this.#blockAt = now + interval.block;
      this.#options.file.flush();
      this.#sayFault();
    }
    if (!isOver && now >= this.#progressAt) {
      this.#progressAt = now + interval.progress;
      this.#options.onProgress?.(this.#census.count());
    }
    return hasAll;
  }

  #sayFault(): void {
    const { file, onNotice } = this.#options;
    if (file.fault === undefined || this.#saidFault) return;
    this.#saidFault = true;
    onNotice(`${file.name} cannot be written: ${file.fault}; the recording ends here, and the command continues`);
  }
}

function lossText(lost: number | undefined): string {
  if (lost === undefined) return "another process has switched the recorder off: calls are missing in the recording";
  const events = lost === 1 ? "1 event was" : `${lost.toLocaleString("en-US")} events were`;
  return `${events} lost, because the recorder had too little processor time: calls are missing in the recording`;
}

function atMost(milliseconds: number, promise: Promise<void>): Promise<void> {
  return Promise.race([promise, new Promise<void>((resolve) => setTimeout(resolve, milliseconds).unref())]);
}
