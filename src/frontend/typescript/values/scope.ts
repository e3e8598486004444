/** Lexical scopes, one for each block, function and module. `V` is the type of values. */
import type { Node } from "oxc-parser";
import type { SourceFile, Range as SourceRange } from "../../source/file.ts";

export interface Variable<V> {
  readonly name: string;
  readonly kind: "const" | "let" | "parameter" | "function" | "import";
  readonly file: SourceFile;
  readonly at: SourceRange;
  /** Whether it is created at compile time, or at each call. */
  readonly time: "constant" | "step";
  /** At the top of a module. */
  readonly ofModule: boolean;
  /** Announced: its declaration comes later in the scope. */
  readonly isEarly?: true;
  /** The value of a constant, or of a variable at compile time; the value of a step's `let` is in the flow. */
  value: V | undefined;
  /** The declared type of a `let`, for later assignments. */
  type?: TypeSource<V>;
}

/** A type as written, with the scope of its names. */
export interface TypeSource<V> {
  readonly node: Node;
  readonly scope: LexicalScope<V>;
  readonly file: SourceFile;
}

export class LexicalScope<V> {
  readonly parent: LexicalScope<V> | undefined;
  readonly file: SourceFile;
  /** The scope of a function's parameters, for that of its body, which must not declare their names again. */
  private readonly head: LexicalScope<V> | undefined;
  // Most blocks declare nothing, so the maps are created on demand.
  private variables: Map<string, Variable<V>> | undefined;
  /** Declared later in this block: visible from its start, without a value. */
  private pending: Map<string, Variable<V>> | undefined;
  private types: Map<string, TypeSource<V> | { readonly builtin: string }> | undefined;

  constructor(parent: LexicalScope<V> | undefined, file: SourceFile, head?: LexicalScope<V>) {
    this.parent = parent;
    this.file = file;
    this.head = head;
  }

  /** Returns the earlier variable of this name in this scope, if there is one: redeclaration is an error. */
  declare(variable: Variable<V>): Variable<V> | undefined {
    this.pending?.delete(variable.name);
    this.variables ??= new Map();
    const earlier = this.variables.get(variable.name) ?? this.head?.own(variable.name);
    if (earlier === undefined) this.variables.set(variable.name, variable);
    return earlier;
  }

  /** Announces a name that a later statement of this block declares. */
  announce(variable: Variable<V>): void {
    if (this.variables?.has(variable.name) || this.pending?.has(variable.name)) return;
    this.pending ??= new Map();
    this.pending.set(variable.name, variable);
  }

  /** An import: the exporting module's own variable, under this name. */
  alias(name: string, variable: Variable<V>): boolean {
    this.variables ??= new Map();
    if (this.variables.has(name)) return false;
    this.variables.set(name, variable);
    return true;
  }

  /** Whether the scope has no declarations. */
  get isEmpty(): boolean {
    return this.variables === undefined;
  }

  ownVariables(): readonly Variable<V>[] {
    return [...(this.variables?.values() ?? [])];
  }

  own(name: string): Variable<V> | undefined {
    return this.variables?.get(name);
  }

  find(name: string): Variable<V> | undefined {
    for (let scope: LexicalScope<V> | undefined = this; scope !== undefined; scope = scope.parent) {
      const found = scope.variables?.get(name) ?? scope.pending?.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  declareType(name: string, type: TypeSource<V> | { readonly builtin: string }): boolean {
    this.types ??= new Map();
    if (this.types.has(name)) return false;
    this.types.set(name, type);
    return true;
  }

  findType(name: string): TypeSource<V> | { readonly builtin: string } | undefined {
    for (let scope: LexicalScope<V> | undefined = this; scope !== undefined; scope = scope.parent) {
      const found = scope.types?.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** All visible names, for suggestions. */
  *visibleNames(): Generator<string> {
    for (let scope: LexicalScope<V> | undefined = this; scope !== undefined; scope = scope.parent) {
      yield* scope.variables?.keys() ?? [];
    }
  }

  *visibleTypes(): Generator<string> {
    for (let scope: LexicalScope<V> | undefined = this; scope !== undefined; scope = scope.parent) {
      yield* scope.types?.keys() ?? [];
    }
  }
}
