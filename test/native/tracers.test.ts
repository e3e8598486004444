/** Tests the kernel's rule that fork-tracer.ts relies on, and the tracers' threads: a new task has the tracer of its parent. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Writable } from "node:stream";
import { afterEach, beforeAll, expect, test } from "vitest";
import { errno } from "../../src/abi/errno-numbers.ts";
import { native } from "../../src/machine/native.ts";
import * as ptrace from "../../src/machine/ptrace.ts";
import { until } from "../support/patience.ts";

beforeAll(() => void native());
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

function started(): ptrace.Tracer {
  const tracer = ptrace.startTracer();
  if (typeof tracer === "number") throw new Error(`errno ${-tracer}`);
  return tracer;
}

interface Maker {
  readonly pid: number;
  readonly input: Writable;
}

/**
 * A process that makes a child when its input has a line, and waits for it. It is no child of ours, because Node waits for its
 * children in any thread, and would take their stops.
 */
async function maker(): Promise<Maker> {
  const script = `exec 3<&0; sh -c 'read line; (exit 3); read line' <&3 & echo $!; wait`;
  const child = spawn("sh", ["-c", script], { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { pid: Number(line), input: child.stdin };
}

const stopOf = (tracer: ptrace.Tracer) =>
  until("a stop", () => {
    const stop = ptrace.nextStop(tracer);
    return typeof stop === "string" ? undefined : { tid: stop.tid, ...ptrace.stopOf(stop.status) };
  });

test("a new task has the tracer of its parent, also when the parent has been killed at its event", async () => {
  const tracers = [started(), started()] as const;
  const makers = [await maker(), await maker()] as const;
  for (const at of [0, 1] as const) expect(tracers[at].seize(makers[at].pid, ptrace.traceOptions.creation)).toBe(0);
  for (const one of makers) one.input.write("\n");
  const born: number[] = [];
  for (const at of [1, 0] as const) {
    const tracer = tracers[at];
    const parent = makers[at].pid;
    const stops = [await stopOf(tracer), await stopOf(tracer)];
    expect(stops.find(({ tid }) => tid === parent)).toMatchObject({ stopped: true });
    const child = stops.find(({ tid }) => tid !== parent)!;
    expect(child).toMatchObject({ stopped: true, event: ptrace.traceEvent.stop });
    expect(ptrace.eventMessage(tracer, parent)).toBe(child.tid);
    born.push(child.tid);
    process.kill(parent, "SIGKILL");
    expect(await stopOf(tracer)).toMatchObject({ tid: parent, stopped: false });
    expect(ptrace.nextStop(tracer)).toBe("none yet");
    expect(ptrace.isTracee(tracer, child.tid)).toBe(true);
    expect(ptrace.isTracee(tracers[1 - at]!, child.tid)).toBe(false);
    expect(ptrace.isTracee(ptrace.ownThread, child.tid)).toBe(false);
    expect(tracer.letGo(child.tid, 0)).toBe(0);
    expect(ptrace.nextStop(tracer)).toBe("no tracees");
  }
  expect(new Set(born).size).toBe(2);
});

test("a request of another thread than the tracer fails", async () => {
  const { pid } = await maker();
  const tracer = started();
  expect(tracer.seize(pid, 0)).toBe(0);
  expect(ptrace.interrupt(ptrace.ownThread, pid)).toBe(-errno.ESRCH);
  expect(ptrace.ownThread.seize(pid, 0)).toBe(-errno.EPERM);
  expect(ptrace.interrupt(tracer, pid)).toBe(0);
});
