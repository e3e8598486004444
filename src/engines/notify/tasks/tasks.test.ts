import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { programs } from "../../../../test/live/programs.ts";
import { compileWasm } from "../../../backend/wasm/compile.ts";
import { instantiate } from "../../../backend/wasm/instance.ts";
import { close, createEpoll, pollFor } from "../../../machine/descriptors.ts";
import { nativeFile } from "../../../machine/native.ts";
import { openProcess } from "../../../machine/pidfd.ts";
import { needsOf } from "../needs.ts";
import { JudgementMemory } from "../policy/memory.ts";
import { TaskRegistry } from "./tasks.ts";

function registry(name: string) {
  const program = programs[name]!();
  const memory = new JudgementMemory(instantiate(compileWasm(program)));
  const epoll = createEpoll();
  const features = { threadDescriptors: true, descriptorsIdentify: true };
  return { tasks: new TaskRegistry(memory, needsOf(program), epoll, features), memory, epoll };
}

/** The pidfd stays open until the tests end. */
const adoptSelf = (tasks: TaskRegistry) => tasks.adopt(process.pid, openProcess(process.pid));

function isBuilt(): boolean {
  try {
    return existsSync(nativeFile("portcullis.node"));
  } catch {
    return false;
  }
}

describe.skipIf(!isBuilt())("the registry of tasks", () => {
  test("counts processes, and forks in flight until they fail", () => {
    const { tasks, epoll } = registry("most-20");
    expect(tasks.alive).toBe(0);
    expect(adoptSelf(tasks)).toBe(true);
    expect(tasks.alive).toBe(1);
    const reservations = [tasks.reserveChild(undefined), tasks.reserveChild(undefined)];
    expect(tasks.alive).toBe(3);
    for (const reservation of reservations) tasks.cancel(reservation);
    expect(tasks.alive).toBe(1);
    close(epoll);
  });

  test("a child replaces its reservation, and ends when its descriptor shows its end", async () => {
    const { tasks, epoll } = registry("process-copied");
    const child = spawn("sleep", ["3600"], { stdio: "ignore" });
    await once(child, "spawn");
    expect(adoptSelf(tasks)).toBe(true);
    const parent = tasks.find(process.pid);
    expect(tasks.commit(tasks.reserveChild(parent), child.pid!)).toBe("process");
    expect(tasks.alive).toBe(2);
    expect(tasks.find(child.pid!)?.process.pid).toBe(child.pid);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(pollFor([epoll], 60_000)[0]).not.toBe(0);
    tasks.reap(1); // the second that was watched
    expect(tasks.alive).toBe(1);
    expect(tasks.find(child.pid!)).toBeUndefined();
    close(epoll);
  });

  test("the memory of ended tasks is reused", () => {
    const { tasks, memory, epoll } = registry("process-copied");
    expect(adoptSelf(tasks)).toBe(true);
    const parent = tasks.find(process.pid);
    const first = tasks.reserveChild(parent);
    tasks.cancel(first);
    const size = memory.instance.memory.buffer.byteLength;
    for (let count = 0; count < 10_000; count++) {
      const reservation = tasks.reserveChild(parent);
      expect(reservation.processSlot).toBe(first.processSlot);
      tasks.cancel(reservation);
    }
    expect(memory.instance.memory.buffer.byteLength).toBe(size);
    close(epoll);
  });

  test("a thread that executes a program keeps its state after its descriptor has ended", async () => {
    const { tasks, memory, epoll } = registry("thread-copied");
    expect(adoptSelf(tasks)).toBe(true);
    const before = new Set(readdirSync("/proc/self/task"));
    const worker = new Worker("setInterval(() => {}, 1000)", { eval: true });
    await once(worker, "online");
    const started = readdirSync("/proc/self/task").filter((one) => !before.has(one));
    const tid = Number(started[0]);
    const thread = tasks.discover(tid, () => true);
    if (typeof thread === "string") throw new Error(thread);
    const { slot } = thread;
    tasks.executes(thread);
    await worker.terminate();
    expect(pollFor([epoll], 60_000)[0]).not.toBe(0);
    tasks.reap(1); // the second that was watched
    expect(tasks.find(tid)).toBeUndefined();
    expect(tasks.isExecuting(tid, process.pid)).toBe(true);
    tasks.executed(tid, process.pid);
    expect(tasks.find(process.pid)?.slot).toBe(slot);
    expect(tasks.isExecuting(tid, process.pid)).toBe(false);
    expect(tasks.knownThreads).toBe(1);
    expect(memory.instance.layout.scopes.thread.size).toBeGreaterThan(0);
    close(epoll);
  });

  test("a task that gets the former id of a thread that executes has a state of its own", async () => {
    const { tasks, epoll } = registry("thread-copied");
    expect(adoptSelf(tasks)).toBe(true);
    const child = spawn("sleep", ["3600"], { stdio: "ignore" });
    await once(child, "spawn");
    // The id of another process stands for that of the thread, which has got the leader's: no task ends in this test.
    const former = child.pid!;
    const thread = tasks.find(process.pid)!;
    thread.tid = former;
    tasks.executes(thread);
    tasks.losesId(former, process.pid);
    expect(tasks.commit(tasks.reserveChild(undefined), former)).toBe("process");
    const owner = tasks.find(former)!;
    expect(owner.slot).not.toBe(thread.slot);
    expect(tasks.isExecuting(former, former)).toBe(false);
    tasks.notExecuted(former, former);
    tasks.executed(former, process.pid);
    expect(tasks.find(process.pid)).toBe(thread);
    expect(tasks.find(former)).toBe(owner);
    child.kill("SIGKILL");
    close(epoll);
  });

  test("a process that was not followed since its fork is refused if the policy needs births", () => {
    const { tasks, epoll } = registry("process-copied");
    expect(tasks.discover(process.pid, () => true)).toBe("unseen");
    close(epoll);
  });

  test("an identity that was read after the caller's end is rejected", () => {
    const { tasks, epoll } = registry("process-fresh");
    expect(tasks.discover(process.pid, () => false)).toBe("gone");
    expect(tasks.discover(0x3f_ffff, () => true)).toBe("gone");
    expect(tasks.knownThreads).toBe(0);
    close(epoll);
  });
});
