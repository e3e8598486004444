/** Finds the rooms that each call of a program enters, and evaluations that may enter more rooms than a call can take. */
import type { Input } from "../inputs.ts";
import { maximumEnteredRooms } from "../limits.ts";
import { specialise } from "../optimise/specialise.ts";
import type { Program, Statement } from "../program.ts";
import { type ForwardAnalysis, walkForward } from "./forward.ts";

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
      const { enters, conflicts, surplus } = search(program, number);
      if (enters.length > 0) found.push({ number, enters, conflicts, surplus });
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
  return search(program, number, inputs).enters.some((one) => one.room === room && one.side === side);
}

function search(program: Program, number: number, inputs?: { readonly [I in Input]?: bigint }): Search {
  const found = new Search();
  walkForward(found, specialise(program, number, inputs).body, nothingEntered);
  return found;
}

/** The rooms that may have been entered on the paths to a place. */
interface Entered {
  /** By room, a bit for each side that some path has entered. */
  readonly sides: ReadonlyMap<number, number>;
  /** The rooms that every path has entered. */
  readonly always: ReadonlySet<number>;
  /** The most rooms on one path, or more. */
  readonly most: number;
}

const nothingEntered: Entered = { sides: new Map(), always: new Set(), most: 0 };

class Search implements ForwardAnalysis<Entered> {
  readonly enters: Enter[] = [];
  readonly conflicts = new Map<Enter, number>();
  readonly surplus = new Set<Enter>();

  readonly meet = meet;

  readonly after = (statement: Statement, before: Entered): Entered =>
    statement.kind === "enter" ? this.enter(statement, before) : before;

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

function meet(left: Entered, right: Entered): Entered {
  const sides = new Map(left.sides);
  for (const [room, mask] of right.sides) sides.set(room, ((sides.get(room) ?? 0) | mask) >>> 0);
  return {
    sides,
    always: new Set([...left.always].filter((room) => right.always.has(room))),
    most: Math.max(left.most, right.most),
  };
}
