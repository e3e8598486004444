import { afterEach, expect, test, vi } from "vitest";
import * as seccomp from "../../machine/seccomp.ts";
import type { ForkTracer } from "./fork-tracer.ts";
import type { JudgementMemory } from "./policy/memory.ts";
import { WaitingCalls } from "./waiting-calls.ts";

vi.mock("../../machine/seccomp.ts");
afterEach(() => vi.restoreAllMocks());

const none = () => undefined;
const [other, leader] = [0, 10];

/** Makes calls with these ids, by a leader whose process executes a program, during a fork that only call 1 counts. */
function made(ids: readonly bigint[], number: number, stillWaits: (id: bigint) => boolean, tid = other, pins = true) {
  const own = new BigUint64Array(10);
  const memory = {
    number,
    tid,
    get id() {
      return own[0]!;
    },
    idBytes: () => own.slice(0, 1),
    bytes: () => new Uint8Array(own.buffer),
    receiveAgain: (notification: Uint8Array) => new Uint8Array(own.buffer).set(notification),
  };
  vi.mocked(seccomp.notificationIsValid).mockImplementation((_, id) => stillWaits(id[0]!));
  let executes = true;
  const tracer = {
    hasReservations: true,
    advance: none,
    executesIn: (pid: number) => executes && pid === leader,
  };
  const [judged, abandoned]: [bigint[], bigint[]] = [[], []];
  const calls = new WaitingCalls({
    listener: 3,
    memory: memory as unknown as JudgementMemory,
    tracer: tracer as unknown as ForkTracer,
    counts: Uint8Array.of(0, 1),
    pins,
    signals: undefined,
    reap: none,
    abandon: (id) => abandoned.push(id),
  });
  const deferred = ids.filter((id) => {
    own[0] = id;
    return calls.defers();
  });
  expect(calls.next()).toBe(false);
  const rest = () => {
    while (calls.next()) judged.push(memory.id);
    return { deferred, judged, abandoned, isBusy: calls.isBusy };
  };
  return {
    afterFork: () => {
      tracer.hasReservations = false;
      return rest();
    },
    afterExecution: () => {
      executes = false;
      return rest();
    },
  };
}

test("calls that count are judged after the fork in the order of their arrival", () => {
  const outcome = { deferred: [5n, 6n], judged: [5n, 6n], abandoned: [], isBusy: false };
  expect(made([5n, 6n], 1, () => true).afterFork()).toEqual(outcome);
});

test("a call whose caller has died meanwhile is dropped with its object", () => {
  const outcome = { deferred: [5n, 6n, 7n], judged: [6n], abandoned: [5n, 7n], isBusy: false };
  expect(made([5n, 6n, 7n], 1, (id) => id === 6n).afterFork()).toEqual(outcome);
});

test("a leader's call is judged after the execution of another thread, and dropped if that has ended the leader", () => {
  const waits = made([5n], 0, () => true, leader);
  expect(waits.afterFork()).toEqual({ deferred: [5n], judged: [], abandoned: [], isBusy: true });
  expect(waits.afterExecution()).toEqual({ deferred: [5n], judged: [5n], abandoned: [], isBusy: false });
  const gone = { deferred: [5n], judged: [], abandoned: [5n], isBusy: false };
  expect(made([5n], 0, () => false, leader).afterExecution()).toEqual(gone);
});

test("no other call waits", () => {
  const outcome = { deferred: [], judged: [], abandoned: [], isBusy: false };
  expect(made([5n], 0, () => true).afterFork()).toEqual(outcome);
  expect(made([5n], 0, () => true, leader, false).afterFork()).toEqual(outcome);
});
