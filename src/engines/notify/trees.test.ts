/** Tests the turns of many trees, with an addon whose steps end at once and a clock that only turns move. */
import { MessageChannel } from "node:worker_threads";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { errno } from "../../abi/errno-numbers.ts";
import * as addon from "../../machine/native.ts";
import type { SuperviseOrder, WorkerMessage, WorkerOrder } from "./orders.ts";
import type { Supervisor } from "./supervisor.ts";
import { Trees } from "./trees.ts";
import type { WaitingLoop } from "./waits.ts";

vi.mock("../../machine/native.ts");
vi.mock("../../machine/descriptors.ts");
vi.mock("../../machine/processor.ts");

/** Milliseconds. */
let clock = 0;
/** The questions for ended tasks. */
let deaths = 0;
/** The results of work, by tree. */
const done = new Map<number, number>();
/** The trees with turns, in their order. */
let turns: number[] = [];
/** The trees whose step has ended, or can be tried. */
const ended: number[] = [];
/** So many first tries do not end the step. */
let vain = 0;
/** The trees for which other threads work, and the results of that. */
const others: { readonly tree: number; readonly result: number }[] = [];
const results: unknown[] = [];
const messages: WorkerMessage[] = [];
const used = new Float64Array(1);

beforeEach(() => {
  clock = 0;
  turns = [];
  ended.length = 0;
  vain = 0;
  messages.length = 0;
  others.length = results.length = 0;
  done.clear();
  deaths = 0;
  vi.spyOn(performance, "now").mockImplementation(() => clock);
  vi.mocked(addon.native).mockReturnValue({
    watchTrees: () => undefined,
    startTree: (id: number) => ({ id }),
    enterTree: () => undefined,
    endTree: () => undefined,
    deaths: () => deaths++,
    beginStep: ({ id }: { id: number }) => ended.push(id),
    endStep: ({ id }: { id: number }) => {
      const result = done.get(id);
      if (done.delete(id)) return result;
      if (vain-- <= 0) return 0;
      ended.push(id);
      return -errno.EINPROGRESS;
    },
    awaitTrees: (milliseconds: number) => {
      const other = ended.length === 0 ? others.shift() : undefined;
      if (other !== undefined) {
        done.set(other.tree, other.result);
        ended.push(other.tree);
      }
      if (ended.length === 0 && milliseconds > 0) clock += milliseconds;
    },
    nextTree: () => ended.shift() ?? -1,
  } as unknown as addon.Native);
});

/** A tree that takes so many turns, each of so many milliseconds. */
interface Work {
  readonly turns: number;
  readonly time: number;
  /** In this turn it fails. */
  readonly failsIn?: number;
  /** Another thread works for it after each turn, with this result. */
  readonly works?: number;
}

function run(works: readonly Work[]): void {
  const { port1, port2 } = new MessageChannel();
  const orders = new Int32Array(1);
  used.fill(0);
  const send = (order: WorkerOrder): void => {
    port1.postMessage(order);
    orders[0]!++;
  };
  const loopOf = function* (tree: number): WaitingLoop {
    const { turns: count, time, failsIn, works: result } = works[tree]!;
    for (let turn = 0; turn < count; turn++) {
      yield { kind: "step", answer: true, waits: true, judges: true };
      if (result !== undefined) {
        others.push({ tree, result });
        results.push(yield { kind: "work" });
      }
      turns.push(tree);
      clock += time;
      if (turn === failsIn) throw new Error("broken");
    }
  };
  const noted = { attend: () => undefined, leave: () => undefined, isSuspended: false, shared: {} };
  const trees = new Trees({ event: 1, wake: 2, orders, used, processor: 0 }, port2, {
    post: (message) => {
      messages.push(message);
      if (messages.length === works.length) send("end");
    },
    supervisorOf: ({ tree }) => ({
      supervisor: { ...noted, run: () => loopOf(tree) } as unknown as Supervisor,
      sink: { finish: () => undefined } as never,
    }),
  });
  send({ kind: "policy", key: 0, policy: {} as never });
  for (const tree of works.keys())
    send({
      kind: "supervise",
      tree,
      policy: 0,
      state: tree,
      descriptors: {},
      listener: -1,
    } as unknown as SuperviseOrder);
  trees.run();
  port1.close();
}

const firstTurns = (tree: number, count: number) => turns.slice(0, count).filter((one) => one === tree).length;

describe("turns", () => {
  test("are of the tree that has used the least time", () => {
    run([
      { turns: 90, time: 0.1 },
      { turns: 30, time: 0.3 },
    ]);
    expect(firstTurns(0, 40)).toBeGreaterThanOrEqual(28);
    expect(firstTurns(1, 40)).toBeGreaterThanOrEqual(9);
    expect(messages).toEqual([
      { kind: "finished", tree: expect.any(Number), why: undefined },
      { kind: "finished", tree: expect.any(Number), why: undefined },
    ]);
  });

  test("of a tree that blocks the thread are rare", () => {
    run([
      { turns: 3, time: 1000 },
      { turns: 30_000, time: 1 },
    ]);
    const [first, second] = [turns.indexOf(0), turns.indexOf(0, turns.indexOf(0) + 1)];
    expect(second - first).toBeGreaterThan(18_000);
  });

  test("a step that goes on is no turn of the tree's loop", () => {
    vain = 5;
    run([{ turns: 3, time: 1 }]);
    expect(turns).toEqual([0, 0, 0]);
    expect(vain).toBeLessThan(0);
  });

  test("other trees have turns while another thread works for one", () => {
    run([
      { turns: 1, time: 1, works: 7 },
      { turns: 20, time: 1 },
    ]);
    expect(turns[0]).toBe(1);
    expect(turns.slice().sort()).toEqual([0, ...Array.from({ length: 20 }, () => 1)]);
    expect({ results, deaths }).toEqual({ results: [7], deaths: 0 });
  });

  test("a tree that fails does not end another one", () => {
    run([
      { turns: 5, time: 0.1, failsIn: 1 },
      { turns: 20, time: 0.1 },
    ]);
    expect(messages[0]).toEqual({ kind: "finished", tree: 0, why: "broken" });
    expect(messages[1]).toEqual({ kind: "finished", tree: 1, why: undefined });
    expect(turns.filter((one) => one === 1)).toHaveLength(20);
  });
});
