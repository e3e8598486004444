/** What is known to be in a value already, in scopes that follow the structure of the program. */
import type { Value } from "./graph.ts";

export class Knowledge {
  /** Innermost last. */
  #scopes: Map<string, Value>[] = [new Map()];
  readonly #remembers: boolean;

  /** One that does not remember knows nothing, ever. */
  constructor(remembers: boolean) {
    this.#remembers = remembers;
  }

  /** The value that holds this, made now where none does. */
  remember(key: string, make: () => Value): Value {
    for (const scope of this.#scopes) {
      const value = scope.get(key);
      if (value !== undefined) return value;
    }
    const value = make();
    if (!this.#remembers) return value;
    this.#scopes.at(-1)!.set(key, value);
    return value;
  }

  forget(key: string): void {
    for (const scope of this.#scopes) scope.delete(key);
  }

  enter(): void {
    this.#scopes.push(new Map());
  }

  leave(): void {
    this.#scopes.pop();
  }

  /** What is learnt in `fill` is forgotten after it. */
  within(fill: () => void): void {
    this.enter();
    fill();
    this.leave();
  }

  /** As `within`, and nothing is known in it from before. */
  apart(fill: () => void): void {
    const outside = this.#scopes;
    this.#scopes = [new Map()];
    fill();
    this.#scopes = outside;
  }
}
