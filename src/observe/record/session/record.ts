/**
 * Records a command: starts it, and moves events from its recorder to the file until its last task has ended. At most a
 * second of the recording is in memory only.
 */
import { existsSync, readlinkSync } from "node:fs";
import { release } from "node:os";
import { hostArchitecture } from "../../../abi/architecture.ts";
import { CommandWatch } from "../../../engines/command/command-watch.ts";
import { hideFromCommand, type RunResult } from "../../../engines/engine/run.ts";
import { awaitMessages } from "../../../engines/launcher/launcher.ts";
import { StartError } from "../../../engines/launcher/start-error.ts";
import { packageVersion } from "../../../machine/package.ts";
import { readProc } from "../../../machine/proc.ts";
import { startLine } from "../../../traces/formats/json.ts";
import type { TraceFile } from "../../../traces/trace-file.ts";
import { TraceAssembler } from "../assembler.ts";
import { CallCensus, type Count } from "../census.ts";
import type {
  AttachedRecording,
  AttachTarget,
  Availability,
  Recorder,
  RecorderName,
  Recording,
  StartedRecording,
} from "../recorder.ts";
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

export interface RecordResult extends Pick<RunResult, "status"> {
  /** False if calls are missing in the file; a notice has said so. */
  readonly isComplete: boolean;
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
  const help = choice === "auto" ? undefined : "--recorder auto chooses one that works";
  throw new StartError(125, `this machine cannot record with ${found.join("; ")}`, help);
}

/** `chooseRecorder` among the recorders that can record running processes. @throws StartError */
function attachingRecorder(choice: RecorderChoice): Recorder {
  const recorder = choice === "auto" ? recorders.find((one) => one.attach !== undefined)! : recorderOf(choice);
  const availability: Availability =
    recorder.attach === undefined ? { works: false, why: "it records only what it starts" } : recorder.probe();
  if (availability.works) return recorder;
  throw new StartError(125, `running processes cannot be recorded with ${recorder.name}: ${availability.why}`);
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
  begin(file, header(recorder, command, memory));
  hideFromCommand();
  const recording = await recorder.start(command, { architecture, assembler, base, memory });
  const { pid } = recording.started;
  const head = { command: pid, uid: process.geteuid!(), gid: process.getegid!(), directory: directoryOf("self") };
  file.add(`${startLine(head, architecture)}\n`);
  const watch = new CommandWatch(
    recording.started,
    (event) => {
      if (event.kind === "notice") options.onNotice(event.text);
    },
    undefined,
  );
  const session = new Session(recording, { base, assembler, census }, options);
  const isComplete = await session.run(() => endOf(recording, watch));
  return { isComplete, status: watch.finish().status, recorder: recorder.name, count: census.count() };
}

async function endOf(recording: StartedRecording, watch: CommandWatch): Promise<void> {
  const { kind } = await awaitMessages(recording.started.socket, (message) => watch.heed(message));
  // After any other last message the launcher was killed, and the tree may continue.
  const treeHasEnded = kind === "tree-ended";
  const ended = recording.ended(treeHasEnded);
  await (treeHasEnded ? atMost(endPatience, ended) : ended);
}

/**
 * Records processes that run already, until the last one has ended or `stopped` resolves. What they do does not end with
 * the recording.
 *
 * @param name the target for people
 * @throws StartError if they cannot be recorded
 */
export async function attach(
  target: AttachTarget,
  name: string,
  stopped: Promise<void>,
  options: Omit<RecordOptions, "memory">,
): Promise<Omit<RecordResult, "status">> {
  const architecture = hostArchitecture();
  if (architecture === undefined) throw new StartError(125, `recording needs x86-64 or arm64, this is ${process.arch}`);
  const { file } = options;
  const recorder = attachingRecorder(options.recorder);
  const census = new CallCensus();
  const assembler = new TraceAssembler(architecture, census);
  const base = process.hrtime.bigint();
  const recording = recorder.attach!(target, { architecture, assembler, base, memory: false });
  const command = recording.found[0]!.tid;
  try {
    begin(file, { ...header(recorder, wordsOf(command), false), attached: name });
  } catch (error) {
    recording.close();
    throw error;
  }
  file.add(`${startLine({ command, ...idsOf(command), directory: directoryOf(command) }, architecture)}\n`);
  for (const line of foundLines(recording)) file.add(line);
  for (const { is } of recording.found) if (is !== "start") census.begins();
  const session = new Session(recording, { base, assembler, census }, options);
  const isComplete = await session.run(() => Promise.race([stopped, recording.ended(true)]));
  return { isComplete, recorder: recorder.name, count: census.count() };
}

function foundLines({ found }: AttachedRecording): readonly string[] {
  return found.flatMap(({ is, tid, by }) =>
    is === "start" ? [] : [`${JSON.stringify({ v: 1, kind: is, tid: by, child: tid })}\n`],
  );
}

/** The words with which a process was started, as far as it still says so. */
function wordsOf(pid: number): readonly string[] {
  const words = (readProc(`${pid}/cmdline`) ?? "").split("\0").slice(0, -1);
  return words.map((word) => Buffer.from(word, "latin1").toString());
}

/** The effective ids; empty if the process has ended. */
function idsOf(pid: number): { readonly uid: number | undefined; readonly gid: number | undefined } {
  const status = readProc(`${pid}/status`) ?? "";
  const idOf = (name: string): number | undefined => {
    const [, id] = new RegExp(`^${name}:\\t\\d+\\t(\\d+)`, "m").exec(status) ?? [];
    return id === undefined ? undefined : Number(id);
  };
  return { uid: idOf("Uid"), gid: idOf("Gid") };
}

/** Writes the header. @throws StartError */
function begin(file: TraceFile, head: object): void {
  file.add(`${JSON.stringify(head)}\n`);
  file.flush();
  if (file.fault !== undefined) throw new StartError(125, `${file.name} cannot be written: ${file.fault}`);
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
function directoryOf(process: number | "self"): string | undefined {
  try {
    const path = readlinkSync(`/proc/${process}/cwd`, "buffer").toString();
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
  readonly #options: Omit<RecordOptions, "memory">;
  #blockAt = 0;
  #progressAt = 0;
  #saidFault = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    recording: Recording,
    { base, assembler, census }: { base: bigint; assembler: TraceAssembler; census: CallCensus },
    options: Omit<RecordOptions, "memory">,
  ) {
    this.#recording = recording;
    this.#base = base;
    this.#assembler = assembler;
    this.#census = census;
    this.#options = options;
  }

  /** Records until `end` resolves. Returns whether the recording has all calls. */
  async run(end: () => Promise<void>): Promise<boolean> {
    let hasFailed = false;
    this.#lookAgain(0);
    try {
      await end();
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
    return !hasFailed && lost === 0 && this.#options.file.fault === undefined;
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
