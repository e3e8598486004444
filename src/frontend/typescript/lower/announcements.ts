/**
 * Announces the names that a scope declares. In JavaScript they are visible from the start of their scope, and hide those
 * of outer scopes, but have no value before their declaration.
 */
import type { BindingPattern, Directive, Statement, VariableDeclaration } from "oxc-parser";
import type { Range as SourceRange } from "../../source/file.ts";
import type { Variable } from "../values/scope.ts";
import type { Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { declare } from "./bindings.ts";

type DeclaredName = BindingPattern & { readonly type: "Identifier" };

/** Functions are visible from the start of their block, other names from their declaration. */
export function announce(c: Compilation, list: readonly (Statement | Directive)[]): void {
  for (let at = 0; at < list.length; at++) {
    const outer = list[at]!;
    const node =
      outer.type === "ExportNamedDeclaration" && outer.declaration !== null ? outer.declaration : (outer as Statement);
    if (node.type === "FunctionDeclaration" && node.id !== null) {
      declare(c, node.id.name, node.id, "function", c.walker.functionValue(node, node.id.name));
    } else if (node.type === "VariableDeclaration") {
      announceVariables(c, node);
    } else if (node.type === "TSInterfaceDeclaration" || node.type === "TSTypeAliasDeclaration") {
      if (!c.scope.declareType(node.id.name, { node, scope: c.scope, file: c.file })) {
        c.error("P0109", node.id, `the type \`${node.id.name}\` is declared twice`, "give it another name");
      }
    }
  }
}

export function announceVariables(c: Compilation, node: VariableDeclaration): void {
  for (const { id } of node.declarations) announcePattern(c, id, node.kind === "let" ? "let" : "const");
}

export function announcePattern(c: Compilation, pattern: BindingPattern, kind: "const" | "let" | "parameter"): void {
  for (const { name, at } of namesOf(pattern)) announceName(c, name, at, kind);
}

/** Announces a name whose value this scope does not get. */
export function announceName(c: Compilation, name: string, at: SourceRange, kind: Variable<Value>["kind"]): void {
  c.scope.announce({ name, kind, file: c.file, at, time: c.time, ofModule: false, isEarly: true, value: undefined });
}

interface PlacedName {
  readonly name: string;
  readonly at: SourceRange;
  readonly kind: "const" | "let" | "function";
}

/** The variables and functions that statements declare in their own block. */
export function declaredNames(list: readonly Statement[]): readonly PlacedName[] {
  return list.flatMap((node): readonly PlacedName[] => {
    if (node.type === "VariableDeclaration") {
      const kind = node.kind === "let" ? "let" : "const";
      return node.declarations.flatMap(({ id }) => namesOf(id)).map((one) => ({ ...one, kind }));
    }
    if (node.type !== "FunctionDeclaration" || node.id === null) return [];
    return [{ name: node.id.name, at: node.id, kind: "function" }];
  });
}

function namesOf(pattern: BindingPattern): readonly Omit<PlacedName, "kind">[] {
  switch (pattern.type) {
    case "Identifier":
      return [{ name: (pattern as DeclaredName).name, at: pattern }];
    case "AssignmentPattern":
      return namesOf(pattern.left);
    case "ObjectPattern":
      return pattern.properties.flatMap((one) => namesOf(one.type === "RestElement" ? one.argument : one.value));
    case "ArrayPattern":
      return pattern.elements.flatMap((one) =>
        one === null ? [] : namesOf(one.type === "RestElement" ? one.argument : one),
      );
  }
}

/** Reports a use of an announced name before its declaration. */
export function reportEarlyUse(c: Compilation, variable: Variable<Value>, node: SourceRange): Value {
  const isOfArm = variable.kind === "function";
  return c.error(
    "P0320",
    node,
    isOfArm
      ? `\`${variable.name}\` is declared in another case of this switch`
      : `\`${variable.name}\` is used before its declaration`,
    isOfArm ? "declare it before the switch" : undefined,
    { file: variable.file, node: variable.at, message: "declared here" },
  );
}
