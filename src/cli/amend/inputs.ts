/** Reads refused calls from files of events, and from traces by evaluating the policy over them. */

import { nameCall } from "../../abi/decode.ts";
import { readEvent } from "../../amend/events.ts";
import { Groups } from "../../amend/groups.ts";
import { diagnostic, hasErrors } from "../../diagnostics/catalogue.ts";
import { safeText } from "../../diagnostics/width.ts";
import type { Evaluator } from "../../engines/simulate/evaluator.ts";
import { WasmEvaluator } from "../../engines/simulate/wasm-evaluator.ts";
import { isExpectedRefusal } from "../../events/expected.ts";
import type { Program } from "../../ir/program.ts";
import { printTraceCall } from "../../traces/formats/words.ts";
import { traceLines } from "../../traces/lines.ts";
import { missingForReplay, type Replay, replay } from "../../traces/replay.ts";
import type { Context } from "../context.ts";
import { withTraceSource } from "../input.ts";
import { printDiagnostics } from "../policy/load.ts";
import { formOf, readEvents, shownName, sourcesOf } from "../trace-events.ts";
import { Failure } from "../verb.ts";

export interface InputSettings {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly quiet: boolean;
}

export interface Refused {
  readonly groups: Groups;
  /** Hosts that the tree has asked for in vain, with their lists. */
  readonly hosts: ReadonlySet<string>;
  /** Events that their writer says are lost. */
  readonly dropped: number;
}

const mostMalformed = 5;
const mostHosts = 50;

/**
 * @param digest of the policy's text
 * @throws Failure if a file cannot be read
 */
export async function readRefused(
  files: readonly string[],
  program: Program,
  digest: string,
  settings: InputSettings,
  context: Context,
): Promise<Refused> {
  const groups = new Groups(program, digest);
  const hosts = new Set<string>();
  let dropped = 0;
  for (const file of files) {
    const form = withTraceSource(file, formOf);
    if (form === "events") {
      dropped += readEventFile(file, program, groups, hosts, settings, context);
    } else if (form !== "empty") await readTrace(file, program, groups, settings, context);
  }
  return { groups, hosts, dropped };
}

function readEventFile(
  file: string,
  program: Program,
  groups: Groups,
  hosts: Set<string>,
  { quiet }: InputSettings,
  context: Context,
): number {
  let [line, malformed, dropped] = [0, 0, 0];
  const complain = (why: string) => {
    malformed++;
    if (quiet || malformed > mostMalformed) return;
    context.err(`${safeText(`${shownName({ file })}:${line}: ${why}; the line is left out`)}\n`);
  };
  withTraceSource(file, (source) => {
    for (const reading of traceLines(source)) {
      line++;
      if (reading.kind !== "line") {
        complain(reading.kind === "damage" ? "lines are damaged" : "the file ends within a line");
        continue;
      }
      if (reading.text.trim() === "") continue;
      if (reading.isDamaged === true) {
        complain("it is not UTF-8");
        continue;
      }
      const event = readEvent(reading.text, program.architecture);
      if (event.is === "malformed") complain(event.why);
      else if (event.is === "refusal") for (const refusal of event.refusals) groups.add(refusal);
      else {
        dropped += event.dropped;
        if (event.host !== undefined && hosts.size < mostHosts) hosts.add(event.host);
      }
    }
  });
  if (!quiet && malformed > mostMalformed)
    context.err(`${safeText(shownName({ file }))}: ${malformed} lines are left out\n`);
  return dropped;
}

async function readTrace(
  file: string,
  program: Program,
  groups: Groups,
  { uid, gid, quiet }: InputSettings,
  context: Context,
): Promise<void> {
  const shown = shownName({ file });
  const name = { file, isStrace: false };
  let run: Replay | undefined;
  const warnings = readEvents(name, program.architecture, {
    event: (event, head) => {
      if (run === undefined) {
        const lacking = missingForReplay(program, head, { file: shown, uid, gid });
        if (lacking.length > 0) throw new Failure(lacking);
        run = replay(new WasmEvaluator(program) as Evaluator, head, { file: shown, uid, gid });
      }
      const call = run.take(event);
      if (call === undefined) return;
      const { decision } = call;
      const { action, errno } = decision;
      if (decision.passes !== false || action === "fails" || action === "unknown" || action === "ask") return;
      const { name: printed, call: described } = nameCall(
        program.architecture,
        call.event.architecture,
        call.event.number,
      );
      if (isExpectedRefusal(printed, { action, errno })) return;
      const known = Object.values(decision.phases.before).every((phase) => phase !== "unknown");
      groups.add({
        call: described?.name,
        number: call.event.number,
        registers: call.event.arguments,
        memory: call.event.memory,
        ...(known ? { phases: decision.phases.before } : {}),
        text: printTraceCall(call.event, program),
        verdict: decision.verdict,
        ...(decision.reason === undefined ? {} : { reason: decision.reason }),
        ...(decision.rule === undefined ? {} : { rule: decision.rule }),
        command: "",
        count: 1,
      });
    },
    end: () => {
      const faults = run?.diagnostics() ?? [];
      if (hasErrors(faults)) throw new Failure(faults, sourcesOf(file, faults));
      run = undefined;
    },
  });
  if (!quiet) await printDiagnostics(warnings, sourcesOf(file, warnings), context);
}

/** @throws Failure if there is no file */
export function noInput(): Failure {
  return new Failure([
    diagnostic("P0908", "a file of events or a trace is missing", {
      help: "portcullis run --audit --events events.jsonl -p POLICY -- COMMAND; portcullis amend POLICY events.jsonl",
    }),
  ]);
}
