/**
 * Runs commands under the kernels of kernel/. One machine serves many test cases: those of programs that
 * report in TAP (`casesInMachine`), or a list of commands whose results the test checks (`eachInMachine`).
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Writable } from "node:stream";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { patience } from "../support/patience.ts";
import { parseTap } from "./tap.ts";

/**
 * Tests with loops make a hundredth of their iterations; with PORTCULLIS_FULL=1 all, and then tests that need a
 * separate kernel also run (`make test-kernel-debug`).
 */
export const full = process.env["PORTCULLIS_FULL"] === "1";

/** Seconds. */
const machineTimeout = ((full ? 3 : 1) * patience.machine) / 1000;

export type Kernel = "stock" | "patched" | "nojit" | "vulnerable" | "recent";

export interface MachineOptions {
  /** PORTCULLIS_KERNEL=NAME replaces the patched kernel: debug, upto-N, or a bzImage. */
  readonly kernel: Kernel;
  /** UID or UID:GID; root when absent. */
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** By default the unprivileged mode, see kernel/vm --help. */
  readonly sysctls?: Readonly<Record<string, string | number>>;
  /** Words for the kernel's command line. */
  readonly append?: readonly string[];
  readonly smp?: number;
  /** MiB. */
  readonly memory?: number;
  readonly icount?: boolean;
  /** Seconds without output; by default the time limit of a machine, three times that for all iterations. */
  readonly timeout?: number;
  readonly cwd?: string;
}

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  /** The output of the command and of kernel/vm: "vm: ..." lines, and the console if the kernel printed a warning. */
  readonly stderr: string;
}

const replaced = process.env["PORTCULLIS_KERNEL"];

/** Whether the tests run on the kernel that checks itself (`make test-kernel-debug`). */
export const isDebug = replaced === "debug";

const nameOf = (kernel: Kernel): string => (kernel === "patched" ? (replaced ?? "patched") : kernel);

/**
 * The directory of a built kernel: bzImage, config, selftests/ (not of the fetched one). Throws if it is not built from the current
 * sources, or not fetched.
 */
export function built(kernel: Kernel): string {
  if (nameOf(kernel).includes("/")) return dirname(nameOf(kernel));
  const [script, ...words] =
    kernel === "recent" ? ["kernel/fetch", "--path"] : ["kernel/build", "--path", nameOf(kernel)];
  return execFileSync(script!, words, { encoding: "utf8", stdio: "pipe" }).trim();
}

/** The reason why no machine with this kernel can be started here, or undefined. */
export function unable(kernel: Kernel): string | undefined {
  if (process.arch !== "x64") return `the kernels are built for x86-64; this is ${process.arch}`;
  const path = (process.env["PATH"] ?? "").split(":");
  if (!path.some((folder) => existsSync(`${folder}/qemu-system-x86_64`))) return "QEMU is not installed: make kernel";
  try {
    built(kernel);
    return undefined;
  } catch (error) {
    return error instanceof Error && "stderr" in error ? `${error.stderr}`.trim() : `${error}`;
  }
}

interface Machine {
  readonly input: Writable;
  readonly ended: Promise<Ran>;
}

/** `onOutput` gets the command's output as it comes. */
function startMachine(
  options: MachineOptions,
  command: readonly string[],
  onOutput: (text: string) => void = () => {},
): Machine {
  const { kernel, user, env = {}, sysctls = {}, append = [], smp, memory, icount = false, cwd } = options;
  const timeout = options.timeout ?? machineTimeout;
  const words = [
    "run",
    ...["--kernel", nameOf(kernel)],
    ...(user === undefined ? [] : ["--user", user]),
    ...(cwd === undefined ? [] : ["--cwd", cwd]),
    ...Object.entries(env).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
    ...Object.entries(sysctls).flatMap(([name, value]) => ["--sysctl", `${name}=${value}`]),
    ...append.flatMap((each) => ["--append", each]),
    ...(smp === undefined ? [] : ["--smp", `${smp}`]),
    ...(memory === undefined ? [] : ["--memory", `${memory}`]),
    ...(icount ? ["--icount"] : []),
    ...["--timeout", `${timeout}`],
    ...["--", ...command],
  ];
  const machine = spawn("kernel/vm", words, { stdio: "pipe" });
  const text = { stdout: "", stderr: "" };
  machine.stdout.setEncoding("utf8").on("data", (part) => {
    text.stdout += part;
    onOutput(part);
  });
  machine.stderr.setEncoding("utf8").on("data", (part) => {
    text.stderr += part;
  });
  machine.stdin.on("error", () => {}); // The command may not read its input.
  const ended = new Promise<Ran>((done, failed) => {
    machine.on("error", failed);
    machine.on("close", (status, signal) =>
      status === null ? failed(new Error(`kernel/vm was ended by ${signal}`)) : done({ ...text, status }),
    );
  });
  return { input: machine.stdin, ended };
}

/** Runs one command to its end. Its status is 125 if the kernel printed a warning. */
export function inMachine(options: MachineOptions, command: readonly string[], input = ""): Promise<Ran> {
  const machine = startMachine(options, command);
  machine.input.end(input);
  return machine.ended;
}

/** One command of a list; see `eachInMachine`. */
export interface Command {
  readonly words: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Seconds; by default the time limit of a command. The command is then killed, which its signal shows. */
  readonly timeout?: number;
  /**
   * The process stays, and later commands of the same words and user are lines of its input. It answers each with a line, which is
   * the output. A status other than 0, or none, means that it has ended.
   */
  readonly service?: boolean;
}

export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A machine that runs commands one after the other. */
class Batch {
  readonly #machine: Machine;
  #rest = "";
  #next: (outcome: Outcome) => void = () => {};

  constructor(options: MachineOptions) {
    const program = ["node", resolve("test/kernel/guest/batch.mjs")];
    this.#machine = startMachine(options, program, (text) => {
      const lines = (this.#rest + text).split("\n");
      this.#rest = lines.pop()!;
      for (const line of lines.filter(Boolean)) this.#next(JSON.parse(line) as Outcome);
    });
    this.#machine.ended.catch(() => {}); // Each command and the end tell it.
  }

  run(command: Command): Promise<Outcome> {
    const outcome = new Promise<Outcome>((resolve) => {
      this.#next = resolve;
    });
    this.#machine.input.write(`${JSON.stringify({ timeout: patience.command / 1000, ...command })}\n`);
    const early = this.#machine.ended.then(({ status, stderr }) => {
      throw new Error(`the machine ended with status ${status}\n${stderr}`);
    });
    return Promise.race([outcome, early]);
  }

  /** Throws if the kernel has printed a warning. */
  async end(): Promise<void> {
    this.#machine.input.end();
    const { status, stderr } = await this.#machine.ended;
    if (status !== 0) throw new Error(`the machine ended with status ${status}\n${stderr}`);
  }
}

let isShared = false;
let shared: Batch | undefined;

/**
 * All lists for the patched kernel without other options run in one machine, until the returned function ends it. If they do
 * so already, the function of the first call ends it.
 */
export function shareMachine(): () => Promise<void> {
  if (isShared) return async () => {};
  isShared = true;
  return async () => shared?.end();
}

/**
 * Runs commands sequentially in one machine, by default as root; returns their results in order. `onOutcome` gets each when its
 * command has ended. The machine may have run other lists before, and runs others afterwards: a list takes back what it
 * changes.
 */
export async function eachInMachine(
  options: MachineOptions,
  commands: readonly Command[],
  onOutcome: (outcome: Outcome, index: number) => void = () => {},
): Promise<Outcome[]> {
  const inShared = isShared && isDeepStrictEqual(options, { kernel: "patched" });
  const batch = (inShared ? shared : undefined) ?? new Batch(options);
  if (inShared) shared = batch;
  const outcomes: Outcome[] = [];
  try {
    for (const command of commands) {
      const outcome = await batch.run(command);
      onOutcome(outcome, outcomes.push(outcome) - 1);
    }
  } catch (error) {
    // The next list gets a machine that works.
    if (inShared) shared = undefined;
    throw error;
  }
  if (!inShared) await batch.end();
  return outcomes;
}

/**
 * The words of `portcullis doctor` up to a line with this text, for sed. Each of its later trials takes seconds in a machine. They
 * end with it, because they are of its process group.
 */
export const doctorUntil = (text: string): readonly string[] => [
  "sh",
  "-c",
  `pipe=$(mktemp -u) && mkfifo "$pipe" || exit 1
setsid bin/portcullis doctor >"$pipe" & sed "/$0/q" <"$pipe"; kill -s KILL -- "-$!"`,
  text,
];

/** A program that reports in TAP, and the required number of its cases. */
export interface Reporting {
  readonly title: string;
  readonly command: Command;
  readonly count: number | { readonly atLeast: number };
}

/**
 * Makes a test case of each TAP case that the commands report, which run one after the other in one machine. The machine
 * runs while the tests are collected, so call this with await at the top of a test file.
 */
export async function casesInMachine(options: MachineOptions, programs: readonly Reporting[]): Promise<void> {
  const reason = unable(options.kernel);
  if (reason !== undefined) {
    for (const { title } of programs) it(title, (context) => context.skip(reason));
    return;
  }
  const outcomes: Outcome[] = [];
  let failure = "";
  try {
    const timeout = ((full ? 3 : 1) * patience.machineProgram) / 1000;
    const commands = programs.map(({ command }) => ({ timeout, ...command }));
    await eachInMachine(options, commands, (outcome) => outcomes.push(outcome));
  } catch (error) {
    failure = `${error}`;
  }
  for (const [index, program] of programs.entries()) describeCases(program, outcomes[index]);
  it(`the machine of ${programs[0]!.title} runs to its end, and the kernel prints no warning`, () => {
    expect(failure).toBe("");
  });
}

function describeCases({ title, count }: Reporting, outcome: Outcome | undefined): void {
  const cases = parseTap(outcome?.stdout ?? "");
  describe(title, () => {
    for (const each of cases) {
      it(each.name, (context) => {
        if (each.skipped !== undefined) context.skip(each.skipped);
        if (!each.passed) throw new Error(`${each.detail || "no detail"}\n${outcome?.stderr.slice(-2000)}`);
      });
    }
    it("runs to its end with every case", () => {
      const status = cases.every((each) => each.passed) ? 0 : 1;
      const last = cases.at(-1)?.name ?? "none";
      const shown =
        outcome === undefined
          ? "did not run"
          : `status ${outcome.status}, signal ${outcome.signal}; the last case was: ${last}\n${outcome.stderr}\n${outcome.stdout.slice(-2000)}`;
      expect(outcome?.status === status ? "" : shown).toBe("");
      if (typeof count === "number") expect(cases.length).toBe(count);
      else expect(cases.length).toBeGreaterThanOrEqual(count.atLeast);
    });
  });
}
