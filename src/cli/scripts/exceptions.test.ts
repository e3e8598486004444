import { describe, expect, it } from "vitest";
import { Failure } from "../verb.ts";
import { exceptionOf } from "./exceptions.ts";

describe("exceptionOf", () => {
  const text = '{ "*": "deny", "a": { "execute": ["bin"], "hosts": [], "seconds": 5 }, "b": "skip" }';

  it("finds the entry of a package, or else the one of all", () => {
    expect(exceptionOf("a", text, "f.json")).toEqual({ execute: ["bin"], hosts: [], seconds: 5 });
    expect(exceptionOf("b", text, "f.json")).toBe("skip");
    expect(exceptionOf("a/node_modules/b", text, "f.json")).toBe("deny");
    expect(exceptionOf("a", "{}", "f.json")).toEqual({});
  });

  it.for([
    ["", "1:1"],
    ["[]", "1:1"],
    ['{ "a": 1 }', "1:8"],
    ['{ "a": "run" }', "1:8"],
    ['{\n "b": { "exec": [] } }', "2:9"],
    ['{ "a": { "execute": "bin" } }', "1:21"],
    ['{ "a": { "execute": [""] } }', "1:22"],
    ['{ "a": { "write": ["x,y"] } }', "1:20"],
    ['{ "a": { "hosts": ["*"] } }', "1:20"],
    ['{ "a": { "environment": ["A=B"] } }', "1:26"],
    ['{ "a": { "seconds": 0 } }', "1:21"],
    ['{ "a": { "processes": 1.5 } }', "1:23"],
    ['{ "a": {}, "a": {} }', "1:12"],
  ] as const)("refuses %s, also for another package, with its place", ([bad, place]) => {
    try {
      exceptionOf("c", bad, "f.json");
      expect.unreachable();
    } catch (error) {
      const [first] = (error as Failure).diagnostics;
      expect(error).toBeInstanceOf(Failure);
      expect(first).toMatchObject({ code: "P0919" });
      expect(`${first?.span?.line}:${first?.span?.column}`).toBe(place);
    }
  });
});
