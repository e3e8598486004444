/** Reads the phases of a caller from the policy's memory, for events. */
import type { CompiledStep } from "../../backend/wasm/compile.ts";
import type { JudgementMemory } from "./policy/memory.ts";
import type { Thread } from "./tasks/tasks.ts";

const scopes = ["thread", "process", "tree"] as const;
const none: readonly number[] = [];

export class PhaseReader {
  readonly #memory: JudgementMemory;
  /** For each declaration, the scope and the offset of its cell. */
  readonly #cells: readonly { readonly scope: (typeof scopes)[number]; readonly offset: number }[];

  constructor(memory: JudgementMemory, step: CompiledStep, phases: readonly { readonly cell: number }[]) {
    this.#memory = memory;
    this.#cells = phases.map(({ cell }) => {
      for (const scope of scopes) {
        const found = step.layout.scopes[scope].cells.find((one) => one.cell === cell);
        if (found !== undefined) return { scope, offset: found.offset };
      }
      throw new Error(`cell ${cell} has no place in memory`);
    });
  }

  read(caller: Thread | undefined): readonly number[] {
    if (this.#cells.length === 0) return none;
    const { tree } = this.#memory.instance.layout;
    const bases = { thread: caller?.slot ?? 0, process: caller?.process.slot ?? 0, tree };
    return this.#cells.map(({ scope, offset }) => this.#memory.lowWord(bases[scope] + offset));
  }

  /** Whether the caller's phases are no longer these. */
  differ(before: readonly number[], caller: Thread | undefined): boolean {
    return this.read(caller).some((phase, index) => phase !== before[index]);
  }
}
