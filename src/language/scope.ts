/** Names and what they stand for: one scope a block, function or module, each inside the one around it. */
import type { Node } from "@oxc-project/types";
import type { SourceFile, Range as SourceRange } from "./source/file.ts";
import type { Value } from "./values.ts";

export interface Variable {
  readonly name: string;
  readonly kind: "const" | "let" | "parameter" | "function" | "import";
  readonly file: SourceFile;
  readonly at: SourceRange;
  /** Made while constants are worked out, or at each call. */
  readonly time: "constant" | "step";
  /** At the top of a module. */
  readonly ofModule: boolean;
  /** Of constants, and of variables while constants are worked out; a step's `let` has its value in the flow. */
  value: Value | undefined;
  /** The declared type of a `let`, which what is assigned later must have as well. */
  type?: TypeSource;
}

/** A type as it was written, with where its names are looked up. */
export interface TypeSource {
  readonly node: Node;
  readonly scope: LexicalScope;
  readonly file: SourceFile;
}

export class LexicalScope {
  readonly parent: LexicalScope | undefined;
  readonly file: SourceFile;
  // Most blocks declare nothing, so that each of these is made when there is something to put into it.
  private variables: Map<string, Variable> | undefined;
  /** Declared further down in this block: seen from the start of it, without a value. */
  private pending: Map<string, Variable> | undefined;
  private types: Map<string, TypeSource | { readonly builtin: string }> | undefined;

  constructor(parent: LexicalScope | undefined, file: SourceFile) {
    this.parent = parent;
    this.file = file;
  }

  /** The earlier variable of this name in this very scope, if there is one: a name is declared once. */
  declare(variable: Variable): Variable | undefined {
    this.pending?.delete(variable.name);
    this.variables ??= new Map();
    const earlier = this.variables.get(variable.name);
    if (earlier === undefined) this.variables.set(variable.name, variable);
    return earlier;
  }

  /** A name that a statement of this block will declare. */
  announce(variable: Variable): void {
    if (this.variables?.has(variable.name) || this.pending?.has(variable.name)) return;
    this.pending ??= new Map();
    this.pending.set(variable.name, variable);
  }

  /** What an import gives: the exporting module's own variable, perhaps under another name. */
  alias(name: string, variable: Variable): boolean {
    this.variables ??= new Map();
    if (this.variables.has(name)) return false;
    this.variables.set(name, variable);
    return true;
  }

  /** Nothing was declared in it. */
  get isEmpty(): boolean {
    return this.variables === undefined;
  }

  ownVariables(): readonly Variable[] {
    return [...(this.variables?.values() ?? [])];
  }

  own(name: string): Variable | undefined {
    return this.variables?.get(name);
  }

  find(name: string): Variable | undefined {
    for (let scope: LexicalScope | undefined = this; scope !== undefined; scope = scope.parent) {
      const found = scope.variables?.get(name) ?? scope.pending?.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  declareType(name: string, type: TypeSource | { readonly builtin: string }): boolean {
    this.types ??= new Map();
    if (this.types.has(name)) return false;
    this.types.set(name, type);
    return true;
  }

  findType(name: string): TypeSource | { readonly builtin: string } | undefined {
    for (let scope: LexicalScope | undefined = this; scope !== undefined; scope = scope.parent) {
      const found = scope.types?.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** All names that can be seen from here, for proposals. */
  *visibleNames(): Generator<string> {
    for (let scope: LexicalScope | undefined = this; scope !== undefined; scope = scope.parent) {
      yield* scope.variables?.keys() ?? [];
    }
  }

  *visibleTypes(): Generator<string> {
    for (let scope: LexicalScope | undefined = this; scope !== undefined; scope = scope.parent) {
      yield* scope.types?.keys() ?? [];
    }
  }
}
