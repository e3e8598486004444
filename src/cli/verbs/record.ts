/** `portcullis record`: runs a command and writes its calls (src/observe/record) to a trace. */
import { basename } from "node:path";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { callersFile } from "../../engines/launcher/launcher.ts";
import { StartError } from "../../engines/launcher/start-error.ts";
import { Messages } from "../../events/messages.ts";
import { isRefused } from "../../events/sink.ts";
import { hasRoom } from "../../machine/descriptors.ts";
import type { Count } from "../../observe/record/census.ts";
import type { AttachTarget } from "../../observe/record/recorder.ts";
import {
  attach,
  type RecordOptions,
  type RecordResult,
  record as recordCommand,
} from "../../observe/record/session/record.ts";
import { type RecorderChoice, recorderChoices, recorders } from "../../observe/record/session/registry.ts";
import { containerTarget } from "../../observe/record/tracefs/containers.ts";
import { cgroupFolder, TargetError } from "../../observe/record/tracefs/present.ts";
import { TraceFile, TraceFileError } from "../../traces/trace-file.ts";
import { writeNow } from "../context.ts";
import { duration, wholeNumber } from "../numbers.ts";
import { missing } from "../policy/arguments.ts";
import { failureOf } from "../policy/enforce.ts";
import { Failure, failed, type Invocation, type Verb } from "../verb.ts";

export const record: Verb = {
  name: "record",
  synopsis: [
    "record [OPTIONS] [--] COMMAND [ARGUMENT…]",
    "record [OPTIONS] --pid PID | --cgroup PATH | --container ID",
  ],
  about: [
    "Runs the command and writes each system call of it and all its descendants to a trace: arguments, the strings and addresses behind them, times, processes and threads with their beginnings and ends, and results where they are known. Nothing is refused; docs/traces.md lists the differences that a command can notice. `portcullis simulate`, `flow` and `trace` read the file.",
    "The file is compressed in blocks, which `zcat` prints. A block is written at least once a second, so that after a SIGKILL or a full disk the recording is readable up to the last second. Only its owner can read it, because it has the command's arguments, the names of its variables and of its files.",
    "An existing file is never replaced: --append adds another recording to it, and `portcullis trace` merges and cuts files.",
    "On a terminal, a line shows the calls, the rate, the living tasks, and how many calls were seen for the first time in the last ten seconds: when it stays at 0, the command does nothing new.",
    "If portcullis is killed, calls that need its answer fail with ENOSYS: with the recorder notifier all calls, with tracefs those with memory behind pointers (none with --no-memory).",
    "With --pid, --cgroup or --container it records processes that run already, and what they create, by tracefs and as root. Such a recording begins in the middle: it lacks the calls before, and the memory behind pointers. It ends with the last of these processes, after --for SECONDS, or by SIGINT (Ctrl+C), SIGTERM or SIGHUP; the processes go on.",
  ],
  options: {
    output: {
      short: "o",
      value: "FILE",
      about: "The trace. By default the command's name with .trace, in the current folder.",
      complete: "file",
    },
    append: { about: "Add to a file that has recordings." },
    recorder: {
      value: "NAME",
      about: `How to record: ${recorders.map(({ name, summary }) => `${name} (${summary})`).join(", ")}, or auto, the default: the first of these that works here. The trace names the recorder and its limits.`,
      complete: recorderChoices,
    },
    pid: {
      value: "PID",
      about: "Record this process with all its threads, its descendants, and what they create from now on.",
    },
    cgroup: {
      value: "PATH",
      about:
        "Record the processes that are in this cgroup of version 2, or in one below it, and what they create from now on. PATH is its folder, or its path in /proc/PID/cgroup. Processes that enter it later are not recorded.",
      complete: "directory",
    },
    container: {
      value: "ID",
      about:
        "Record the container that root's docker, podman, runc, crun, cri-o or containerd has given this id or name, or an id that begins so: as --cgroup, or as --pid with its first process if it has no cgroup of version 2 of its own.",
    },
    for: { value: "DURATION", about: "With --pid, --cgroup and --container: end after this time (30s, 5min)." },
    "no-memory": { about: "Do not read behind pointers: calls have addresses in place of strings." },
    quiet: { short: "q", about: "Print no progress and no summary: only what is missing in the recording." },
  },
  takesCommand: true,
  exit: [
    ["N", "The command's own status; 0 without a command."],
    ["128+N", "Signal N ended the command and portcullis, which a shell shows so."],
    ["127", "The command was not found."],
    ["126", "The command was found but cannot be executed."],
    [
      String(failed),
      "portcullis failed: no command ran, because the file cannot be written or this machine cannot record; or the command ran, and the recording is incomplete: events were lost, or the file could not be written to its end.",
    ],
  ],
  examples: [
    ["portcullis record -o nginx.trace -- nginx -g 'daemon off;'", "Record a server while it is used"],
    ["portcullis record --pid 4711 --for 1min -o web.trace", "Record a server that runs already, for a minute"],
    ["portcullis record --append -o nginx.trace -- nginx -g 'daemon off;'", "Add a second recording"],
    ["portcullis simulate web.ts nginx.trace", "Which of these calls would a policy refuse?"],
  ],
  async execute(invocation, context) {
    const command = invocation.words;
    const target = attachTarget(invocation);
    if (command.length === 0 && target === undefined) {
      throw missing("the command", "portcullis record -o FILE -- COMMAND");
    }
    const time = duration(invocation, "for");
    const recorder = chosenRecorder(invocation);
    const isQuiet = invocation.has("quiet");
    const messages = new Messages();
    const file = openFile(
      invocation.text("output") ?? `${target?.file ?? basename(command[0]!)}.trace`,
      invocation.has("append"),
    );
    const progress = isQuiet || !context.colour.err ? undefined : new ProgressLine();
    const say = (sentence: string) => {
      progress?.clear();
      messages.write(sentence);
    };
    try {
      const options = {
        file,
        recorder,
        memory: !invocation.has("no-memory"),
        onNotice: say,
        onProgress: progress && ((now: Count) => progress.show(now)),
      };
      const {
        status,
        isComplete,
        count,
        recorder: used,
      } = target === undefined ? await recordCommand(command, options) : await attachTo(target, time, options);
      progress?.clear();
      const written = file.fault === undefined ? "" : `the first ${file.countCalls()} of `;
      const changed = file.close();
      if (changed !== undefined) say(changed);
      if (!isQuiet)
        say(
          `${written}${count.calls} calls of ${count.kinds} kinds are in ${file.name} (${used}, ${file.written} bytes)`,
        );
      // The front says that messages are lost (native/launcher/front.c).
      return isRefused(await messages.finish()) || !isComplete ? failed : status;
    } catch (error) {
      file.discard();
      throw failureOf(error);
    }
  },
};

interface NamedTarget {
  readonly target: AttachTarget;
  /** For people. */
  readonly name: string;
  /** The trace without its suffix. */
  readonly file: string;
}

/** Undefined if a command is to be recorded. @throws Failure */
function attachTarget(invocation: Invocation): NamedTarget | undefined {
  const given = (["pid", "cgroup", "container"] as const).filter((option) => invocation.has(option));
  const [by, other] = given;
  const wrong = (message: string, help?: string) => new Failure([diagnostic("P0907", message, { help })]);
  if (by === undefined) {
    if (invocation.has("for")) throw wrong("--for ends a recording of --pid, --cgroup or --container only");
    return undefined;
  }
  if (other !== undefined) throw wrong(`--${by} and --${other} are both given`, "choose one");
  if (invocation.words.length > 0) throw wrong(`--${by} records what runs already, and there is a command, too`);
  if (by === "pid") {
    const pid = wholeNumber(invocation, "pid", 0x7fff_ffff, 1)!;
    return { target: { is: "process", pid }, name: `process ${pid}`, file: String(pid) };
  }
  const text = invocation.text(by)!;
  try {
    const target: AttachTarget = by === "cgroup" ? { is: "cgroup", folder: cgroupFolder(text) } : containerTarget(text);
    const name = by === "cgroup" ? `the cgroup ${text}` : `the container ${text}`;
    return { target, name, file: basename(text) || by };
  } catch (error) {
    if (error instanceof TargetError) throw wrong(error.message);
    throw error;
  }
}

async function attachTo(
  { target, name }: NamedTarget,
  time: number | undefined,
  options: RecordOptions,
): Promise<RecordResult> {
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve());
    if (time !== undefined) setTimeout(resolve, time).unref();
  });
  return { ...(await attach(target, name, stopped, options)), status: 0 };
}

function chosenRecorder(invocation: Invocation): RecorderChoice {
  const given = invocation.text("recorder") ?? "auto";
  const found = recorderChoices.find((name) => name === given);
  if (found !== undefined) return found;
  throw new Failure([
    diagnostic("P0907", `there is no recorder ${JSON.stringify(given)}`, {
      help: `--recorder ${recorderChoices.join(" or ")}`,
    }),
  ]);
}

function openFile(name: string, append: boolean): TraceFile {
  try {
    return TraceFile.open(name, append ? "append" : "record", callersFile(name));
  } catch (error) {
    if (error instanceof TraceFileError) throw new Failure([diagnostic("P0914", error.message, { help: error.help })]);
    throw error instanceof StartError ? failureOf(error) : error;
  }
}

/** One line on a terminal that is written again and again. */
class ProgressLine {
  #last = 0;
  #time = performance.now();
  #isShown = false;

  show({ calls, tasks, fresh }: Count): void {
    const now = performance.now();
    const rate = Math.round((1000 * (calls - this.#last)) / Math.max(1, now - this.#time));
    this.#last = calls;
    this.#time = now;
    this.#write(`\r\x1b[K${calls} calls, ${rate}/s, ${tasks} tasks, ${fresh} new calls in 10 s`);
    this.#isShown = true;
  }

  clear(): void {
    if (this.#isShown) this.#write("\r\x1b[K");
    this.#isShown = false;
  }

  /** A terminal that is stopped (Ctrl-S) is left alone: waiting for it would hold up the command. */
  #write(text: string): void {
    if (hasRoom(2)) writeNow(2, text);
  }
}
