/** The common parts of all declarations of state: scope, name, and the child's initial state. */
import type { Cell, OnFork, RoomScope, Scope } from "../../../ir/program.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import type { BuiltinCall, Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import type { Options } from "./options.ts";

/** The arguments of a function that declares state. */
export interface Declaration<S extends Scope | RoomScope = Scope> {
  readonly c: Compilation;
  readonly scope: S;
  readonly call: BuiltinCall;
  readonly given: readonly { readonly value: Value; readonly node: SourceRange }[];
  /** The variable's name, or the kind of state if it has none. */
  readonly name: string;
  readonly node: SourceRange;
}

/** Makes a cell of this declaration; nothing if no call can reach it (`live`). */
export function makeCell(
  { c, scope, name, node }: Declaration,
  part: string,
  kind: Cell["kind"],
  initial: bigint,
  onFork: OnFork,
): number {
  if (c.flow.live !== "live") return 0;
  return c.builder.cell({
    name: part === "" ? name : `${name}.${part}`,
    scope,
    kind,
    initial,
    onFork: scope === "tree" ? "fresh" : onFork,
    at: c.file.location(node),
  });
}

/** "copy" unless the settings say "fresh". */
export function onForkOf({ scope }: Declaration, options: Options): "copy" | "fresh" {
  if (!options.has("onFork")) return scope === "tree" ? "fresh" : "copy";
  const chosen = options.text("onFork");
  if (scope === "tree") {
    options.refuse("onFork", "P0213", "the tree has one shared state: there is no inheritance", "leave out onFork");
  } else if (chosen !== undefined && chosen !== "copy" && chosen !== "fresh") {
    options.refuse(
      "onFork",
      "P0213",
      `a child gets a copy or starts fresh, not ${JSON.stringify(chosen)}`,
      '"copy" or "fresh"',
    );
  }

  return chosen === "fresh" ? "fresh" : "copy";
}
