/** Tests who is taken to have made a task: kind and process decide, and each creating call makes one. */
import { describe, expect, it } from "vitest";
import { TraceAssembler } from "../assembler.ts";
import { CallCensus } from "../census.ts";
import { Family } from "./family.ts";
import type { Notification } from "./notifications.ts";

const [clone, fork] = [56, 57];
const threadFlag = 0x0001_0000;

function familyOf(...tasks: readonly (readonly [tid: number, process: number])[]) {
  const family = new Family("x86_64");
  for (const [tid, process] of tasks) family.add({ tid, process });
  const assembler = new TraceAssembler("x86_64", new CallCensus());
  const calls = (tid: number, number: number, flags = 0, time = 0) => {
    const registers = new Uint32Array(12);
    registers[0] = flags;
    const notification: Notification = {
      tid,
      time,
      number,
      architecture: 0,
      instructionPointer: [0, 0],
      registers,
      reads: 0,
      memory: "",
    };
    family.called(notification, assembler.call({ tid, time, number, registers }));
  };
  return { family, calls };
}

describe("a task that is seen for the first time was made", () => {
  it("by the thread of its process that starts threads, not by the one that forks", () => {
    const { family, calls } = familyOf([7, 7], [8, 7]);
    calls(7, fork);
    calls(8, clone, threadFlag);
    expect(family.parentOf({ tid: 20, process: 7, parent: 1 }, 0).tid).toBe(8);
    expect(family.parentOf({ tid: 21, process: 21, parent: 7 }, 0).tid).toBe(7);
  });

  it("by the process that is its parent, one task for each call", () => {
    const { family, calls } = familyOf([7, 7], [9, 9]);
    calls(7, fork);
    calls(9, fork);
    calls(9, fork);
    expect(family.parentOf({ tid: 20, process: 20, parent: 9 }, 0).tid).toBe(9);
    expect(family.parentOf({ tid: 21, process: 21, parent: 9 }, 0).tid).toBe(9);
    expect(family.parentOf({ tid: 22, process: 22, parent: 7 }, 0).tid).toBe(7);
  });

  it("by a process that has ended, if its parent is another now", () => {
    const { family, calls } = familyOf([7, 7]);
    calls(7, fork);
    family.delete(7);
    expect(family.parentOf({ tid: 20, process: 20, parent: 1 }, 0).tid).toBe(7);
  });

  it("by its parent, if no creating call is known that can have made it", () => {
    const { family, calls } = familyOf([7, 7], [8, 7]);
    calls(8, fork);
    expect(family.parentOf({ tid: 20, process: 20, parent: 7 }, 60e9)).toEqual({ tid: 7, line: undefined });
    expect(family.parentOf({ tid: 21, process: 7, parent: 1 }, 60e9)).toEqual({ tid: 7, line: undefined });
  });
});
