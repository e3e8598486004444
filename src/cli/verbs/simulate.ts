/** `portcullis simulate`: replays a trace (src/traces) under a policy and prints the decisions. */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { nameCall } from "../../abi/decode.ts";
import { hasErrors } from "../../diagnostics/catalogue.ts";
import { jsonText, safeText } from "../../diagnostics/width.ts";
import { lackingName, lackingText, shownVerdict } from "../../engines/simulate/decision.ts";
import type { NeverEntered, SimulatedDecision } from "../../engines/simulate/model.ts";
import type { Program } from "../../ir/program.ts";
import { verdictText } from "../../ir/verdicts.ts";
import { withoutValues } from "../../traces/formats/environment.ts";
import { decodeWords, printTraceCall } from "../../traces/formats/words.ts";
import { jsonMemory } from "../../traces/notation/json-memory.ts";
import { CallsThatGoOn, missingForReplay, type Replay, type ReplayedCall, replay } from "../../traces/replay.ts";
import type { TraceEvent, TraceHead } from "../../traces/trace.ts";
import { oneOf } from "../choices.ts";
import type { Context } from "../context.ts";
import { wholeNumber } from "../numbers.ts";
import {
  architectureOption,
  missing,
  noMoreWords,
  policyAndWords,
  policyOptions,
  policyRequest,
} from "../policy/arguments.ts";
import { loadRequested, printDiagnostics } from "../policy/load.ts";
import { readEvents, shownName, sourcesOf } from "../trace-events.ts";
import { Failure, failed, type Verb } from "../verb.ts";

const forms = ["interpreter", "wasm"] as const;

export const simulate: Verb = {
  name: "simulate",
  synopsis: ["simulate [OPTIONS] -p POLICY TRACE", "simulate [OPTIONS] POLICY TRACE"],
  about: [
    "Evaluates the policy on every call of a recording, with its processes, threads and clock, and prints the verdicts. Nothing is executed. The recorded actions happen regardless of the verdicts, so one run shows every refusal.",
    "A trace is a file of JSON lines (docs/traces.md) or the output of strace:",
    "    strace -f -n -ttt -e raw=all -o trace.strace -- COMMAND",
    "strace does not record everything: registers beyond a call's parameters, the caller's uid and gid, and the instruction pointer (without -i) are unknown; without -e raw=all so are the upper halves of 32-bit arguments, and all values printed by name. A verdict that depends on unknown bits is printed as unknown, and so are later verdicts that depend on state which unknown bits have changed.",
    "Memory behind pointers is known if strace prints it: without raw=all, and in full with -v -s 65536. If the policy asks about memory that the trace lacks, or of which strace prints only the beginning, the verdict is unknown unless the known part decides.",
    "Standard output has one line for each call that is not plainly allowed; with --all, for every call. The name - means standard input.",
  ],
  options: {
    ...policyOptions,
    ...architectureOption,
    all: { short: "a", about: "Also print allowed calls." },
    json: { about: "Print one JSON object per line for every call that is printed." },
    compiled: {
      value: "FORM",
      about: "Evaluate with the interpreter (the reference, and the default) or with wasm (as `run` does).",
      complete: forms,
    },
    uid: { value: "N", about: "The command's effective user, if the trace lacks it." },
    gid: { value: "N", about: "The command's effective group, if the trace lacks it." },
    quiet: { short: "q", about: "Print neither the summary nor warnings." },
  },
  complete: "policy",
  exit: [
    ["0", "Every call would pass."],
    ["1", "A call would not pass, or it is unknown whether it would."],
    [String(failed), "The policy does not compile, or the trace cannot be read."],
  ],
  examples: [
    ["portcullis simulate web.ts nginx.strace", "Which calls of nginx would be refused?"],
    ["portcullis simulate -p order --all --json trace.jsonl | jq .verdict", "Every verdict, for a program"],
    ["strace -f -n -ttt -e raw=all -o /dev/stdout true | portcullis simulate exec-once -", "Without a file"],
  ],
  async execute(invocation, context) {
    const { policy, words } = policyAndWords(invocation);
    const [file, ...more] = words;
    if (file === undefined) throw missing("a trace", "portcullis simulate POLICY TRACE");
    noMoreWords(more);
    const form = oneOf("compiled", invocation.text("compiled") ?? "interpreter", forms);
    const quiet = invocation.has("quiet");
    const ids = { uid: wholeNumber(invocation, "uid", 0xffff_fffe), gid: wholeNumber(invocation, "gid", 0xffff_fffe) };
    const { program } = await loadRequested(policyRequest(policy, invocation), context, { quiet });
    const shown = shownName({ file });
    const { runs, diagnostics } = surveyed(file, program.architecture);
    if (!quiet) await printDiagnostics(diagnostics, sourcesOf(file, diagnostics), context);
    for (const { head } of runs) {
      const lacking = missingForReplay(program, head, { file: shown, ...ids });
      if (lacking.length > 0) throw new Failure(lacking);
    }
    const { loadForm } = await import("../evaluators.ts");
    const evaluate = await loadForm(form);
    const summary = new Summary();
    const print = invocation.has("json") ? printJson : printLine;
    let index = 0;
    let current: Replay | undefined;
    const begin = (head: TraceHead) => {
      const { goingOn } = runs[index]!;
      return replay(evaluate(program), head, { file: shown, goingOn, ...ids });
    };
    const sink = {
      event: (event: TraceEvent, head: TraceHead) => {
        if (runs[index]?.calls === 0) return;
        current ??= begin(head);
        const call = current.take(event);
        if (call === undefined) return;
        summary.count(call.decision);
        if (invocation.has("all") || !isPlain(call.decision)) context.out(print(call, program, shown));
      },
      end: () => {
        index++;
        if (current === undefined) return;
        const contradictions = current.diagnostics();
        if (hasErrors(contradictions)) throw new Failure(contradictions, sourcesOf(file, contradictions));
        summary.ended(current.tree.neverEntered);
        current = undefined;
      },
    };
    readEvents({ file, isStrace: false }, program.architecture, sink);
    if (!quiet) printSummary(summary, program, context);
    return summary.passes ? 0 : 1;
  },
};

/** The data of a run before it is evaluated. */
interface Survey {
  readonly head: TraceHead;
  readonly goingOn: CallsThatGoOn;
  calls: number;
}

/**
 * A first reading, so that nothing is printed of a trace with errors. The diagnostics are warnings.
 *
 * @throws Failure
 */
function surveyed(file: string, architecture: ArchitectureName) {
  const runs: Survey[] = [];
  const diagnostics = readEvents({ file, isStrace: false }, architecture, {
    event: (event, head) => {
      if (runs.at(-1)?.head !== head) runs.push({ head, goingOn: new CallsThatGoOn(), calls: 0 });
      const run = runs.at(-1)!;
      run.goingOn.add(event);
      if (event.kind === "call") run.calls++;
    },
    end: () => {},
  });
  return { runs, diagnostics };
}

function isPlain(decision: SimulatedDecision): boolean {
  return decision.verdict === "allow" && decision.waits === undefined && decision.reports.length === 0;
}

class Summary {
  readonly verdicts = new Map<string, number>();
  calls = 0;
  passes = true;
  /** Calls that depend on memory, and on an object alone, that the trace lacks. */
  readonly lacking = { memory: 0, object: 0 };
  /** Phases that no run has entered. */
  neverEntered: readonly NeverEntered[] | undefined;

  ended(neverEntered: readonly NeverEntered[]): void {
    const same = (a: NeverEntered, b: NeverEntered) => a.phases === b.phases && a.phase === b.phase;
    this.neverEntered = (this.neverEntered ?? neverEntered).filter((one) => neverEntered.some((two) => same(one, two)));
  }

  count(decision: SimulatedDecision): void {
    const verdict = shownVerdict(decision);
    if (decision.lacking.some(({ lacks }) => lacks === "memory")) this.lacking.memory++;
    else if (decision.lacking.length > 0) this.lacking.object++;
    this.calls++;
    this.verdicts.set(verdict, (this.verdicts.get(verdict) ?? 0) + 1);
    if (decision.passes !== true) this.passes = false;
  }
}

function printSummary(
  { calls, verdicts, lacking, neverEntered = [] }: Summary,
  program: Program,
  context: Context,
): void {
  const counts = [...verdicts].sort(([, a], [, b]) => b - a).map(([verdict, count]) => `${count} ${verdict}`);
  context.err(`${calls} calls: ${counts.join(", ")}\n`);
  if (lacking.memory > 0) {
    const how = "strace -f -n -ttt -v -s 65536, without -e raw=all, records it";
    context.err(`${lacking.memory} of them depend on memory that the trace lacks; ${how}\n`);
  }
  if (lacking.object > 0) {
    const how = "no recorder records it; case files and JSON lines can give it (docs/cases.md, docs/traces.md)";
    context.err(`${lacking.object} of them depend on the object that a path leads to (resolved); ${how}\n`);
  }
  for (const { phases, phase, at } of neverEntered) {
    const place = at === undefined ? "" : ` (${program.files[at.file]}:${at.line}:${at.column})`;
    const message = `no process ever entered phase ${phase} of ${phases}${place}; rules that depend on it never applied`;
    context.err(`${safeText(message)}\n`);
  }
}

function printLine({ event, pid, decision }: ReplayedCall, program: Program, file: string): string {
  const who = pid === event.tid ? String(pid) : `${pid}/${event.tid}`;
  const rule = decision.rule === undefined ? "" : `  ${decision.rule}`;
  const reason = decision.reason === undefined ? "" : `  ${JSON.stringify(decision.reason)}`;
  const between = decision.verdict === "unknown" ? `  one of: ${possible(decision, program).join(", ")}` : "";
  const reports = decision.reports.map(
    ({ text, values }) =>
      `    reports: ${[text, ...Object.entries(values).map(([name, value]) => `${name}=${value ?? "unknown"}`)].join(" ")}`,
  );
  const { waits } = decision;
  const wait =
    waits === undefined ? "" : `  waits for ${waits.room}, behind ${waits.behind.map(({ tid }) => tid).join(", ")}`;
  const call = printTraceCall(event, program);
  const lacking = decision.lacking.length === 0 ? "" : `  the trace lacks ${lackingText(decision.lacking)}`;
  const line = `${file}:${event.place.line}  ${who}  ${call}  ${shownVerdict(decision)}${wait}${rule}${reason}${between}${lacking}`;
  return [line, ...reports].map((one) => `${safeText(one)}\n`).join("");
}

function possible(decision: SimulatedDecision, program: Program): string[] {
  return [...new Set(decision.possible.map((index) => verdictText(program.verdicts[index]!)))];
}

function printJson({ event, pid, decision }: ReplayedCall, program: Program): string {
  const { name, call } = nameCall(program.architecture, event.architecture, event.number);
  const line = {
    v: 1,
    kind: "decision",
    line: event.place.line,
    time: event.time === undefined ? undefined : String(event.time),
    pid,
    tid: event.tid,
    call: name,
    number: event.number,
    arguments: decodeWords(program.architecture, call, event.arguments, event.memory),
    ...jsonMemory(name, withoutValues(event.memory)),
    verdict: decision.verdict,
    possible: decision.verdict === "unknown" ? possible(decision, program) : undefined,
    reason: decision.reason,
    rule: decision.rule,
    lacking: decision.lacking.length === 0 ? undefined : decision.lacking.map(lackingName),
    waits: decision.waits && { room: decision.waits.room, behind: decision.waits.behind.map(({ tid }) => tid) },
    phases: Object.keys(decision.phases.before).length === 0 ? undefined : decision.phases.before,
    stateUncertain: decision.effectsKnown ? undefined : true,
    reports: decision.reports.length === 0 ? undefined : decision.reports,
  };
  return `${jsonText(line)}\n`;
}
