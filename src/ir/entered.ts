/** Which rooms the calls of a program enter, and where one evaluation may enter more than a call can take. */
import type { Input } from "./inputs.ts";
import { maximumEnteredRooms } from "./limits.ts";
import { specialise } from "./optimise/specialise.ts";
import type { Program, Statement } from "./program.ts";

type Enter = Statement & { readonly kind: "enter" };

export interface EnteringCall {
  readonly number: number;
  /** The statements that some evaluation of this call may reach, in source order. */
  readonly enters: readonly Enter[];
  /** Statements before which some path may have entered another side of the room: that side. */
  readonly conflicts: ReadonlyMap<Enter, number>;
  /** Statements before which some path may have entered as many rooms as a call can take. */
  readonly surplus: ReadonlySet<Enter>;
}

/**
 * The calls that may enter a room. Sound but not exact: conditions on arguments and state are taken as independent, so
 * of two `if`s in sequence both count as taken.
 */
export function enteringCalls(program: Program): readonly EnteringCall[] {
  if (program.rooms.length === 0) return [];
  const found: EnteringCall[] = [];
  for (const { from, to } of program.admission.judged) {
    for (let number = Number(from); number <= Number(to); number++) {
      const walk = walkOf(program, number);
      if (walk.enters.length > 0) found.push({ number, ...walk });
    }
  }
  return found;
}

/** Whether a call with these inputs may enter this side of the room. */
export function mayEnter(
  program: Program,
  number: number,
  inputs: { readonly [I in Input]?: bigint },
  room: number,
  side: number,
): boolean {
  return walkOf(program, number, inputs).enters.some((one) => one.room === room && one.side === side);
}

function walkOf(program: Program, number: number, inputs?: { readonly [I in Input]?: bigint }): Walk {
  const walk = new Walk();
  walk.statements(specialise(program, number, inputs).body, nothingEntered);
  return walk;
}

/** The rooms that may have been entered on the paths to a place. */
interface Entered {
  /** By room, a bit for each side that some way has entered. */
  readonly sides: ReadonlyMap<number, number>;
  /** The rooms that every way has entered. */
  readonly always: ReadonlySet<number>;
  /** The most rooms on one way, or more. */
  readonly most: number;
}

const nothingEntered: Entered = { sides: new Map(), always: new Set(), most: 0 };

class Walk {
  readonly enters: Enter[] = [];
  readonly conflicts = new Map<Enter, number>();
  readonly surplus = new Set<Enter>();
  private readonly leaving = new Map<number, Entered | undefined>();

  /** After the statements; undefined if no way reaches their end. */
  statements(statements: readonly Statement[], before: Entered): Entered | undefined {
    let now: Entered | undefined = before;
    for (const statement of statements) {
      if (now === undefined) return undefined;
      now = this.statement(statement, now);
    }
    return now;
  }

  private statement(statement: Statement, before: Entered): Entered | undefined {
    switch (statement.kind) {
      case "enter":
        return this.enter(statement, before);
      case "if":
        return meet(this.statements(statement.then, before), this.statements(statement.otherwise, before));
      case "switch":
        return statement.arms
          .map(({ body }) => this.statements(body, before))
          .reduce(meet, this.statements(statement.otherwise, before));
      case "block": {
        const after = meet(this.statements(statement.body, before), this.leaving.get(statement.label));
        this.leaving.delete(statement.label);
        return after;
      }
      case "leave":
        this.leaving.set(statement.label, meet(this.leaving.get(statement.label), before));
        return undefined;
      case "return":
        return undefined;
      default:
        return before;
    }
  }

  private enter(statement: Enter, { sides, always, most }: Entered): Entered {
    const { room, side } = statement;
    this.enters.push(statement);
    const before = sides.get(room) ?? 0;
    const others = (before & ~(1 << side)) >>> 0;
    if (others !== 0) this.conflicts.set(statement, 31 - Math.clz32(others));
    if (!always.has(room) && most >= maximumEnteredRooms) this.surplus.add(statement);
    return {
      sides: new Map(sides).set(room, (before | (1 << side)) >>> 0),
      always: new Set(always).add(room),
      most: always.has(room) ? most : most + 1,
    };
  }
}

function meet(left: Entered | undefined, right: Entered | undefined): Entered | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  const sides = new Map(left.sides);
  for (const [room, mask] of right.sides) sides.set(room, ((sides.get(room) ?? 0) | mask) >>> 0);
  return {
    sides,
    always: new Set([...left.always].filter((room) => right.always.has(room))),
    most: Math.max(left.most, right.most),
  };
}
