/** `parameter.integer("most", { default: 16n })`: constants that come from the command line. */

import { maximumWord, minimumSigned } from "../../../abi/word.ts";
import { parseInteger } from "../../../ir/parameters.ts";
import type { IntegerExpression, Parameter } from "../../../ir/program.ts";
import { itemsOf } from "../../../ir/settings.ts";
import * as ir from "../../program/ir.ts";
import { rangeFactOf } from "../values/facts.ts";
import { fits, printInteger, printRange } from "../values/ranges.ts";
import {
  type BuiltinCall,
  boolean,
  booleanConstant,
  constantBoolean,
  constantString,
  integer,
  integerConstant,
  object,
  text,
  unknown,
  type Value,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { type ParameterKind, parameterKinds } from "../walk/parameters.ts";
import { Options } from "./options.ts";

export function parameterObject(c: Compilation): Value {
  return object(
    "parameter",
    new Map(
      parameterKinds.map((kind): [string, Value] => [
        kind,
        { is: "builtin", name: `parameter.${kind}`, apply: (call) => parameter(c, kind, call) },
      ]),
    ),
  );
}

function parameter(c: Compilation, kind: ParameterKind, call: BuiltinCall): Value {
  if (c.time === "step") {
    return c.error("P0306", call.node, "a parameter is declared inside the step", "at the top of the module");
  }
  const given = call.values();
  if (given === undefined) return unknown;
  const [nameValue, settings, ...rest] = given;
  const name = nameValue === undefined ? undefined : constantString(nameValue.value);
  if (name === undefined || rest.length > 0) {
    return c.error("P0212", call.node, "a parameter takes its name and optional settings", `parameter.${kind}("name")`);
  }
  if (!/^[A-Za-z][\w-]*$/.test(name)) {
    return c.error(
      "P0214",
      nameValue!.node,
      `${JSON.stringify(name)} is not a valid name for --set`,
      "letters, digits, - and _",
    );
  }
  const known = kind === "integer" ? ["default", "from", "to"] : ["default"];
  const options = new Options(c, settings?.value, settings?.node ?? call.node, "the settings of a parameter", known);
  if (options.failed) return unknown;
  const value = parameterValue(c, kind, name, options, call);
  return options.failed ? unknown : value;
}

function parameterValue(c: Compilation, kind: ParameterKind, name: string, options: Options, call: BuiltinCall): Value {
  switch (kind) {
    case "integer":
      return integerParameter(c, name, options, call);
    case "flag":
      return flagParameter(c, name, options, call);
    case "path":
    case "text":
      return textParameter(c, kind, name, options, call);
    case "paths":
    case "texts":
      return listParameter(c, kind, name, options, call);
  }
}

function take(
  c: Compilation,
  kind: ParameterKind,
  name: string,
  fallback: string | undefined,
  some: string | undefined,
  call: BuiltinCall,
): string | undefined {
  const given = c.parameters.take(name, kind, fallback, some);
  if (given === undefined && fallback === undefined) {
    c.error("P0110", call.node, `the parameter "${name}" has no default and no value`, `--set ${name}=…`);
  }
  return given;
}

function bad(c: Compilation, name: string, given: string, wanted: string, call: BuiltinCall): Value {
  return c.error(
    "P0111",
    call.node,
    `the parameter "${name}" must be ${wanted}, not ${JSON.stringify(given.slice(0, 80))}`,
    `--set ${name}=…`,
  );
}

/** An expression that reads an open parameter; undefined if it cannot stay open. */
function openParameter(
  c: Compilation,
  declared: Omit<Parameter, "at">,
  call: BuiltinCall,
): IntegerExpression | undefined {
  const { name, from, to } = declared;
  if (!fits({ from, to })) {
    c.error(
      "P0203",
      call.node,
      `the range of "${name}" (${printRange({ from, to })}) exceeds 64 bits`,
      "{ from: 0n }, or both `from` and `to`",
    );
    return undefined;
  }
  const parameter = c.builder.parameter({ ...declared, at: c.file.location(call.node) });
  if (parameter !== undefined) return { kind: "parameter", parameter };
  c.error("P0111", call.node, `the parameter "${name}" is declared in two ways`, "the same kind, range and default");
  return undefined;
}

function integerParameter(c: Compilation, name: string, options: Options, call: BuiltinCall): Value {
  const from = options.integer("from") ?? minimumSigned;
  const to = options.integer("to") ?? maximumWord;
  const fallback = options.integer("default");
  if (options.failed) return unknown;
  const outside = (value: bigint) => value < from || value > to;
  if (fallback !== undefined && outside(fallback)) {
    options.refuse(
      "default",
      "P0213",
      `the default ${printInteger(fallback)} lies outside ${printInteger(from)} … ${printInteger(to)}`,
    );
    return unknown;
  }
  if (c.parameters.staysOpen(name)) {
    c.parameters.leaveOpen(name, "integer", fallback?.toString());
    const parameter = openParameter(c, { name, kind: "integer", from, to, default: fallback }, call);
    return parameter === undefined ? unknown : { ...integer(parameter, { from, to }), variable: true };
  }
  const given = take(c, "integer", name, fallback?.toString(), from.toString(), call);
  c.parameters.bound(name, to);
  const constant = (value: bigint): Value => ({ ...integerConstant(value), variable: true, setting: name });
  if (given === undefined) return fallback === undefined ? unknown : constant(fallback);
  const value = parseInteger(given.trim());
  const range =
    from === minimumSigned && to === maximumWord ? "" : ` from ${printInteger(from)} to ${printInteger(to)}`;
  if (value === undefined || outside(value)) return bad(c, name, given, `an integer${range}`, call);
  return constant(value);
}

function flagParameter(c: Compilation, name: string, options: Options, call: BuiltinCall): Value {
  const setting = options.get("default");
  const fallback = setting === undefined ? undefined : constantBoolean(setting);
  if (setting !== undefined && fallback === undefined) {
    options.fail(setting, "default", "true or false");
    return unknown;
  }
  if (c.parameters.staysOpen(name)) {
    c.parameters.leaveOpen(name, "flag", fallback?.toString());
    const number = fallback === undefined ? undefined : BigInt(fallback);
    const word = openParameter(c, { name, kind: "flag", from: 0n, to: 1n, default: number }, call);
    if (word === undefined) return unknown;
    const value = integer(word, { from: 0n, to: 1n });
    const is = (bit: bigint) => rangeFactOf(value, { from: bit, to: bit });
    return { ...boolean(ir.compare("not-equal", word, ir.constant(0n)), is(1n), is(0n)), variable: true };
  }
  const given = take(c, "flag", name, fallback?.toString(), "false", call);
  if (given === undefined) return fallback === undefined ? unknown : { ...booleanConstant(fallback), variable: true };
  if (given !== "true" && given !== "false") return bad(c, name, given, "true or false", call);
  return { ...booleanConstant(given === "true"), variable: true };
}

function textParameter(
  c: Compilation,
  kind: "path" | "text",
  name: string,
  options: Options,
  call: BuiltinCall,
): Value {
  const setting = options.get("default");
  const fallback = setting === undefined ? undefined : constantString(setting);
  if (setting !== undefined && fallback === undefined) {
    options.fail(setting, "default", "a string");
    return unknown;
  }
  const given = take(c, kind, name, fallback, undefined, call) ?? fallback;
  if (given === undefined) return unknown;
  if (kind === "path" && !given.startsWith("/")) return bad(c, name, given, "an absolute path", call);
  return { ...text(given), variable: true };
}

/** Items between commas; none of them is empty. */
function listParameter(
  c: Compilation,
  kind: "paths" | "texts",
  name: string,
  options: Options,
  call: BuiltinCall,
): Value {
  const setting = options.get("default");
  const fallback = setting === undefined ? undefined : constantStrings(setting);
  if (
    setting !== undefined &&
    (fallback === undefined || (fallback.length > 0 && itemsOf(fallback.join(",")).join("\n") !== fallback.join("\n")))
  ) {
    options.fail(setting, "default", "a list of strings without commas, but between { and },");
    return unknown;
  }
  const given = take(c, kind, name, fallback?.join(","), undefined, call);
  const isEmpty = given === "" && fallback?.length === 0;
  const items = given === undefined ? fallback : isEmpty ? [] : itemsOf(given);
  if (items === undefined) return unknown;
  const what = kind === "paths" ? "absolute paths between commas" : "texts between commas";
  if (items.some((item) => item === "" || (kind === "paths" && !item.startsWith("/")))) {
    return bad(c, name, given ?? items.join(","), what, call);
  }
  return {
    is: "list",
    elements: items.map((item): Value => ({ ...text(item), variable: true, item: { setting: name, item } })),
    ...(kind === "paths" ? { settings: [name] } : {}),
  };
}

function constantStrings(value: Value): readonly string[] | undefined {
  if (value.is !== "list") return undefined;
  const strings = value.elements.map(constantString);
  return strings.includes(undefined) ? undefined : (strings as readonly string[]);
}
