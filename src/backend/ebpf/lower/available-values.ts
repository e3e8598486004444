/**
 * Available expressions: the loads and computations that a value already holds, in scopes that follow the structure of
 * the program. Lowering consults it before it emits a load.
 */
import type { Value } from "../graph/graph.ts";

export class AvailableValues {
  /** Innermost last. */
  #scopes: Map<string, Value>[] = [new Map()];
  readonly #reuses: boolean;

  /** If `reuses` is false, every request computes a new value. */
  constructor(reuses: boolean) {
    this.#reuses = reuses;
  }

  /**
   * The value that holds `key`; calls `compute` if no enclosing scope has one. `always`: even where loads are repeated,
   * because its computation is long.
   */
  reuse(key: string, compute: () => Value, always = false): Value {
    for (const scope of this.#scopes) {
      const value = scope.get(key);
      if (value !== undefined) return value;
    }
    const value = compute();
    if (this.#reuses || always) this.#scopes.at(-1)!.set(key, value);
    return value;
  }

  invalidate(key: string): void {
    for (const scope of this.#scopes) scope.delete(key);
  }

  enter(): void {
    this.#scopes.push(new Map());
  }

  leave(): void {
    this.#scopes.pop();
  }

  /** Values computed in `fill` are available in it only. */
  scoped(fill: () => void): void {
    this.enter();
    fill();
    this.leave();
  }

  /** `scoped` without the values from outside: for blocks that other paths enter, too. */
  isolated(fill: () => void): void {
    const outside = this.#scopes;
    this.#scopes = [new Map()];
    fill();
    this.#scopes = outside;
  }
}
