/** Binds names to values: declarations, parameters and destructuring. */

import type { BindingPattern, Node, ObjectPattern, TSTypeAnnotation } from "oxc-parser";
import type { Range as SourceRange } from "../../source/file.ts";
import { namesFact } from "../values/facts.ts";
import type { TypeSource, Variable } from "../values/scope.ts";
import { type CallValue, describe, unknown, type Value, widened } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { conform } from "./conform.ts";
import { resolveType, type Type } from "./declared-types.ts";
import { memberOf } from "./members.ts";
import { stable } from "./stable.ts";

export type BindingKind = "const" | "let" | "parameter";

/** Binds the names of a pattern to a value; undefined for a declaration without one. */
export function bind(
  c: Compilation,
  pattern: BindingPattern,
  value: Value | undefined,
  kind: BindingKind,
  node: SourceRange,
): void {
  switch (pattern.type) {
    case "Identifier": {
      const type = typeOf(c, pattern.typeAnnotation);
      const checked =
        value === undefined || type === undefined
          ? value
          : conform(c, value, resolveType(c, type), node, `\`${pattern.name}\``);
      const own = checked === undefined || kind === "parameter" ? checked : referredAnew(c, checked);
      // tsc widens the type of a variable that can change, and a declared type replaces it.
      const bound = own === undefined || (kind === "const" && type === undefined) ? own : widened(own);
      declare(c, pattern.name, pattern, kind, bound, type);
      return;
    }
    case "ObjectPattern": {
      const parts = value?.is === "call" ? partsOfCall(c, pattern, value, kind) : undefined;
      for (const property of pattern.properties) {
        if (property.type === "RestElement" || property.computed || property.key.type !== "Identifier") {
          c.error("P0309", property, "an object pattern has plain names only", "const { name, args } = call");
          continue;
        }
        const { name } = property.key;
        const isAbsent =
          property.value.type === "AssignmentPattern" && value?.is === "object" && !value.members.has(name);
        const whole = parts ?? value;
        const member = whole === undefined ? unknown : isAbsent ? undefined : memberOf(c, whole, name, property.key);
        const isPart = parts !== undefined && member?.is === "arguments";
        bind(c, property.value, isPart ? { ...member, followsName: true } : member, kind, property.key);
      }
      return;
    }
    case "ArrayPattern":
      for (const [index, element] of pattern.elements.entries()) {
        if (element === null) continue;
        if (element.type === "RestElement") {
          c.error("P0309", element, "a list pattern has no rest element", "for (const one of list)");
          continue;
        }
        bind(c, element, elementOf(c, value, index, element), kind, element);
      }
      return;
    case "AssignmentPattern":
      // The default of a parameter, or of an optional member.
      bind(c, pattern.left, value ?? c.walker.evaluate(pattern.right), kind, pattern.right);
  }
}

/**
 * The call for a pattern that names its name and its arguments, `const { name, args } = call`: as in tsc, a test of the one
 * narrows the other, and not the call. Undefined for other patterns, and for variables that can change.
 */
function partsOfCall(
  c: Compilation,
  pattern: ObjectPattern,
  call: CallValue,
  kind: BindingKind,
): CallValue | undefined {
  const isPlain = (wanted: string) =>
    pattern.properties.some(
      (one) =>
        one.type === "Property" &&
        !one.computed &&
        one.key.type === "Identifier" &&
        one.key.name === wanted &&
        one.value.type === "Identifier",
    );
  if (kind === "let" || !isPlain("name") || !isPlain("args")) return undefined;
  const reference = ++c.references;
  const known = c.flow.facts.names.get(call.reference);
  if (known !== undefined) c.assume(namesFact([reference], known));
  return { ...call, reference };
}

/** An address or a header under a name of its own: as in tsc, later tests of the original narrow only the original. */
function referredAnew(c: Compilation, value: Value): Value {
  if (value.is !== "object" || value.references === undefined) return value;
  const reference = ++c.references;
  const known = c.flow.facts.names.get(value.references[0]!);
  if (known !== undefined) c.assume(namesFact([reference], known));
  return { ...value, references: [reference] };
}

function elementOf(c: Compilation, value: Value | undefined, index: number, node: SourceRange): Value {
  if (value === undefined || value.is === "unknown") return unknown;
  if (value.is !== "list") return c.error("P0207", node, `${describe(value)} is not a list`);
  const element = value.elements[index];
  return element ?? c.error("P0106", node, `the list has ${value.elements.length} elements`, "leave this name out");
}

function typeOf(c: Compilation, annotation: TSTypeAnnotation | null | undefined): TypeSource<Value> | undefined {
  return annotation == null ? undefined : { node: annotation.typeAnnotation as Node, scope: c.scope, file: c.file };
}

export function declare(
  c: Compilation,
  name: string,
  at: SourceRange,
  kind: BindingKind | "function",
  value: Value | undefined,
  type?: TypeSource<Value>,
): Variable<Value> {
  const time = c.time;
  const ofModule = c.scope.parent?.parent === undefined;
  const bound = value === undefined ? undefined : stable(c, value);
  const inFlow = time === "step" && kind === "let";
  const variable: Variable<Value> = {
    name,
    kind,
    file: c.file,
    at,
    time,
    ofModule,
    value: inFlow ? undefined : bound,
    ...(type === undefined ? {} : { type }),
  };
  if (inFlow && bound !== undefined) c.flow.variables.set(variable, bound);
  const earlier = c.scope.declare(variable);
  if (earlier !== undefined) {
    c.error("P0109", at, `\`${name}\` is declared twice`, "give it another name", {
      file: earlier.file,
      node: earlier.at,
      message: "first declared here",
    });
  }
  return variable;
}

/** The declared result type of a function. */
export function resultType(c: Compilation, annotation: TSTypeAnnotation | null | undefined): Type | undefined {
  const source = typeOf(c, annotation);
  return source === undefined ? undefined : resolveType(c, source);
}
