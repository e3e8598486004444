/**
 * `portcullis/testing`: evaluates policies in their authors' tests. The published types, with their documentation, are
 * in src/language/types/testing.d.ts.
 */
import { closeSync, fstatSync, openSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { hasErrors } from "./diagnostics/catalogue.ts";
import type { Diagnostic } from "./diagnostics/diagnostic.ts";
import { renderDiagnostics, type Sources } from "./diagnostics/render.ts";
import type { Evaluator } from "./engines/simulate/evaluator.ts";
import { InterpreterEvaluator } from "./engines/simulate/interpreter-evaluator.ts";
import type { SimulatedDecision, SimulatedReport, SimulatedTask } from "./engines/simulate/model.ts";
import { SimulatedTree } from "./engines/simulate/tree.ts";
import { WasmEvaluator } from "./engines/simulate/wasm-evaluator.ts";
import { duration } from "./inert.ts";
import type { Program } from "./ir/program.ts";
import { loadPolicy } from "./language/load.ts";
import { type ArchitectureName, hostArchitecture } from "./linux/architecture.ts";
import { callByName, callByNumber } from "./linux/calls.ts";
import { runningKernel } from "./linux/kernel-version.ts";
import { registersOf } from "./linux/registers.ts";
import { callsMeantBy, explainUnknownCall } from "./linux/unknown-call.ts";
import { sourceOfFile } from "./traces/blocks.ts";
import { gzipFault, sourceLines } from "./traces/lines.ts";
import { readTrace } from "./traces/read.ts";
import { missingForReplay, replay } from "./traces/replay.ts";
import { testedArguments } from "./traces/tested-memory.ts";
import type { TraceReading } from "./traces/trace.ts";

export { RefusedError } from "./engines/simulate/task.ts";

/** All errors of a policy or a trace. */
export class PolicyError extends Error {
  override readonly name = "PolicyError";
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[], sources: Sources) {
    super(`\n${renderDiagnostics(diagnostics, sources)}`);
    this.diagnostics = diagnostics;
  }
}

interface Options {
  readonly set?: Readonly<Record<string, string>>;
  readonly compiled?: "interpreter" | "wasm";
  readonly architecture?: ArchitectureName;
  readonly uid?: bigint;
  readonly gid?: bigint;
}

type Decision = Pick<SimulatedDecision, "verdict" | "reason" | "rule">;
type TracedDecision = Decision & { readonly pid: bigint; readonly call: string };

export async function simulate(
  policy: string | URL,
  traceOrOptions: string | URL | Options = {},
  optionsWithTrace: Options = {},
): Promise<Simulation> {
  const traceFile = typeof traceOrOptions === "string" || traceOrOptions instanceof URL ? traceOrOptions : undefined;
  const options = traceFile === undefined ? (traceOrOptions as Options) : optionsWithTrace;
  const architecture = options.architecture ?? hostArchitecture() ?? "x86_64";
  const program = load(pathOf(policy), architecture, options);
  const evaluator = (
    options.compiled === "wasm" ? new WasmEvaluator(program) : new InterpreterEvaluator(program)
  ) as Evaluator;
  if (traceFile !== undefined) return replayed(evaluator, pathOf(traceFile), options);
  const ids = { uid: Number(options.uid ?? 1000n), gid: Number(options.gid ?? 1000n) };
  const reports: SimulatedReport[] = [];
  const tree = new SimulatedTree(evaluator, { ...ids, onDecision: (decision) => reports.push(...decision.reports) });
  return new Simulation(tree, reports, []);
}

function load(path: string, architecture: ArchitectureName, { set = {} }: Options): Program {
  const { program, diagnostics, sources } = loadPolicy(path, {
    architecture,
    set: new Map(Object.entries(set)),
    host: { kernelVersion: runningKernel(architecture) },
  });
  if (program === undefined) throw new PolicyError(diagnostics, sources);
  return program;
}

function pathOf(file: string | URL): string {
  return typeof file === "string" ? file : fileURLToPath(file);
}

// ── Recordings ──────────────────────────────────────────────────────────────────────────────────────────────────────

function replayed(evaluator: Evaluator, path: string, options: Options): Simulation {
  const { program } = evaluator;
  const file = relative(process.cwd(), path);
  const descriptor = openSync(path, "r");
  try {
    const source = sourceOfFile(descriptor, fstatSync(descriptor).size);
    const refuse = (diagnostics: readonly Diagnostic[]) => {
      if (hasErrors(diagnostics))
        throw new PolicyError(diagnostics, new Map([[file, sourceLines(source, diagnostics)]]));
    };
    return simulationOf(evaluator, readTrace(source, file, program.architecture), { file, options, refuse });
  } catch (error) {
    const fault = gzipFault(error, file);
    throw fault === undefined ? error : new PolicyError([fault], new Map());
  } finally {
    closeSync(descriptor);
  }
}

interface Replaying {
  readonly file: string;
  readonly options: Options;
  refuse(diagnostics: readonly Diagnostic[]): void;
}

function simulationOf(
  evaluator: Evaluator,
  { runs, diagnostics }: TraceReading,
  { file, options, refuse }: Replaying,
): Simulation {
  const { program } = evaluator;
  refuse(diagnostics);
  const settings = { file, uid: numberOf(options.uid), gid: numberOf(options.gid) };
  const reports: SimulatedReport[] = [];
  const decisions: TracedDecision[] = [];
  let tree: SimulatedTree | undefined;
  for (const trace of runs) {
    refuse(missingForReplay(program, trace, settings));
    const run = replay(evaluator, trace, settings);
    for (const { event, pid, decision } of run.calls()) {
      const call = callByNumber(program.architecture, event.number)?.name ?? `call ${event.number}`;
      reports.push(...decision.reports);
      decisions.push({ ...decisionOf(decision), pid: BigInt(pid), call });
    }
    refuse(run.diagnostics());
    tree = run.tree;
  }
  return new Simulation(tree!, reports, decisions);
}

function numberOf(id: bigint | undefined): number | undefined {
  return id === undefined ? undefined : Number(id);
}

function decisionOf({ verdict, waits, reason, rule }: SimulatedDecision): Decision {
  return { verdict: waits === undefined ? verdict : "waits", reason, rule };
}

// ── A run to play with ──────────────────────────────────────────────────────────────────────────────────────────────

class Simulation {
  readonly command: Task;
  /** Of the calls of the trace. */
  readonly decisions: readonly TracedDecision[];
  readonly reports: readonly SimulatedReport[];
  readonly #tree: SimulatedTree;

  constructor(tree: SimulatedTree, reports: readonly SimulatedReport[], decisions: readonly TracedDecision[]) {
    this.#tree = tree;
    this.reports = reports;
    this.decisions = decisions;
    this.command = new Task(tree.program, tree.command);
  }

  advance(time: string): void {
    this.#tree.advance(duration(time));
  }

  get alive(): bigint {
    return this.#tree.alive;
  }

  get neverEntered(): readonly string[] {
    return this.#tree.neverEntered.map(({ phases, phase }) => `${phases} ${phase}`);
  }
}

class Task {
  readonly #program: Program;
  readonly #task: SimulatedTask;

  constructor(program: Program, task: SimulatedTask) {
    this.#program = program;
    this.#task = task;
  }

  get pid(): bigint {
    return BigInt(this.#task.pid);
  }

  get tid(): bigint {
    return BigInt(this.#task.tid);
  }

  get uid(): bigint {
    return BigInt(this.#task.uid);
  }

  set uid(uid: bigint) {
    this.#task.uid = Number(BigInt.asUintN(32, uid));
  }

  get gid(): bigint {
    return BigInt(this.#task.gid);
  }

  set gid(gid: bigint) {
    this.#task.gid = Number(BigInt.asUintN(32, gid));
  }

  call(name: string, given: Readonly<Record<string, unknown>> = {}): Decision {
    return this.#judge("call", name, given);
  }

  begin(name: string, given: Readonly<Record<string, unknown>> = {}): Decision {
    return this.#judge("begin", name, given);
  }

  get begun(): "runs" | "waits" | Decision | undefined {
    const { begun } = this.#task;
    return begun?.is === "late" ? begun.ruling : begun?.is;
  }

  end(): void {
    this.#task.end();
  }

  interrupt(): void {
    this.#task.interrupt();
  }

  #judge(how: "call" | "begin", name: string, given: Readonly<Record<string, unknown>>): Decision {
    const { architecture } = this.#program;
    const call = callByName(name);
    if (call === undefined) throw new TypeError(unknownCall(name));
    const number = call.number[architecture];
    if (number === undefined) throw new TypeError(`${architecture} has no ${name}`);
    const { registers, memory } = testedArguments(call, architecture, given);
    const decision = this.#task[how]({ number, arguments: registersOf(call, architecture, registers), memory });
    // A call only gives the verdict; `fork` and `thread` create children.
    decision.birth?.fail();
    const [lacking] = decision.lacking;
    if (lacking !== undefined) {
      throw new TypeError(
        `the policy asks about the memory behind \`${lacking}\` of ${name}, and the call does not give it`,
      );
    }
    return decisionOf(decision);
  }

  fork(): Task {
    return new Task(this.#program, this.#task.fork());
  }

  thread(): Task {
    return new Task(this.#program, this.#task.thread());
  }

  execute(): void {
    this.#task.execute();
  }

  exit(): void {
    this.#task.exit();
  }
}

function unknownCall(name: string): string {
  const meant = callsMeantBy(name);
  const { message } = explainUnknownCall(name);
  return meant.length === 0 ? message : `${message}; did you mean ${meant.join(" or ")}?`;
}
