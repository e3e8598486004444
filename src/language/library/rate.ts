/**
 * Rates: a token bucket in integers. The level is scaled by the period, so nothing is rounded: a token costs `per`, the
 * bucket holds `burst` tokens, and each nanosecond adds `limit`.
 *
 * With limit 20 a second and 20 at once: per = 10^9, full = 2 × 10^10, and after 50 ms the level has risen by
 * 50 × 10^6 × 20 = 10^9, which is one token. In any span of w nanoseconds at most burst + limit × w / per are taken.
 */
import { maximumSigned } from "../../linux/word.ts";
import { durationForm, parseDuration } from "../values/durations.ts";
import { cellKey } from "../values/facts.ts";
import * as ir from "../values/ir.ts";
import { type BuiltinCall, boolean, object, unknown, type Value } from "../values/values.ts";
import { methodArguments } from "./cells.ts";
import { type Declaration, makeCell, onForkOf } from "./declaration.ts";
import { Options } from "./options.ts";

export function rate(declaration: Declaration): Value {
  const { c, given, call, scope, name } = declaration;
  const [settings, ...rest] = given;
  if (settings === undefined || rest.length > 0) {
    return c.error("P0212", call.node, "a rate takes its settings", '{ limit: 20n, per: "1s" }');
  }
  const options = new Options(c, settings.value, settings.node, "the settings of a rate", [
    "limit",
    "per",
    "burst",
    "onFork",
  ]);
  if (options.failed) return unknown;
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
  if (options.failed || limit === undefined || burst === undefined || per === undefined) return unknown;
  const full = burst * per;
  // The largest intermediate value: a full bucket plus one refill, before saturation.
  if (2n * full + limit > maximumSigned) {
    options.refuse(
      options.has("burst") ? "burst" : "limit",
      "P0408",
      `${burst} at once and ${limit} per ${text} do not fit in 64 bits, in nanoseconds`,
      "use a shorter time with a smaller limit, such as a tenth of both",
    );
    return unknown;
  }
  if (onFork === "fresh" && scope !== "tree") {
    c.warn(
      "P0404",
      options.placeOf("onFork"),
      `\`${name}\` limits, and starts fresh in every child: forking resets the limit`,
      "leave out onFork (a copy), or limit in perTree",
    );
  }
  const level = makeCell(declaration, "level", { is: "value" }, full, onFork);
  const last = makeCell(declaration, "last", { is: "value" }, 0n, onFork);
  return object(
    "Rate",
    new Map([["take", { is: "builtin", name: "take", apply: (taking: BuiltinCall) => take(taking) }]]),
  );

  function take(taking: BuiltinCall): Value {
    if (methodArguments(c, taking, "take", 0) === undefined) return unknown;
    const integer = () => c.builder.local("integer");
    const [elapsed, filled] = [integer(), integer()];
    const taken = c.builder.local("boolean");
    const cell = (index: number) => ({ kind: "cell", cell: index }) as const;
    const local = (index: number) => ({ kind: "local", local: index }) as const;
    const now = ir.input("now");
    const fills = (full + limit! - 1n) / limit!;
    // Monotonic time never goes back; if a broken clock does, no time has passed.
    const since = ir.select(
      ir.compare("less-unsigned", now, cell(last)),
      ir.constant(0n),
      ir.binary("subtract", now, cell(last)),
    );
    c.emit({ kind: "set-integer", local: elapsed, value: since }, taking.node);
    const bounded = ir.select(
      ir.compare("less-unsigned", ir.constant(fills), local(elapsed)),
      ir.constant(fills),
      local(elapsed),
    );
    c.emit(
      {
        kind: "set-integer",
        local: filled,
        value: ir.binary("add", cell(level), ir.binary("multiply", bounded, ir.constant(limit!))),
      },
      taking.node,
    );
    c.emit(
      {
        kind: "set-integer",
        local: filled,
        value: ir.select(
          ir.compare("less-unsigned", ir.constant(full), local(filled)),
          ir.constant(full),
          local(filled),
        ),
      },
      taking.node,
    );
    const enough = ir.compare("less-or-equal-unsigned", ir.constant(per!), local(filled));
    c.emit({ kind: "set-boolean", local: taken, value: enough }, taking.node);
    const rest = ir.select(
      { kind: "boolean-local", local: taken },
      ir.binary("subtract", local(filled), ir.constant(per!)),
      local(filled),
    );
    c.store(level, rest, taking.node);
    c.store(last, now, taking.node);
    c.changed(cellKey(level));
    return boolean({ kind: "boolean-local", local: taken });
  }
}
