/** What every kind of state declares alike: whose it is, its name, and what a child starts with. */
import type { Cell, OnFork, Scope } from "../../ir/program.ts";
import type { Range as SourceRange } from "../source/file.ts";
import type { BuiltinCall, Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import type { Options } from "./options.ts";

/** What a function that declares state works with. */
export interface Declaration {
  readonly c: Compilation;
  readonly scope: Scope;
  readonly call: BuiltinCall;
  readonly given: readonly { readonly value: Value; readonly node: SourceRange }[];
  /** The variable's name, or what kind of state it is. */
  readonly name: string;
  readonly node: SourceRange;
}

/** A cell of this declaration; nothing is made where nothing comes (`live`). */
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
    options.refuse("onFork", "P0213", "the tree has one state for all: nothing is inherited", "leave out onFork");
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
