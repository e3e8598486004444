/** State: `perThread`, `perProcess`, `perMemory` and `perTree`, and the kinds of state in each. */

import { maximumSigned, maximumWord } from "../../../abi/word.ts";
import { maximumCapacity, maximumScopeBytes } from "../../../ir/limits.ts";
import type { RoomScope, Scope } from "../../../ir/program.ts";
import { mayPass } from "../../../ir/verdicts.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { printInteger } from "../values/ranges.ts";
import {
  type BuiltinCall,
  constantBoolean,
  constantInteger,
  describe,
  object,
  unknown,
  type Value,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { cellValue, counter, flag } from "./cells.ts";
import { type Declaration, makeCell, onForkOf } from "./declaration.ts";
import { flow } from "./flow.ts";
import { Options } from "./options.ts";
import { phases } from "./phases.ts";
import { rate } from "./rate.ts";
import { rooms, roomsOfAThread } from "./rooms.ts";
import { keySet, table } from "./tables.ts";

export function scopeObject(c: Compilation, scope: Scope, name: string): Value {
  const kinds: Readonly<Record<string, (declaration: Declaration) => Value>> = {
    flag: declareFlag,
    counter: declareCounter,
    value: declareValue,
    phases,
    table: (declaration) => declareTable(declaration, true),
    set: (declaration) => declareTable(declaration, false),
    rate,
    flow,
  };
  const members = Object.entries(kinds).map(([kind, declare]): [string, Value] => [
    kind,
    { is: "builtin", name: `${name}.${kind}`, apply: (call) => declaration(c, scope, name, kind, call, declare) },
  ]);
  return object(name, new Map([...members, scope === "thread" ? roomsOfAThread(c) : roomsMember(c, scope, name)]));
}

/** `perMemory`: calls and not state belong to an address space, so it has rooms only. */
export function memoryScopeObject(c: Compilation): Value {
  return object("perMemory", new Map([roomsMember(c, "memory", "perMemory")]));
}

function roomsMember(c: Compilation, scope: RoomScope, name: string): [string, Value] {
  const apply = (call: BuiltinCall) => declaration(c, scope, name, "rooms", call, rooms);
  return ["rooms", { is: "builtin", name: `${name}.rooms`, apply }];
}

function declaration<S extends Scope | RoomScope>(
  c: Compilation,
  scope: S,
  scopeName: string,
  kind: string,
  call: BuiltinCall,
  declare: (declaration: Declaration<S>) => Value,
): Value {
  if (c.time === "step") {
    return c.error(
      "P0306",
      call.node,
      "state cannot be declared inside the step",
      `at the top of the module: const name = ${scopeName}.${kind}(…)`,
    );
  }
  const given = call.values();
  if (given === undefined) return unknown;
  const made = declare({
    c,
    scope,
    call,
    given,
    name: call.declares?.name ?? kind,
    node: call.declares?.node ?? call.node,
  });
  if (scope !== "memory" && c.builder.exceeds(scope)) {
    c.error(
      "P0407",
      call.node,
      `too much state for a ${scope}: ${c.builder.bytes(scope)} bytes`,
      scope === "tree"
        ? "smaller tables"
        : `${maximumScopeBytes.thread} bytes for each thread and each process; perTree has room for tables`,
    );
    return unknown;
  }
  return made;
}

function tooMany({ c, given }: Declaration, most: number, what: string): boolean {
  const extra = given[most];
  if (extra === undefined) return false;
  c.error("P0212", extra.node, `${what} takes at most ${most} arguments`);
  return true;
}

function declareFlag(declaration: Declaration): Value {
  const { c, given } = declaration;
  const [start, settings] = given;
  const options = new Options(c, settings?.value, settings?.node ?? declaration.node, "the settings of a flag", [
    "onFork",
  ]);
  const initial = start === undefined ? false : constantBoolean(start.value);
  if (tooMany(declaration, 2, "a flag")) return unknown;
  if (initial === undefined) {
    return c.error("P0207", start!.node, `a flag starts as true or false, not ${describe(start!.value)}`);
  }
  const cell = makeCell(declaration, "", { is: "flag" }, initial ? 1n : 0n, onForkOf(declaration, options));
  return options.failed ? unknown : flag(c, cell);
}

function declareCounter(declaration: Declaration): Value {
  const { c, given } = declaration;
  const [start, settings] = given;
  const options = new Options(c, settings?.value, settings?.node ?? declaration.node, "the settings of a counter", [
    "onFork",
  ]);
  if (tooMany(declaration, 2, "a counter")) return unknown;
  const initial = startOf(declaration, start, 0n, maximumSigned);
  if (initial === undefined) return unknown;
  const onFork = onForkOf(declaration, options);
  if (onFork === "fresh" && declaration.scope !== "tree") {
    c.warn(
      "P0404",
      options.placeOf("onFork"),
      `\`${declaration.name}\` starts fresh in every child: forking resets the count`,
      "leave out onFork (a copy), or count in perTree",
    );
  }
  const cell = makeCell(declaration, "", { is: "counter" }, initial, onFork);
  return options.failed ? unknown : counter(c, cell);
}

function declareValue(declaration: Declaration): Value {
  const { c, given } = declaration;
  const [start, settings] = given;
  const options = new Options(c, settings?.value, settings?.node ?? declaration.node, "the settings of a value", [
    "onFork",
  ]);
  if (tooMany(declaration, 2, "a value")) return unknown;
  if (start === undefined)
    return c.error("P0212", declaration.call.node, "a value takes its initial value", "value(0n)");
  const initial = startOf(declaration, start, 0n, maximumWord);
  if (initial === undefined) return unknown;
  const cell = makeCell(declaration, "", { is: "value" }, initial, onForkOf(declaration, options));
  return options.failed ? unknown : cellValue(c, cell);
}

function startOf(
  { c }: Declaration,
  start: { readonly value: Value; readonly node: SourceRange } | undefined,
  least: bigint,
  most: bigint,
): bigint | undefined {
  if (start === undefined) return 0n;
  const initial = constantInteger(start.value);
  if (initial === undefined) {
    c.error("P0207", start.node, `this starts as an integer, not ${describe(start.value)}`);
    return undefined;
  }
  if (initial < least || initial > most) {
    c.error(
      "P0213",
      start.node,
      `this holds ${printInteger(least)} … ${printInteger(most)}, and not ${printInteger(initial)}`,
    );
    return undefined;
  }
  return initial;
}

function declareTable(declaration: Declaration, holdsValues: boolean): Value {
  const { c, scope, given, call } = declaration;
  const what = holdsValues ? "table" : "set";
  const [settings, ...rest] = given;
  if (settings === undefined || rest.length > 0) {
    return c.error("P0212", call.node, `a ${what} takes its settings`, '{ capacity: 1024n, full: deny("ENOMEM") }');
  }
  const options = new Options(c, settings.value, settings.node, `the settings of a ${what}`, [
    "capacity",
    "full",
    "onFork",
  ]);
  if (options.failed) return unknown;
  const capacity = options.integer("capacity");
  const most = BigInt(maximumCapacity(scope, holdsValues));
  if (!options.has("capacity")) {
    options.refuse("capacity", "P0406", `a ${what} needs a capacity`, "capacity: 1024n");
  } else if (capacity !== undefined && (capacity < 1n || capacity > most)) {
    options.refuse(
      "capacity",
      "P0406",
      `a capacity of ${printInteger(capacity)}: a ${what} of a ${scope} can have 1 … ${most} entries`,
      scope === "tree" ? "memory for all entries is allocated at each start" : `perTree.${what} can have 65536`,
    );
  }
  const full = options.get("full");
  const onFork = onForkOf(declaration, options);
  if (full === undefined) {
    options.refuse(
      "full",
      "P0406",
      `a ${what} needs the verdict for a call that finds it full`,
      'full: deny("ENOMEM")',
    );
  } else if (full.is !== "verdict" || full.expression.kind !== "verdict") {
    options.fail(full, "full", "a verdict");
  } else {
    const { action } = c.builder.meaning(full.expression.verdict);
    if (c.flow.live === "live" && mayPass({ action })) {
      options.refuse(
        "full",
        "P0403",
        "a full table must not allow: filling it would disable the rule",
        'full: deny("ENOMEM")',
      );
    }
  }
  if (options.failed || capacity === undefined || full?.is !== "verdict" || full.expression.kind !== "verdict")
    return unknown;
  if (c.flow.live !== "live") return holdsValues ? table(c, 0) : keySet(c, 0);
  const index = c.builder.table({
    name: declaration.name,
    scope,
    capacity: Number(capacity),
    full: full.expression.verdict,
    onFork,
    holdsValues,
    at: c.file.location(declaration.node),
  });
  return holdsValues ? table(c, index) : keySet(c, index);
}
