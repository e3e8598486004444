/**
 * All schedules of small sets of calls, and random schedules of larger ones. A model that only reads the outcomes checks
 * each step: sides exclude each other, no waiter is overtaken or forgotten, some call can always go on, and nothing stays.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { property } from "../ir/testing/property.ts";
import { casesOf, firstSeed } from "../ir/testing/seeds.ts";
import { type Outcome, type RoomRequest, type RoomRule, RoomTable } from "./table.ts";

interface Plan {
  readonly requests: readonly RoomRequest[];
}

/** A call begins, ends or dies (whether it runs or waits), or time passes until the next wait ends. */
type Step = { readonly does: "begin" | "leave"; readonly call: number } | { readonly does: "wait" };

type Status = "planned" | "waits" | "runs" | "gone";

class World {
  readonly rules: readonly RoomRule[];
  readonly plans: readonly Plan[];
  readonly table: RoomTable<number>;
  readonly status: Status[];
  now = 0n;

  constructor(rules: readonly RoomRule[], plans: readonly Plan[]) {
    this.rules = rules;
    this.plans = plans;
    this.table = new RoomTable(rules);
    this.status = plans.map(() => "planned");
  }

  steps(): Step[] {
    const steps: Step[] = [];
    this.status.forEach((status, call) => {
      if (status === "planned") steps.push({ does: "begin", call });
      if (status === "waits" || status === "runs") steps.push({ does: "leave", call });
    });
    if (this.table.deadline !== undefined) steps.push({ does: "wait" });
    return steps;
  }

  do(step: Step): void {
    const before = new Map(this.status.map((_, call) => [call, this.table.waitOf(call)]));
    let outcomes: readonly Outcome<number>[];
    if (step.does === "begin") {
      this.status[step.call] = "waits";
      outcomes = this.table.enter(step.call, this.plans[step.call]!.requests, this.now);
    } else if (step.does === "leave") {
      this.status[step.call] = "gone";
      outcomes = this.table.leave(step.call, this.now);
    } else {
      this.now = this.table.deadline!;
      outcomes = this.table.expire(this.now);
    }
    for (const { is, call } of outcomes) {
      assert.equal(this.status[call], "waits");
      this.status[call] = is === "admitted" ? "runs" : "gone";
    }
    // A waiter that is still in the same room has the same calls before it, or fewer.
    for (const [call, wait] of before) {
      const after = this.table.waitOf(call);
      if (wait === undefined || after === undefined || after.room !== wait.room) continue;
      assert.ok(after.behind.every((one) => wait.behind.includes(one)));
    }
    this.check();
  }

  check(): void {
    const holders = new Map<string, { readonly call: number; readonly side: number }[]>();
    let running = 0;
    let waiting = 0;
    this.status.forEach((status, call) => {
      const wait = this.table.waitOf(call);
      assert.equal(this.table.stateOf(call), status === "runs" ? "holds" : status === "waits" ? "waits" : undefined);
      if (status === "runs") running += 1;
      if (status === "waits") waiting += 1;
      if (status !== "runs" && status !== "waits") return;
      for (const { room, side, owner } of this.plans[call]!.requests) {
        if (wait !== undefined && room >= wait.room) continue;
        const key = `${room} ${owner}`;
        holders.set(key, [...(holders.get(key) ?? []), { call, side }]);
      }
    });
    for (const [key, list] of holders) {
      const sides = new Set(list.map(({ side }) => side));
      assert.equal(sides.size, 1);
      const { exclusive } = this.rules[Number(key.split(" ")[0])]!;
      if ((exclusive >>> [...sides][0]!) & 1) assert.equal(list.length, 1);
    }
    // No deadlock: if calls wait, a call runs. No lost wake-up: a call waits only for calls before it.
    if (waiting > 0) assert.ok(running > 0);
    this.status.forEach((_, call) => {
      const wait = this.table.waitOf(call);
      if (wait !== undefined) assert.ok(wait.behind.length > 0);
    });
    assert.equal(this.table.isEmpty, running + waiting === 0);
  }
}

/** Runs every schedule; returns their number. */
function explore(rules: readonly RoomRule[], plans: readonly Plan[]): number {
  let schedules = 0;
  const visit = (path: readonly Step[]): void => {
    const world = new World(rules, plans);
    for (const step of path) world.do(step);
    const steps = world.steps();
    if (steps.length === 0) {
      schedules += 1;
      assert.ok(world.table.isEmpty);
    }
    for (const step of steps) visit([...path, step]);
  };
  visit([]);
  return schedules;
}

const rule = (exclusive: number, timeout = 100n): RoomRule => ({ exclusive, timeout });
const plan = (...requests: readonly (readonly [room: number, side: number])[]): Plan => ({
  requests: requests.map(([room, side]) => ({ room, side, owner: "tree" })),
});

describe("every schedule", () => {
  it("of two sides", () => {
    expect(explore([rule(0)], [plan([0, 0]), plan([0, 0]), plan([0, 1]), plan([0, 1])])).toBeGreaterThan(1000);
  });

  it("of an exclusive side", () => {
    explore([rule(0b01)], [plan([0, 0]), plan([0, 0]), plan([0, 1])]);
  });

  it("of two rooms that are asked for in opposite order", () => {
    explore([rule(0), rule(0)], [plan([0, 0], [1, 1]), plan([1, 0], [0, 1]), plan([1, 1])]);
  });

  it("of three rooms in a circle", () => {
    explore(
      [rule(0b11), rule(0b11, 30n), rule(0b11, 10n)],
      [plan([0, 0], [1, 0]), plan([1, 1], [2, 0]), plan([2, 1], [0, 1])],
    );
  });
});

const request = fc.record({ room: fc.nat(2), side: fc.nat(2), owner: fc.nat(1) });
const plans = fc.array(
  fc.record({ requests: fc.uniqueArray(request, { selector: ({ room }) => room, minLength: 1, maxLength: 3 }) }),
  { minLength: 2, maxLength: 12 },
);
const rules = fc.tuple(...[0, 1, 2].map(() => fc.record({ exclusive: fc.nat(7), timeout: fc.bigInt(1n, 9n) })));

describe("random schedules", () => {
  property([rules, plans, fc.array(fc.nat(), { maxLength: 60 })], { seed: firstSeed, numRuns: casesOf(300) })(
    "exclude, go on, and leave nothing behind",
    (given, calls, choices) => {
      const world = new World(given, calls);
      for (const choice of choices) {
        const steps = world.steps();
        if (steps.length > 0) world.do(steps[choice % steps.length]!);
      }
      // No starvation: without another arrival, each call is admitted within the rounds that the calls before it take.
      for (let rounds = 0; world.status.some((status) => status === "waits" || status === "runs"); rounds++) {
        assert.ok(rounds <= calls.length);
        world.status.forEach((status, call) => {
          if (status === "runs") world.do({ does: "leave", call });
        });
      }
      assert.ok(world.table.isEmpty);
    },
  );
});
