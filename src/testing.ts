/**
 * `portcullis/testing`: evaluates policies in their authors' tests. The published types, with their documentation, are
 * in src/frontend/types/testing.d.ts.
 */
import { closeSync, fstatSync, openSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { type ArchitectureName, architectureNames, hostArchitecture } from "./abi/architecture.ts";
import { callByName, callByNumber } from "./abi/calls.ts";
import { runningKernel } from "./abi/kernel-version.ts";
import { registersOf } from "./abi/registers.ts";
import { callsMeantBy, explainUnknownCall } from "./abi/unknown-call.ts";
import { hasErrors } from "./diagnostics/catalogue.ts";
import type { Diagnostic } from "./diagnostics/diagnostic.ts";
import { renderDiagnostics, type Sources } from "./diagnostics/render.ts";
import { nearestName } from "./diagnostics/suggest.ts";
import { lackingText } from "./engines/simulate/decision.ts";
import type { Evaluator } from "./engines/simulate/evaluator.ts";
import { InterpreterEvaluator } from "./engines/simulate/interpreter-evaluator.ts";
import type { SimulatedDecision, SimulatedReport, SimulatedTask } from "./engines/simulate/model.ts";
import { SimulatedTree } from "./engines/simulate/tree.ts";
import { WasmEvaluator } from "./engines/simulate/wasm-evaluator.ts";
import { loadPolicy } from "./frontend/load.ts";
import { duration } from "./inert.ts";
import type { Program } from "./ir/program.ts";
import { sourceOfFile } from "./traces/blocks.ts";
import { readTrace } from "./traces/formats/read.ts";
import { gzipFault, sourceLines } from "./traces/lines.ts";
import { testedArguments } from "./traces/notation/tested-memory.ts";
import { missingForReplay, replay } from "./traces/replay.ts";
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
  const traceFile = isFile(traceOrOptions) ? traceOrOptions : undefined;
  const options = traceFile === undefined ? (traceOrOptions as Options) : optionsWithTrace;
  if (!isFile(policy)) throw new TypeError(`the policy is the name of a file, or a URL, not ${shown(policy)}`);
  checkOptions(options);
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

// ── Tests in JavaScript, whose types nothing has checked ────────────────────────────────────────────────────────────

const id = {
  form: "a bigint from 0n to 4294967294n",
  fits: (value: unknown) => typeof value === "bigint" && value >= 0n && value < 0xffff_ffffn,
};
const optionForms: {
  readonly [O in keyof Options]-?: { readonly form: string; fits(value: unknown): boolean };
} = {
  set: { form: 'an object of strings, { most: "16" }', fits: isObject },
  compiled: oneOf(["interpreter", "wasm"]),
  architecture: oneOf(architectureNames),
  uid: id,
  gid: id,
};

function oneOf(names: readonly string[]) {
  return {
    form: names.map((name) => JSON.stringify(name)).join(" or "),
    fits: (value: unknown) => names.some((name) => name === value),
  };
}

/** @throws TypeError */
function checkOptions(options: unknown): asserts options is Options {
  if (!isObject(options)) throw new TypeError(`the options of simulate are an object, not ${shown(options)}`);
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(optionForms, name)) {
      const near = nearestName(name, Object.keys(optionForms));
      throw new TypeError(
        `simulate has no option \`${name}\`${near === undefined ? "" : `; did you mean \`${near}\`?`}`,
      );
    }
    const { form, fits } = optionForms[name as keyof Options];
    if (value !== undefined && !fits(value)) throw new TypeError(`\`${name}\` is ${form}, not ${shown(value)}`);
  }
  for (const [name, value] of Object.entries(options["set"] ?? {})) {
    if (typeof value !== "string")
      throw new TypeError(`the parameter ${JSON.stringify(name)} is set to a string, not ${shown(value)}`);
  }
}

function isFile(value: unknown): value is string | URL {
  return typeof value === "string" || value instanceof URL;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof URL);
}

function shown(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "bigint":
      return `${value}n`;
    case "object":
      return value === null ? "null" : Array.isArray(value) ? "a list" : "an object";
    case "function":
      return "a function";
    default:
      return String(value);
  }
}

/** @throws TypeError */
function checkId(name: "uid" | "gid", value: unknown): void {
  if (typeof value !== "bigint") throw new TypeError(`\`${name}\` is a bigint, not ${shown(value)}`);
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
  /** The decisions on the calls of the trace. */
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
    if (typeof time !== "string") throw new TypeError(`a duration is a string, "50ms", not ${shown(time)}`);
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
    checkId("uid", uid);
    this.#task.uid = Number(BigInt.asUintN(32, uid));
  }

  get gid(): bigint {
    return BigInt(this.#task.gid);
  }

  set gid(gid: bigint) {
    checkId("gid", gid);
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
    if (typeof name !== "string") throw new TypeError(`the name of a call is a string, not ${shown(name)}`);
    if (!isObject(given)) throw new TypeError(`the arguments of ${name} are an object, not ${shown(given)}`);
    const call = callByName(name);
    if (call === undefined) throw new TypeError(unknownCall(name));
    const number = call.number[architecture];
    if (number === undefined) throw new TypeError(`${architecture} has no ${name}`);
    const { registers, memory } = testedArguments(call, architecture, given);
    const decision = this.#task[how]({ number, arguments: registersOf(call, architecture, registers), memory });
    // A call only gives the verdict; `fork` and `thread` create children.
    decision.birth?.fail();
    if (decision.lacking.length > 0) {
      const what = lackingText(decision.lacking, (argument) => `\`${argument}\``);
      throw new TypeError(`the policy asks about ${what}, and the call of ${name} does not give it`);
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
