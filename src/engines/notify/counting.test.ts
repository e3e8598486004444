import { afterEach, expect, test, vi } from "vitest";
import * as seccomp from "../../linux/seccomp.ts";
import { CountingCalls } from "./counting.ts";
import type { ForkTracer } from "./fork-tracer.ts";
import type { JudgementMemory } from "./memory.ts";

vi.mock("../../linux/seccomp.ts");
afterEach(() => vi.restoreAllMocks());

const none = () => undefined;

/** Defers calls with these ids during a fork. Then returns the ids of the calls that are judged, and of those that are dropped. */
function afterFork(ids: readonly bigint[], stillWaits: (id: bigint) => boolean) {
  const own = new BigUint64Array(10);
  const memory = {
    number: 0,
    get id() {
      return own[0]!;
    },
    idBytes: () => own.slice(0, 1),
    bytes: () => new Uint8Array(own.buffer),
    receiveAgain: (notification: Uint8Array) => new Uint8Array(own.buffer).set(notification),
  };
  vi.mocked(seccomp.notificationIsValid).mockImplementation((_, id) => stillWaits(id[0]!));
  const tracer = { hasReservations: true, advanceEagerly: none };
  const [judged, abandoned]: [bigint[], bigint[]] = [[], []];
  const calls = new CountingCalls({
    listener: 3,
    memory: memory as unknown as JudgementMemory,
    tracer: tracer as unknown as ForkTracer,
    counts: Uint8Array.of(1),
    reap: none,
    abandon: (id) => abandoned.push(id),
  });
  for (const id of ids) {
    own[0] = id;
    expect(calls.defers()).toBe(true);
  }
  expect(calls.next()).toBe(false);
  tracer.hasReservations = false;
  while (calls.next()) judged.push(memory.id);
  return { judged, abandoned, isBusy: calls.isBusy };
}

test("calls are judged after the fork in the order of their arrival", () => {
  expect(afterFork([5n, 6n], () => true)).toEqual({ judged: [5n, 6n], abandoned: [], isBusy: false });
});

test("a call whose caller has died meanwhile is dropped with its object", () => {
  expect(afterFork([5n, 6n, 7n], (id) => id === 6n)).toEqual({ judged: [6n], abandoned: [5n, 7n], isBusy: false });
});
