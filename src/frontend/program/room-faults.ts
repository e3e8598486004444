/**
 * Refuses rooms that cannot work: around calls that wait for a call of another side, around calls that make or replace a
 * process, and more of them than a call can take.
 */

import { blockingCalls } from "../../abi/blocking-calls.ts";
import { callByNumber } from "../../abi/calls.ts";
import { isCreatingCall, isExecutingCall } from "../../abi/process-calls.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic, Span } from "../../diagnostics/diagnostic.ts";
import { type EnteringCall, enteringCalls, mayEnter } from "../../ir/dataflow/entered.ts";
import { maximumEnteredRooms } from "../../ir/limits.ts";
import type { Location } from "../../ir/location.ts";
import { spanOf } from "../../ir/location.ts";
import type { Program, Room, Statement } from "../../ir/program.ts";

type Enter = Statement & { readonly kind: "enter" };

export function roomFaults(program: Program): readonly Diagnostic[] {
  const entering = enteringCalls(program).map((call) => ({
    ...call,
    name: callByNumber(program.architecture, call.number)?.name ?? String(call.number),
  }));
  const faults = new Faults(program, entering);
  return faults.find();
}

interface NamedCall extends EnteringCall {
  readonly name: string;
}

/** A fault at a place; the calls that have it are collected. */
interface Fault {
  readonly code: Parameters<typeof diagnostic>[0];
  readonly at: Location | undefined;
  readonly related: Span | undefined;
  readonly message: (calls: string) => string;
  readonly help: string;
  readonly names: string[];
}

class Faults {
  readonly #program: Program;
  readonly #entering: readonly NamedCall[];
  readonly #found = new Map<string, Fault>();

  constructor(program: Program, entering: readonly NamedCall[]) {
    this.#program = program;
    this.#entering = entering;
  }

  find(): readonly Diagnostic[] {
    for (const call of this.#entering) {
      for (const enter of call.enters) {
        this.#process(call, enter);
        this.#wait(call, enter);
        this.#conflict(call, enter);
      }
    }
    return [...this.#found.values()].map(({ code, at, related, message, help, names }) =>
      diagnostic(code, message(enumerate(names)), {
        span: spanOf(this.#program, at),
        help,
        related: related === undefined ? undefined : { span: related, message: "the room" },
      }),
    );
  }

  #add(call: NamedCall, enter: Enter, fault: Omit<Fault, "at" | "related" | "names">): void {
    const { at } = enter;
    const key = `${fault.code} ${at?.file}:${at?.line}:${at?.column} ${enter.room} ${enter.side} ${fault.message("")}`;
    const known = this.#found.get(key);
    if (known === undefined) {
      const related = spanOf(this.#program, this.#room(enter).at);
      this.#found.set(key, { ...fault, at, related, names: [call.name] });
    } else if (!known.names.includes(call.name)) known.names.push(call.name);
  }

  #room({ room }: Enter): Room {
    return this.#program.rooms[room]!;
  }

  #process(call: NamedCall, enter: Enter): void {
    const { name } = this.#room(enter);
    const executes = isExecutingCall(call.name);
    if (!executes && !isCreatingCall(call.name)) return;
    this.#add(call, enter, {
      code: "P0415",
      message: (calls) =>
        executes
          ? `${calls} cannot be in the room \`${name}\`: the call ends the threads that wait for it, and returns in another program`
          : `${calls} cannot be in the room \`${name}\`: the call returns twice, and vfork's parent waits in it for its child`,
      help: "enter the room only for the calls that must not overlap: if (call.name === …)",
    });
  }

  #wait(call: NamedCall, enter: Enter): void {
    const blocking = blockingCalls.get(call.name);
    if (blocking === undefined) return;
    const { name, sides } = this.#room(enter);
    const { waitsFor, endedBy, only } = blocking;
    if (only !== undefined) {
      const waits = only.values.some((value) =>
        mayEnter(this.#program, call.number, { [`argument${only.register}`]: value }, enter.room, enter.side),
      );
      if (!waits) return;
    }
    if (endedBy === undefined) {
      this.#add(call, enter, {
        code: "P0414",
        message: (calls) =>
          `${calls} cannot be in the room \`${name}\`: the call waits for ${waitsFor}, and holds its side meanwhile`,
        help:
          only === undefined
            ? "leave the call out: it would make the calls of the other sides late"
            : "test the argument before: only some operations of this call wait",
      });
      return;
    }
    const other = this.#entering.find(
      (one) =>
        endedBy.includes(one.name) && one.enters.some(({ room, side }) => room === enter.room && side !== enter.side),
    );
    if (other === undefined) return;
    const side = other.enters.find((one) => one.room === enter.room && one.side !== enter.side)!.side;
    this.#add(call, enter, {
      code: "P0414",
      message: (calls) =>
        `${calls} in ${JSON.stringify(sides[enter.side])} can wait for ${waitsFor}: ${other.name}, in ${JSON.stringify(sides[side])} of the same room, then waits for it`,
      help: `put both in one side, or leave one out: if the one waits, the other is late`,
    });
  }

  #conflict(call: NamedCall, enter: Enter): void {
    const { name, sides } = this.#room(enter);
    const other = call.conflicts.get(enter);
    if (other !== undefined) {
      this.#add(call, enter, {
        code: "P0417",
        message: (calls) =>
          `${calls} can enter ${JSON.stringify(sides[other])} and ${JSON.stringify(sides[enter.side])} of \`${name}\` in one evaluation, and would wait for itself`,
        help: "enter one side on each path: if (…) room.enter(…); else room.enter(…);",
      });
    }
    if (call.surplus.has(enter)) {
      this.#add(call, enter, {
        code: "P0416",
        message: (calls) => `${calls} can enter more than ${maximumEnteredRooms} rooms in one evaluation`,
        help: "join rooms: a room has up to 32 sides",
      });
    }
  }
}

function enumerate(names: readonly string[]): string {
  const shown = names.length > 6 ? [...names.slice(0, 5), `${names.length - 5} more calls`] : names;
  return shown.length < 2 ? (shown[0] ?? "") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}
