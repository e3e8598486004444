/** The reporter of vitest.config.ts, beside vitest's own. */
import type { ChildProcess } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import type { Reporter, SerializedError, TestCase, TestModule, TestRunEndReason } from "vitest/node";
import { isWorker, type Process, patienceWithoutProgress, processes, Stalled } from "./stalled.ts";

/** Milliseconds. A test file that runs for longer is named in the output, again and again. */
const long = 300_000;
/** Files in the list of those that took longest. */
const mostFiles = 20;
/** Milliseconds between looks at the workers' processes. */
const interval = 60_000;

/**
 * Names test files that run for long: the log of a run that was ended from outside then shows what it waited for. Kills
 * the processes of a test that has stopped, so that it fails.
 *
 * Ends a run with the failed tests and their messages, with the skipped tests and their reasons, with the files that took
 * longest, and with the number of passed and failed tests. The messages come again here, short, and the failures last, a line
 * each, because a log that was cut shows only its end.
 *
 * A test that this machine cannot run calls `context.skip("why")`. In CI a skipped test counts as failed, because
 * unnoticed skips reduce coverage.
 */
export default class ClosingReporter implements Reporter {
  readonly #times: string;
  /** The files that run, with the times of their starts. Machines run while files are collected. */
  readonly #running = new Map<string, number>();
  readonly #durations: { readonly file: string; readonly elapsed: number; readonly processor: number }[] = [];
  #clock: NodeJS.Timeout | undefined;
  /** A sentence for each worker that vitest has not ended: how it ended. */
  readonly #ended: string[] = [];

  /** @param options `times`: the file with a line for each file of a long run: seconds of a processor, seconds, name */
  constructor({ times = "build/test-times" }: { readonly times?: string } = {}) {
    this.#times = times;
  }

  onInit(): void {
    subscribe("child_process", (message) => {
      const { process: child } = message as { readonly process: ChildProcess };
      // Node sends the message before it spawns the process.
      child.once("spawn", () => {
        if (isWorker(child.spawnargs.join(" "))) this.#watch(child);
      });
    });
  }

  #watch(worker: ChildProcess): void {
    worker.once("exit", (code, signal) => {
      if (!worker.killed) this.#ended.push(`worker ${worker.pid} ended with ${signal ?? `status ${code}`}`);
    });
    worker.on("error", ({ message }) => this.#ended.push(`worker ${worker.pid}: ${message}`));
  }

  onTestRunStart(): void {
    const stalled = new Stalled(process.pid);
    let turns = 0;
    this.#clock = setInterval(() => {
      if (++turns % (long / interval) === 0) this.#nameLong();
      for (const [worker, ...children] of stalled.look(processes(), Date.now())) this.#end(worker!, children);
    }, interval);
    this.#clock.unref();
  }

  #nameLong(): void {
    const now = Date.now();
    for (const [file, began] of this.#running)
      if (now - began >= long) console.log(`running for ${Math.round((now - began) / 60_000)} minutes: ${file}`);
  }

  /** Without its children a worker continues with the result of a failure. A worker that waits for others is killed itself. */
  #end(worker: Process, children: readonly Process[]): void {
    const files = [...this.#running.keys()].join(" or ");
    console.log(`${files}: no progress for ${patienceWithoutProgress / 60_000} minutes; killed:`);
    for (const { pid, command } of children.length > 0 ? children : [worker]) {
      console.log(`  ${pid} ${command.slice(0, 200)}`);
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    }
  }

  onTestModuleQueued(module: TestModule): void {
    this.#running.set(module.relativeModuleId, Date.now());
  }

  onTestModuleEnd(module: TestModule): void {
    const file = module.relativeModuleId;
    const elapsed = (Date.now() - (this.#running.get(file) ?? Date.now())) / 1000;
    this.#durations.push({ file, elapsed, processor: module.meta().processorTime ?? 0 });
    this.#running.delete(file);
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[], _reason: TestRunEndReason): void {
    clearInterval(this.#clock);
    let passed = 0;
    let failed = unhandled.length;
    const unable: string[] = [];
    const messages = unhandled.map((error) => `unhandled: ${withCauses(error)}`);
    if (unhandled.length > 0) messages.push(...this.#ended);
    // If its worker ended, vitest reports no end of a file, and names the file in no message.
    for (const file of this.#running.keys()) messages.push(`${file}: did not end`);
    for (const module of modules) {
      const isUnfinished = this.#running.has(module.relativeModuleId);
      if (module.state() === "failed" && module.errors().length > 0) {
        failed += 1;
        for (const error of module.errors()) messages.push(`${module.relativeModuleId}: ${shortened(error)}`);
      }
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === "passed") passed += 1;
        else if (result.state === "failed") {
          failed += 1;
          for (const error of result.errors)
            messages.push(`${module.relativeModuleId}: ${test.fullName}: ${shortened(error)}`);
        } else if (isUnfinished && result.state === "pending") failed += 1;
        else unable.push(`${module.relativeModuleId}: ${test.fullName}: ${reason(test)}`);
      }
    }
    const closing: string[] = [];
    if (messages.length > 0) closing.push("", "Failed:", ...messages.map((message) => `  ${message}`));
    if (unable.length > 0) {
      closing.push("", `Not run on this machine (${unable.length}):`, ...unable.map((line) => `  ${line}`));
      if (process.env["CI"]) {
        closing.push("In CI these count as failed.");
        failed += unable.length;
      }
    }
    if (modules.length > mostFiles) {
      const all = this.#durations.reduce((sum, { processor }) => sum + processor, 0);
      const longest = this.#durations.sort((a, b) => b.elapsed - a.elapsed).slice(0, mostFiles);
      const seconds = (time: number): string => `${Math.round(time)} s`.padStart(8);
      closing.push(
        "",
        `The files took ${Math.round(all)} s of a processor. Those that took longest, and their processor time:`,
      );
      closing.push(...longest.map((one) => `${seconds(one.elapsed)}${seconds(one.processor)}  ${one.file}`));
      closing.push(`${this.#times} has all of them.`);
      const byProcessor = this.#durations.toSorted((a, b) => b.processor - a.processor);
      mkdirSync(dirname(this.#times), { recursive: true });
      writeFileSync(
        this.#times,
        byProcessor.map((one) => `${one.processor.toFixed(1)}\t${one.elapsed.toFixed(1)}\t${one.file}\n`).join(""),
      );
    }
    // A log of which only the last lines are shown has no place for the messages.
    const faults = process.env["CI"] ? [...messages, ...unable] : messages;
    if (faults.length > 0 && modules.length > mostFiles)
      closing.push(
        "",
        ...faults.slice(-mostFiles).map((fault) => `failed: ${fault.split("\n")[0]!.slice(0, longestLine)}`),
      );
    if (failed > 0) process.exitCode = 1;
    closing.push("", `${passed} passed, ${failed} failed`);
    // Printed after the table of the coverage, and also if the coverage fails.
    process.once("exit", () => console.log(closing.join("\n")));
  }

  onCoverage(coverage: unknown): void {
    for (const line of shares(coverage as CoverageMap)) console.log(line);
  }
}

/** The part of istanbul's CoverageMap that the table needs. */
interface CoverageMap {
  files(): readonly string[];
  fileCoverageFor(file: string): { toSummary(): { readonly data: Readonly<Record<Kind, Share>> } };
}
type Kind = (typeof kinds)[number];
interface Share {
  readonly covered: number;
  readonly total: number;
}
const kinds = ["statements", "branches", "functions"] as const;

/** A table of the folders of src/: which share of their statements, branches and functions the tests execute. */
function shares(coverage: CoverageMap): string[] {
  const folders = new Map<string, Record<Kind, Share>>();
  const none = { covered: 0, total: 0 };
  for (const file of coverage.files()) {
    const { data } = coverage.fileCoverageFor(file).toSummary();
    for (const folder of [dirname(relative(".", file)), "all"]) {
      const sums = folders.get(folder) ?? { statements: none, branches: none, functions: none };
      for (const kind of kinds)
        sums[kind] = { covered: sums[kind].covered + data[kind].covered, total: sums[kind].total + data[kind].total };
      folders.set(folder, sums);
    }
  }
  const width = Math.max(...[...folders.keys()].map((folder) => folder.length));
  const text = ({ covered, total }: Share) => (total === 0 ? "" : `${((100 * covered) / total).toFixed(1)} %`);
  const row = (name: string, cells: readonly string[]) =>
    `  ${name.padEnd(width)}${cells.map((cell) => cell.padStart(11)).join("")}`;
  // "all" comes last.
  const all = folders.get("all");
  folders.delete("all");
  const rows = [...folders].sort(([a], [b]) => (a < b ? -1 : 1));
  if (all !== undefined) rows.push(["all", all]);
  return [
    "",
    "Executed by the tests in their own processes; the command line runs in processes of its own, which are not counted:",
    row("", kinds),
    ...rows.map(([name, sums]) =>
      row(
        name,
        kinds.map((kind) => text(sums[kind])),
      ),
    ),
  ];
}

const longest = 1_000;
/** Of a failure at the end. */
const longestLine = 200;

/** The message of an error with its difference, without colours, at most `longest` characters of each. */
function shortened({ message, diff }: SerializedError): string {
  const plain = (text: string) => stripVTControlCharacters(text).slice(0, longest).replaceAll("\n", "\n    ");
  return typeof diff !== "string" ? plain(message) : `${plain(message)}\n    ${plain(diff)}`;
}

/** vitest wraps the failure of a worker in an error that does not contain it. */
function withCauses(error: SerializedError): string {
  const { cause } = error;
  const isError = typeof cause === "object" && cause !== null && "message" in cause;
  return isError ? `${shortened(error)}\n    caused by: ${withCauses(cause as SerializedError)}` : shortened(error);
}

function reason(test: TestCase): string {
  const result = test.result();
  return (result.state === "skipped" && result.note) || "no reason given";
}
