/** Rooms: named sides of calls that must not run at the same time. `program/room-faults.ts` checks who enters them. */

import { durationForm, parseDuration } from "../../../abi/durations.ts";
import { namesInstead } from "../../../diagnostics/suggest.ts";
import { maximumRooms, maximumSides, roomTimeout } from "../../../ir/limits.ts";
import type { RoomScope } from "../../../ir/program.ts";
import { endsWaiting, mayPass } from "../../../ir/verdicts.ts";
import { alwaysAllowed } from "../../program/call-names.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { event } from "../values/facts.ts";
import {
  type BuiltinCall,
  builtin,
  constantString,
  describe,
  nothing,
  object,
  unknown,
  type Value,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { methodArguments } from "./cells.ts";
import type { Declaration } from "./declaration.ts";
import { Options } from "./options.ts";

const form = '{ sides: ["discard", "write"], timeout: "1s", late: deny("EDEADLK") }';

/** The calls that the tests on this path name, and that no policy judges. */
function neverJudged(c: Compilation): readonly string[] {
  const { names } = c.flow.facts;
  const found = [...names].flatMap(([reference, mask]) =>
    // More than half of all calls are the rest of an excluding test, which does not mean each of them.
    reference === event || 2 * c.names.count(mask) > c.names.names.length
      ? []
      : alwaysAllowed.filter((name) => (mask & c.names.bit(name)!) !== 0n),
  );
  return [...new Set(found)];
}

export function rooms(declaration: Declaration<RoomScope>): Value {
  const { c, given, call, scope, name, node } = declaration;
  const [settings, ...rest] = given;
  if (settings === undefined || rest.length > 0) return c.error("P0212", call.node, "rooms take their settings", form);
  const options = new Options(c, settings.value, settings.node, "the settings of rooms", [
    "sides",
    "exclusive",
    "timeout",
    "late",
  ]);
  if (options.failed) return unknown;
  const sides = sidesOf(options);
  const exclusive = sides === undefined ? 0 : exclusiveOf(c, options, sides);
  const timeout = timeoutOf(options);
  const late = lateOf(c, options);
  if (options.failed || sides === undefined || timeout === undefined || late === undefined) return unknown;
  if (c.flow.live !== "live") return roomsObject(c, 0, sides);
  if (c.builder.rooms.length === maximumRooms)
    return c.error("P0411", call.node, `a policy has at most ${maximumRooms} rooms`, "join rooms of the same calls");
  const room = c.builder.room({ name, scope, sides, exclusive, timeout, late, at: c.file.location(node) });
  return roomsObject(c, room, sides);
}

/** `perThread.rooms`: no room can be of one thread. */
export function roomsOfAThread(c: Compilation): [string, Value] {
  const apply = (call: BuiltinCall) =>
    c.error(
      "P0411",
      call.node,
      "a thread makes one call at a time, so its calls never overlap",
      "perProcess.rooms, perMemory.rooms or perTree.rooms",
    );
  return ["rooms", { is: "builtin", name: "perThread.rooms", apply }];
}

function namesIn(options: Options, option: "sides" | "exclusive"): readonly string[] | undefined {
  const value = options.get(option);
  if (value === undefined || value.is === "unknown") return undefined;
  const names = value.is === "list" ? value.elements.map(constantString) : [undefined];
  if (names.every((one) => one !== undefined)) return names;
  options.refuse(option, "P0207", `\`${option}\` is a list of names, not ${describe(value)}`, '["discard", "write"]');
  return undefined;
}

function sidesOf(options: Options): readonly string[] | undefined {
  const sides = namesIn(options, "sides");
  if (!options.has("sides")) options.refuse("sides", "P0411", "rooms need `sides`", form);
  if (sides === undefined) return undefined;
  const twice = sides.find((one, index) => sides.indexOf(one) !== index);
  if (twice !== undefined) {
    options.refuse("sides", "P0411", `the side ${JSON.stringify(twice)} is listed twice`, "a side runs beside itself");
  } else if (sides.length === 0 || sides.length > maximumSides) {
    options.refuse(
      "sides",
      "P0411",
      `${sides.length} sides, where 1 … ${maximumSides} are allowed`,
      sides.length === 0 ? '["discard", "write"]' : "use a second room",
    );
  }
  return sides;
}

function exclusiveOf(c: Compilation, options: Options, sides: readonly string[]): number {
  let exclusive = 0;
  for (const name of namesIn(options, "exclusive") ?? []) {
    const side = sides.indexOf(name);
    if (side >= 0) exclusive = (exclusive | (1 << side)) >>> 0;
    else {
      options.failed = true;
      unknownSide(c, sides, name, options.placeOfValue("exclusive"));
    }
  }
  if (sides.length === 1 && exclusive === 0 && !options.failed) {
    options.refuse(
      "sides",
      "P0411",
      "calls of the only side run together: the room has no effect",
      `a second side, or exclusive: ["${sides[0]}"] for one call at a time`,
    );
  }
  return exclusive;
}

function timeoutOf(options: Options): bigint | undefined {
  const text = options.text("timeout");
  if (!options.has("timeout")) options.refuse("timeout", "P0411", "rooms need a `timeout`", 'timeout: "1s"');
  if (text === undefined) return undefined;
  const timeout = parseDuration(text);
  if (timeout === undefined) {
    options.refuse("timeout", "P0214", `${JSON.stringify(text)} is not a duration`, durationForm);
  } else if (timeout < roomTimeout.least || timeout > roomTimeout.most) {
    options.refuse(
      "timeout",
      "P0411",
      `a call can wait "1ms" … "60s" for a room, and not ${JSON.stringify(text)}`,
      "the time that the longest call of another side takes, and some more",
    );
  }
  return timeout;
}

function lateOf(c: Compilation, options: Options): number | undefined {
  const late = options.get("late");
  if (late === undefined) {
    options.refuse("late", "P0411", "rooms need the verdict for a call that waits too long", 'late: deny("EDEADLK")');
    return undefined;
  }
  if (late.is !== "verdict" || late.expression.kind !== "verdict") {
    options.fail(late, "late", "a verdict");
    return undefined;
  }
  const verdict = c.builder.meaning(late.expression.verdict);
  // In unreachable code every verdict is the first, an allow.
  if (c.flow.live === "live" && !endsWaiting(verdict)) {
    options.refuse(
      "late",
      "P0413",
      mayPass(verdict)
        ? "a call that is late must not pass: one that delays the others would disable the room"
        : "a call that is late is denied or killed: it has waited, and a handler of SIGSYS would make it again",
      'late: deny("EDEADLK"), or kill("process")',
    );
  }
  return late.expression.verdict;
}

function unknownSide(c: Compilation, sides: readonly string[], name: string, node: SourceRange): Value {
  return c.error("P0412", node, `there is no side ${JSON.stringify(name)}`, namesInstead(name, sides));
}

function roomsObject(c: Compilation, room: number, sides: readonly string[]): Value {
  const apply = (call: BuiltinCall): Value => {
    const given = methodArguments(c, call, "enter", 1)?.[0];
    if (given === undefined) return unknown;
    const name = constantString(given.value);
    if (name === undefined)
      return c.error("P0207", given.node, `\`.enter\` takes the name of a side, not ${describe(given.value)}`);
    const side = sides.indexOf(name);
    if (side < 0) return unknownSide(c, sides, name, given.node);
    const never = neverJudged(c);
    if (never.length > 0)
      return c.error(
        "P0421",
        call.node,
        `${never.join(" and ")} cannot be in a room: always allowed, never judged, and without a return that would end the hold`,
        "leave it out; a process must be able to exit and to return from signal handlers",
      );
    c.emit({ kind: "enter", room, side }, call.node);
    return nothing;
  };
  return object("Rooms", new Map([builtin("enter", apply)]));
}
