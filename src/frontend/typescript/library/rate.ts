/**
 * Rates: a token bucket in integers. The level is scaled by the period, so nothing is rounded: a token costs `per`, the
 * bucket holds `burst` tokens, and each nanosecond adds `limit`.
 *
 * With limit 20 a second and 20 at once: per = 10^9, full = 2 × 10^10, and after 50 ms the level has risen by
 * 50 × 10^6 × 20 = 10^9, which is one token. In any span of w nanoseconds at most burst + limit × w / per are taken.
 */

import { durationForm, parseDuration } from "../../../abi/durations.ts";
import { maximumSigned } from "../../../abi/word.ts";
import type { IntegerExpression, OnFork } from "../../../ir/program.ts";
import * as ir from "../../program/ir.ts";
import { cellKey } from "../values/facts.ts";
import { type BuiltinCall, boolean, builtin, object, unknown, type Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { methodArguments } from "./cells.ts";
import { type Declaration, makeCell, onForkOf } from "./declaration.ts";
import { Options } from "./options.ts";

interface Bucket {
  /** The cost of a token: the period in ns. */
  readonly per: bigint;
  /** The amount that each nanosecond adds. */
  readonly limit: bigint;
  /** The highest level. */
  readonly full: bigint;
  readonly onFork: OnFork;
}

export function rate(declaration: Declaration): Value {
  const bucket = bucketOf(declaration);
  if (bucket === undefined) return unknown;
  const level = makeCell(declaration, "level", { is: "value" }, bucket.full, bucket.onFork);
  const last = makeCell(declaration, "last", { is: "value" }, 0n, bucket.onFork);
  const apply = (call: BuiltinCall) =>
    methodArguments(declaration.c, call, "take", 0) === undefined
      ? unknown
      : take(declaration.c, bucket, { level, last }, call);
  return object("Rate", new Map([builtin("take", apply)]));
}

/** Undefined after an error. */
function bucketOf(declaration: Declaration): Bucket | undefined {
  const { c, given, call, scope, name } = declaration;
  const [settings, ...rest] = given;
  if (settings === undefined || rest.length > 0) {
    c.error("P0212", call.node, "a rate takes its settings", '{ limit: 20n, per: "1s" }');
    return undefined;
  }
  const options = new Options(c, settings.value, settings.node, "the settings of a rate", [
    "limit",
    "per",
    "burst",
    "onFork",
  ]);
  if (options.failed) return undefined;
  const limit = options.integer("limit");
  const text = options.text("per");
  const burst = options.has("burst") ? options.integer("burst") : limit;
  const onFork = onForkOf(declaration, options);
  if (!options.has("limit")) options.refuse("limit", "P0408", "a rate needs a `limit`", "limit: 20n");
  if (!options.has("per")) options.refuse("per", "P0408", "a rate needs a period, `per`", 'per: "1s"');
  const per = text === undefined ? undefined : parseDuration(text);
  if (text !== undefined && (per === undefined || per === 0n)) {
    options.refuse("per", "P0214", `${JSON.stringify(text)} is not a duration`, durationForm);
  }
  for (const [which, value] of [
    ["limit", limit],
    ["burst", burst],
  ] as const) {
    if (value !== undefined && value < 1n && options.has(which)) {
      options.refuse(which, "P0408", `\`${which}\` must be at least 1`, 'to refuse every call, return deny("EAGAIN")');
    }
  }
  if (options.failed || limit === undefined || burst === undefined || per === undefined) return undefined;
  const full = burst * per;
  // The largest intermediate value: a full bucket plus one refill, before saturation.
  if (2n * full + limit > maximumSigned) {
    options.refuse(
      options.has("burst") ? "burst" : "limit",
      "P0408",
      `${burst} at once and ${limit} per ${text} do not fit in 64 bits, in nanoseconds`,
      "use a shorter time with a smaller limit, such as a tenth of both",
    );
    return undefined;
  }
  if (onFork === "fresh" && scope !== "tree") {
    c.warn(
      "P0404",
      options.placeOf("onFork"),
      `\`${name}\` limits, and starts fresh in every child: forking resets the limit`,
      "leave out onFork (a copy), or limit in perTree",
    );
  }
  return { per, limit, full, onFork };
}

/** Fills the bucket for the time since the last call, and takes a token if there is one. */
function take(
  c: Compilation,
  { per, limit, full }: Bucket,
  cells: { readonly level: number; readonly last: number },
  { node }: BuiltinCall,
): Value {
  const [elapsed, filled] = [c.builder.local("integer"), c.builder.local("integer")];
  const taken = c.builder.local("boolean");
  const cell = (index: number) => ({ kind: "cell", cell: index }) as const;
  const local = (index: number) => ({ kind: "local", local: index }) as const;
  const atMost = (value: IntegerExpression, most: bigint) =>
    ir.select(ir.compare("less-unsigned", ir.constant(most), value), ir.constant(most), value);
  const set = (index: number, value: IntegerExpression) => c.emit({ kind: "set-integer", local: index, value }, node);
  const now = ir.input("now");
  // Monotonic time never goes back; if a broken clock does, no time has passed.
  const since = ir.select(
    ir.compare("less-unsigned", now, cell(cells.last)),
    ir.constant(0n),
    ir.binary("subtract", now, cell(cells.last)),
  );
  set(elapsed, since);
  const fills = (full + limit - 1n) / limit;
  const added = ir.binary("multiply", atMost(local(elapsed), fills), ir.constant(limit));
  set(filled, ir.binary("add", cell(cells.level), added));
  set(filled, atMost(local(filled), full));
  const enough = ir.compare("less-or-equal-unsigned", ir.constant(per), local(filled));
  c.emit({ kind: "set-boolean", local: taken, value: enough }, node);
  const rest = ir.select(
    { kind: "boolean-local", local: taken },
    ir.binary("subtract", local(filled), ir.constant(per)),
    local(filled),
  );
  c.store(cells.level, rest, node);
  c.store(cells.last, now, node);
  c.changed(cellKey(cells.level));
  return boolean({ kind: "boolean-local", local: taken });
}
