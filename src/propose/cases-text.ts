/**
 * Prints a case file from a recording: for each rule and phase the first call that it allows, and the calls and births
 * that lead to the phase. Calls of threads appear at their process, because a proposal has no state of threads.
 */
import { basename } from "node:path";
import type { ArchitectureName } from "../abi/architecture.ts";
import type { CallDescription } from "../abi/call.ts";
import { callByNumber, registerOf } from "../abi/calls.ts";
import { environmentArgument } from "../abi/environment.ts";
import { isCreatingCall } from "../abi/process-calls.ts";
import { safeText } from "../diagnostics/width.ts";
import type { SimulatedDecision } from "../engines/simulate/model.ts";
import { printTraceCall } from "../traces/formats/words.ts";
import type { CallEvent, TraceEvent } from "../traces/trace.ts";
import { unknownWord } from "../traces/trace.ts";
import type { History } from "./history.ts";

const mostFiles = 9;
const mostProcesses = 40;
const mostLines = 1000;
/** With a name and a verdict, a line of a case file has at most 4,096 characters. */
const longestCall = 4000;

class CaseWriter {
  readonly #architecture: ArchitectureName;
  /** Calls that a counter counts: the file must have each of them. */
  readonly #counted: ReadonlySet<string>;
  readonly #lines: string[] = [];
  readonly #seen = new Set<string>();
  /** Decisions of the replay, which are the same object for repeated calls, that add no line. */
  readonly #settled = new WeakSet<SimulatedDecision>();
  /** The task's name by thread. A task without a line in the file has no name. */
  readonly #names = new Map<number, string>();
  /** By thread, its last call that could create a process and has not, and the index of its line. */
  readonly #births = new Map<number, { readonly call: string; readonly line: number }>();
  #processes = 0;

  constructor(architecture: ArchitectureName, counted: ReadonlySet<string>) {
    this.#architecture = architecture;
    this.#counted = counted;
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  /** Takes events in their order; `decision` is the policy's for a call. */
  take(event: TraceEvent, decision: SimulatedDecision | undefined): void {
    switch (event.kind) {
      case "clock":
        return;
      case "call":
        if (this.#processes === 0) this.#name(event.tid, "main");
        if (decision !== undefined) this.#call(event, decision);
        return;
      case "thread": {
        const name = this.#names.get(event.tid);
        if (name !== undefined) this.#names.set(event.child, name);
        this.#births.delete(event.tid);
        return;
      }
      case "fork":
        this.#fork(event.tid, event.child);
        return;
      case "exec": {
        const name = this.#names.get(event.former ?? event.tid);
        if (name !== undefined) this.#names.set(event.tid, name);
        return;
      }
      case "exit":
        this.#names.delete(event.tid);
        return;
    }
  }

  text(about: string): string {
    const width = Math.max(...this.#lines.map((line) => line.indexOf(" ")));
    const lines = this.#lines.map((line) => {
      const at = line.indexOf(" ");
      return `${line.slice(0, at).padEnd(width)}${line.slice(at)}`;
    });
    return [`# ${about}`, ...lines, ""].join("\n");
  }

  #name(tid: number, name: string): void {
    this.#processes++;
    this.#names.set(tid, name);
  }

  #fork(parent: number, child: number): void {
    const parentName = this.#names.get(parent);
    if (parentName === undefined || this.#processes >= mostProcesses || this.#lines.length >= mostLines) {
      this.#names.delete(child);
      return;
    }
    const birth = this.#births.get(parent);
    this.#births.delete(parent);
    if (birth === undefined) {
      this.#names.delete(child);
      return;
    }
    const name = `process${this.#processes}`;
    this.#name(child, name);
    // The line of the call becomes the line of the birth, so that the policy judges the call once.
    this.#lines[birth.line] = `${name} = ${parentName} ${birth.call}`;
  }

  #call(event: CallEvent, decision: SimulatedDecision): void {
    this.#births.delete(event.tid);
    if (this.#settled.has(decision)) return;
    const { verdict, rule, phases } = decision;
    const name = this.#names.get(event.tid);
    const call = callByNumber(this.#architecture, event.number);
    if (name === undefined || call === undefined) return;
    const before = JSON.stringify(phases.before);
    const changes = before !== JSON.stringify(phases.after) || this.#counted.has(call.name);
    if (verdict !== "allow" && !changes) {
      this.#settled.add(decision);
      return;
    }
    const key = `${call.name} ${rule} ${before}`;
    const isCreating = isCreatingCall(call.name); // A birth may follow; its line belongs here.
    if (!changes && (this.#lines.length >= mostLines || (this.#seen.has(key) && !isCreating))) {
      this.#settled.add(decision);
      return;
    }
    const text = this.#written(event, call);
    if (isCreating && text !== undefined && verdict === "allow")
      this.#births.set(event.tid, { call: text, line: this.#lines.length });
    if (text === undefined) {
      // Later lines of the process would be in another phase.
      if (changes) for (const [tid, other] of this.#names) if (other === name) this.#names.delete(tid);
      return;
    }
    this.#seen.add(key);
    this.#lines.push(`${name} ${text}  ${verdict}`);
  }

  /** Undefined if a register is unknown, or the line would be too long. */
  #written(event: CallEvent, call: CallDescription): string | undefined {
    const isKnown = call.parameters.every((parameter, index) => {
      const used = BigInt.asUintN(parameter.width, -1n);
      const word = event.arguments[registerOf(call, index, this.#architecture)] ?? unknownWord;
      return (word.known & used) === used;
    });
    const text = printTraceCall(withoutEnvironment(event), { architecture: this.#architecture });
    return isKnown && text.length <= longestCall ? text : undefined;
  }
}

/**
 * No rule of a proposal reads the environment. It often has secrets, which a case file, unlike a recording, shows to
 * everyone who can read the policy; and a long one would leave no room for the call in its line.
 */
function withoutEnvironment(event: CallEvent): CallEvent {
  if (!event.memory.has(environmentArgument)) return event;
  return {
    ...event,
    memory: new Map([...event.memory].filter(([name]) => name !== environmentArgument)),
    content: undefined,
  };
}

/** Makes a case file for each recording. */
export class CaseFiles {
  readonly #make: () => CaseWriter;
  readonly #writers: CaseWriter[] = [];
  #current: CaseWriter | undefined;

  constructor(architecture: ArchitectureName, counted: ReadonlySet<string>) {
    this.#make = () => new CaseWriter(architecture, counted);
  }

  event(event: TraceEvent, decision: SimulatedDecision | undefined): void {
    this.#current ??= this.#make();
    this.#current.take(event, decision);
  }

  end(): void {
    if (this.#current !== undefined) this.#writers.push(this.#current);
    this.#current = undefined;
  }

  /** `nginx.cases`, `nginx.2.cases` for `nginx.ts`; at most nine. */
  of(policy: string, { recordings }: Pick<History, "recordings">): { readonly file: string; readonly text: string }[] {
    const stem = policy.replace(/\.ts$/, "");
    return this.#writers.slice(0, mostFiles).flatMap((writer, index) => {
      if (writer.isEmpty) return [];
      const file = index === 0 ? `${stem}.cases` : `${stem}.${index + 1}.cases`;
      const text = writer.text(
        `Recorded: ${safeText(basename(recordings[index]?.file ?? ""))}. Written by portcullis propose.`,
      );
      return [{ file, text }];
    });
  }
}
