/** The rooms of a simulated tree: the calls that run in them, wait for them, or were late. */
import type { EnteredRoom } from "../../ir/evaluation.ts";
import type { Program, RoomScope } from "../../ir/program.ts";
import { type Outcome, RoomTable } from "../../rooms/table.ts";
import { rulingOf } from "./decision.ts";
import type { BegunCall, SimulatedWait } from "./model.ts";
import type { Task } from "./task.ts";

export class SimulatedRooms {
  readonly #program: Program;
  readonly #table: RoomTable<Task>;
  /** The calls of `begin`, by their tasks. */
  readonly #begun = new Map<Task, "goes on" | BegunCall>();

  constructor(program: Program) {
    this.#program = program;
    this.#table = new RoomTable(program.rooms);
  }

  /** Enters a passing call into these rooms. Returns undefined if it need not wait. */
  begin(task: Task, entered: readonly EnteredRoom[], now: bigint): SimulatedWait | undefined {
    this.#begun.set(task, "goes on");
    if (this.#isEmpty) return undefined;
    const requests = entered.map(({ room, side }) => ({ room, side, owner: ownerOf(task, this.#scope(room)) }));
    this.#note(this.#table.enter(task, requests, now));
    return this.#waitOf(task);
  }

  /** The state of the task's call. */
  begun(task: Task): BegunCall | undefined {
    const call = this.#begun.get(task);
    if (call !== "goes on") return call;
    const wait = this.#waitOf(task);
    return wait === undefined ? { is: "runs" } : { is: "waits", wait };
  }

  /** The call or its task has ended. */
  leave(task: Task, now: bigint): void {
    this.#begun.delete(task);
    if (!this.#isEmpty) this.#note(this.#table.leave(task, now));
  }

  /** Moves the time forward. Waits end at their own times, in order. */
  advance(now: bigint): void {
    if (this.#isEmpty) return;
    for (let next = this.#table.deadline; next !== undefined && next <= now; next = this.#table.deadline)
      this.#note(this.#table.expire(next));
  }

  /** The policy has no rooms. */
  get #isEmpty(): boolean {
    return this.#program.rooms.length === 0;
  }

  #scope(room: number): RoomScope {
    return this.#program.rooms[room]!.scope;
  }

  #waitOf(task: Task): SimulatedWait | undefined {
    const wait = this.#table.waitOf(task);
    return wait === undefined ? undefined : { room: this.#program.rooms[wait.room]!.name, behind: wait.behind };
  }

  #note(outcomes: readonly Outcome<Task>[]): void {
    for (const outcome of outcomes) {
      if (outcome.is === "admitted") continue;
      const { verdict, reason, rule } = rulingOf(this.#program, [this.#program.rooms[outcome.room]!.late]);
      this.#begun.set(outcome.call, { is: "late", ruling: { verdict, reason, rule } });
    }
  }
}

function ownerOf({ record }: Task, scope: RoomScope): unknown {
  switch (scope) {
    case "process":
      return record.process;
    case "memory":
      return record.process.memory;
    case "tree":
      return "tree";
  }
}
