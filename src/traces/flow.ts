/**
 * Derives a call-flow graph from recordings: which call followed which in each thread. `perThread.flow` checks against
 * it, so it follows state in the same way: a new process continues from its parent's last call, a new thread starts
 * anew.
 */

import type { ArchitectureName } from "../abi/architecture.ts";
import { auditArchitecture } from "../abi/architecture.ts";
import { callByNumber } from "../abi/calls.ts";
import type { Faults } from "./faults.ts";
import type { CallEvent, TraceEvent } from "./trace.ts";

/** Calls that a policy never sees: always allowed, never named (docs/language-reference.md). */
const noEvents = new Set(["restart_syscall", "rt_sigreturn", "exit", "exit_group"]);

/** Successors in the order in which they were first seen, so that equal recordings give equal graphs. */
export class FlowGraphBuilder {
  readonly #start = new Set<string>();
  readonly #successors = new Map<string, Set<string>>();
  #calls = 0;

  /** The number of calls and of recordings in the graph. */
  get calls(): number {
    return this.#calls;
  }

  /**
   * A recording, whose events come one by one. Calls by a foreign ABI and numbers without a name cannot be in a graph: an
   * error each.
   */
  recording(architecture: ArchitectureName, faults: Faults): (event: TraceEvent) => void {
    const last = new Map<number, string | undefined>();
    return (event) => {
      switch (event.kind) {
        case "call": {
          const name = nameOf(architecture, event);
          if (name === undefined) {
            faults.add(
              "P0802",
              event.place,
              `call ${event.number} has no name on ${architecture}: no policy lets it pass`,
            );
            break;
          }
          if (noEvents.has(name)) break;
          this.#calls++;
          this.#step(last.get(event.tid), name);
          last.set(event.tid, name);
          break;
        }
        case "fork":
          last.set(event.child, last.get(event.tid));
          break;
        case "thread":
          last.set(event.child, undefined);
          break;
        case "exec":
          if (event.former !== undefined) {
            last.set(event.tid, last.get(event.former));
            last.delete(event.former);
          }
          break;
        case "exit":
          last.delete(event.tid);
          break;
        case "return":
        case "clock":
          break;
      }
    };
  }

  #step(from: string | undefined, to: string): void {
    if (!this.#successors.has(to)) this.#successors.set(to, new Set());
    if (from === undefined) this.#start.add(to);
    else this.#successors.get(from)!.add(to);
  }

  /** The graph as a module that a policy imports. `name` is the name of the constant. */
  print(name: string, about: string): string {
    const list = (names: ReadonlySet<string>) => `[${[...names].map((one) => JSON.stringify(one)).join(", ")}]`;
    const entries = [...this.#successors].map(([call, next]) => `  ${call}: ${list(next)},\n`);
    return `import type { FlowGraph } from "portcullis";

/** ${about} */
export const ${name} = {
  start: ${list(this.#start)},
${entries.join("")}} as const satisfies FlowGraph;
`;
  }
}

function nameOf(architecture: ArchitectureName, event: CallEvent): string | undefined {
  if (event.architecture >>> 0 !== auditArchitecture[architecture]) return undefined;
  return callByNumber(architecture, event.number)?.name;
}
