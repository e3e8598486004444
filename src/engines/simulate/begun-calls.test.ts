/** Calls that have begun and not ended, in a simulated tree. */
import { describe, expect, it } from "vitest";
import { callByName } from "../../abi/calls.ts";
import { loadPolicy } from "../../frontend/load.ts";
import { InterpreterEvaluator } from "./interpreter-evaluator.ts";
import type { SimulatedTask } from "./model.ts";
import { SimulatedTree } from "./tree.ts";

function treeOf(scope: string, late = 'deny("EDEADLK", "late")'): SimulatedTree {
  const text = `
import { allow, deny, kill, ${scope}, policy } from "portcullis";
const r = ${scope}.rooms({ sides: ["a", "b"], exclusive: ["b"], timeout: "10ms", late: ${late} });
export default policy((call) => {
  if (call.name === "mkdir") r.enter("a");
  if (call.name === "rmdir") r.enter("b");
  return call.name === "unlink" ? deny("EPERM") : allow;
});`;
  const { program } = loadPolicy("/rooms.ts", { architecture: "x86_64", readFile: () => text });
  return new SimulatedTree(new InterpreterEvaluator(program!));
}

const number = (name: string) => callByName(name)!.number.x86_64!;
const begin = (task: SimulatedTask, name: string) => task.begin({ number: number(name) });

describe("calls that have begun", () => {
  it("hold their side until they end", () => {
    const tree = treeOf("perTree");
    const { command } = tree;
    const other = command.fork();
    expect(begin(command, "mkdir")).toMatchObject({ verdict: "allow", waits: undefined });
    expect(command.begun).toEqual({ is: "runs" });
    const { waits } = begin(other, "rmdir");
    expect(waits).toEqual({ room: "r", behind: [command] });
    expect(other.begun).toEqual({ is: "waits", wait: waits });
    command.end();
    expect(other.begun).toEqual({ is: "runs" });
    expect(command.begun).toBeUndefined();
  });

  it("are late after the timeout, and others take their turn", () => {
    const tree = treeOf("perTree");
    const [first, second, third] = [tree.command, tree.command.fork(), tree.command.fork()];
    begin(first, "mkdir");
    begin(second, "rmdir");
    tree.advance(1_000_000n);
    begin(third, "mkdir");
    tree.advance(9_000_000n);
    expect(second.begun).toMatchObject({ is: "late", ruling: { verdict: "deny EDEADLK", reason: "late" } });
    expect(third.begun).toEqual({ is: "runs" });
    begin(second, "mkdir");
    expect(second.begun).toEqual({ is: "runs" });
  });

  it("leave at a signal and at their task's end", () => {
    const tree = treeOf("perTree");
    const [first, second, third] = [tree.command, tree.command.fork(), tree.command.thread()];
    begin(second, "mkdir");
    begin(first, "rmdir");
    begin(third, "mkdir");
    first.interrupt();
    expect(third.begun).toEqual({ is: "runs" });
    begin(first, "rmdir");
    second.exit();
    third.exit();
    expect(first.begun).toEqual({ is: "runs" });
  });

  it("exclude another call of the task meanwhile, and end once", () => {
    const { command } = treeOf("perTree");
    begin(command, "mkdir");
    expect(() => command.call({ number: number("getpid") })).toThrow("has begun a call");
    expect(() => command.interrupt()).toThrow("waits");
    command.end();
    expect(() => command.end()).toThrow("runs");
    begin(command, "unlink");
    expect(command.begun).toBeUndefined();
  });

  it("take a free room or give up, if they end at once", () => {
    const tree = treeOf("perTree");
    const other = tree.command.fork();
    begin(tree.command, "mkdir");
    expect(other.call({ number: number("rmdir") }).waits).toBeDefined();
    expect(other.call({ number: number("mkdir") }).waits).toBeUndefined();
    tree.command.end();
    expect(other.call({ number: number("rmdir") }).waits).toBeUndefined();
  });
});

describe("the scope of a room", () => {
  it("is a process with its threads", () => {
    const { command } = treeOf("perProcess");
    const [thread, child] = [command.thread(), command.fork()];
    begin(command, "mkdir");
    expect(begin(thread, "rmdir").waits).toBeDefined();
    expect(begin(child, "rmdir").waits).toBeUndefined();
  });

  it("is an address space, which vfork's child shares until it executes", () => {
    const { command } = treeOf("perMemory");
    const [child, copy, later] = [command.fork("vfork"), command.fork(), command.fork("vfork")];
    later.execute();
    begin(command, "mkdir");
    expect(begin(child, "rmdir").waits).toBeDefined();
    expect(begin(copy, "rmdir").waits).toBeUndefined();
    expect(begin(later, "rmdir").waits).toBeUndefined();
  });
});
