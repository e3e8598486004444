import { describe, expect, it } from "vitest";
import type { FileRules } from "../../ir/objects.ts";
import { layerWith, pathRule } from "../../objects/testing/layers.ts";
import { mountRulesOf } from "./mounts.ts";

const rules = (files: Partial<FileRules>) =>
  mountRulesOf([
    layerWith({ files: { lists: {}, except: [], protect: [], private: [], names: false, streams: false, ...files } }),
  ]).map((rule) =>
    "isDirectory" in rule
      ? `${rule.is} ${rule.path}${rule.isDirectory ? "/" : ""}`
      : "isReadOnly" in rule
        ? `${rule.is} ${rule.path}${rule.isReadOnly ? " read-only" : ""}`
        : `${rule.is} ${"path" in rule ? rule.path : rule.most}`,
  );
const paths = (...list: string[]) => list.map(pathRule);
const protect = (...list: string[]) => list.map((path) => ({ ...pathRule(path), isDirectory: false }));

describe("the mounts of a policy", () => {
  it("are none without `protect` and `private`", () => {
    expect(rules({ lists: { write: paths("/p") } })).toEqual([]);
  });

  it("protect the directories between a list and the file, the upper ones first", () => {
    expect(rules({ lists: { write: paths("/p") }, protect: protect("/p/a/b/c", "/p/a/d") })).toEqual([
      "above-protected /p/a",
      "above-protected /p/a/b",
      "protect /p/a/b/c",
      "protect /p/a/d",
    ]);
    expect(rules({ lists: { write: paths("/"), remove: paths("/p/a") }, protect: protect("/p/a/b/c") })).toEqual([
      "above-protected /p/a/b",
      "protect /p/a/b/c",
    ]);
    expect(rules({ lists: { write: paths("/") }, protect: protect("/p/a") })).toEqual([
      "above-protected /p",
      "protect /p/a",
    ]);
  });

  it("protect all directories above if the policy restricts no removals", () => {
    expect(rules({ protect: protect("/p/a") })).toEqual(["above-protected /p", "protect /p/a"]);
  });

  it("show listed paths in private directories, read-only if they are not written", () => {
    expect(
      rules({
        lists: {
          read: paths("/home/me", "/home/me/tools", "/home/me/tools/x", "/usr"),
          write: paths("/home/me", "/home/me/p", "/home/me/tools/cache"),
        },
        private: paths("/home/me"),
      }),
    ).toEqual(["private /home/me", "shown /home/me/p", "shown /home/me/tools read-only", "shown /home/me/tools/cache"]);
  });

  it("have a private directory in another one", () => {
    expect(rules({ lists: { write: paths("/tmp", "/tmp/h", "/tmp/h/p") }, private: paths("/tmp/h", "/tmp") })).toEqual([
      "private /tmp",
      "private /tmp/h",
      "shown /tmp/h/p",
    ]);
  });
});
