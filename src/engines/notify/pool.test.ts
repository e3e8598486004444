import { afterEach, expect, it, vi } from "vitest";
import { SupervisionPool } from "./pool.ts";
import type { SupervisedTree, Supervision, Suspended, TreeOrder } from "./supervision.ts";

/** A thread whose trees end when the test says so. */
class FakeThread {
  readonly orders: TreeOrder[] = [];
  readonly ends: ((why?: string) => void)[] = [];
  used = 0;
  failed: string | undefined;
  ended = false;
  fail: (why: string) => void = () => undefined;
  readonly failure = new Promise<string>((resolve) => {
    this.fail = (why) => {
      this.failed = why;
      resolve(why);
    };
  });

  supervise(order: TreeOrder): SupervisedTree {
    this.orders.push(order);
    return { ended: new Promise((resolve) => this.ends.push(resolve)) };
  }

  async suspend(): Promise<ReadonlyMap<SupervisedTree, Suspended>> {
    return new Map(this.orders.map((order) => [{ ended: Promise.resolve(undefined) }, order as never]));
  }

  async end(): Promise<void> {
    this.ended = true;
  }
}

afterEach(() => vi.restoreAllMocks());

function pool(count: number) {
  let clock = 0;
  vi.spyOn(performance, "now").mockImplementation(() => clock);
  const threads: FakeThread[] = [];
  const start = (processor: number) => {
    expect(processor).toBe(threads.length);
    threads.push(new FakeThread());
    return threads.at(-1) as unknown as Supervision;
  };
  const all = new SupervisionPool(start, count);
  const add = (joins?: SupervisedTree) => all.supervise({ joins } as TreeOrder);
  const pass = (milliseconds: number) => {
    clock += milliseconds;
  };
  return { all, threads, add, pass, counts: () => threads.map(({ orders }) => orders.length) };
}

it("trees without a load are spread over the threads", () => {
  const { add, counts } = pool(3);
  for (let tree = 0; tree < 7; tree++) add();
  expect(counts()).toEqual([3, 2, 2]);
});

it("a tree that ended leaves room", async () => {
  const { add, threads, counts } = pool(2);
  add();
  add();
  threads[1]!.ends[0]!();
  await Promise.resolve();
  add();
  expect(counts()).toEqual([1, 2]);
});

it("a new tree is not in the thread of one that calls all the time", () => {
  const { add, threads, pass, counts } = pool(2);
  add();
  for (let tree = 0; tree < 4; tree++) {
    pass(200);
    threads[0]!.used += 150;
    add();
  }
  expect(counts()).toEqual([1, 4]);
});

it("nor if a tree that has just ended in the other thread called more often", async () => {
  const { add, threads, pass, counts } = pool(2);
  add();
  for (let tree = 0; tree < 4; tree++) {
    add();
    pass(200);
    threads[0]!.used += 100;
    threads[1]!.used += 180;
    threads[1]!.ends[tree]!();
    await Promise.resolve();
  }
  expect(counts()).toEqual([1, 4]);
});

it("a load that is over does not count", () => {
  const { add, threads, pass, counts } = pool(2);
  add();
  pass(200);
  threads[0]!.used += 150;
  add();
  pass(200);
  add();
  expect(counts()).toEqual([2, 1]);
});

it("a tree is in the thread of the one that it joins", () => {
  const { add, counts } = pool(2);
  const first = add();
  add(first);
  add(add(first));
  expect(counts()).toEqual([4, 0]);
});

it("all threads are suspended, and ended", async () => {
  const { all, add, threads } = pool(2);
  add();
  add();
  expect((await all.suspend(1)).size).toBe(2);
  await all.end();
  for (const thread of threads) expect(thread.ended).toBe(true);
});

it("the first thread that fails is the pool's failure", async () => {
  const { all, threads } = pool(2);
  expect(all.failed).toBeUndefined();
  threads[1]!.fail("broken");
  expect(await all.failure).toBe("broken");
  expect(all.failed).toBe("broken");
});
