/** Detects whether an evaluation changed the policy's state, because a prepared call was judged by the state before. */
import type { JudgementMemory } from "./policy/memory.ts";
import type { Thread } from "./tasks/tasks.ts";

/** If a policy has more state for one judgement (in tables), each evaluation counts as a change. */
const mostCompared = 1024; // bytes

const scopes = ["thread", "process", "tree"] as const;

export class StateWatch {
  readonly #memory: JudgementMemory;
  readonly #sizes: { readonly [S in (typeof scopes)[number]]: number };
  readonly #before: Uint8Array;
  readonly #hasState: boolean;

  constructor(memory: JudgementMemory) {
    this.#memory = memory;
    const { thread, process, tree } = memory.instance.layout.scopes;
    this.#sizes = { thread: thread.size, process: process.size, tree: tree.size };
    const size = thread.size + process.size + tree.size;
    this.#before = new Uint8Array(size <= mostCompared ? size : 0);
    this.#hasState = size > 0;
  }

  /** Call this before the evaluation. */
  remember(caller: Thread | undefined): void {
    if (this.#before.length === 0) return;
    let at = 0;
    for (const bytes of this.#parts(caller)) {
      this.#before.set(bytes, at);
      at += bytes.length;
    }
  }

  hasChanged(caller: Thread | undefined): boolean {
    if (this.#before.length === 0) return this.#hasState;
    let at = 0;
    for (const bytes of this.#parts(caller)) {
      for (const byte of bytes) if (byte !== this.#before[at++]) return true;
    }
    return false;
  }

  #parts(caller: Thread | undefined): readonly Uint8Array[] {
    const { tree } = this.#memory.instance.layout;
    const bases = { thread: caller?.slot ?? 0, process: caller?.process.slot ?? 0, tree };
    return scopes.map((scope) => this.#memory.bytes().subarray(bases[scope], bases[scope] + this.#sizes[scope]));
  }
}
