import { describe, expect, it } from "vitest";
import { treeOf } from "./testing/trees.ts";
import { FileObject } from "./tree.ts";

describe("a lookup", () => {
  const tree = treeOf("/a/b/", "/a/f", "/a/l -> b/../f", "/a/up -> /a/b", "/a/loop -> loop", "/a/h = /a/f");
  const objectAt = (path: string) => tree.find(path)?.object;

  it("follows links, and at the end if asked", () => {
    expect(objectAt("/a/l")).toBe(objectAt("/a/f"));
    expect(objectAt("/a/up/../h")).toBe(objectAt("/a/f"));
    expect(tree.find("/a/l", false)?.object.kind).toBe("link");
  });

  it("says what is missing", () => {
    expect(tree.lookup("/a/up/n")).toMatchObject({ is: "absent", name: "n", directory: { object: objectAt("/a/b") } });
    expect(tree.lookup("/n/n")).toEqual({ is: "fault", errno: "ENOENT" });
    expect(tree.lookup("/a/f/n")).toEqual({ is: "fault", errno: "ENOTDIR" });
    expect(tree.lookup("/a/loop")).toEqual({ is: "fault", errno: "ELOOP" });
  });

  it("of an entry stops at it", () => {
    expect(tree.lookupEntry("/a/l")?.object?.kind).toBe("link");
    expect(tree.lookupEntry("/a/n")).toMatchObject({ name: "n", object: undefined });
    expect(tree.lookupEntry("/n/n")).toBeUndefined();
    expect(tree.lookupEntry("/a/f/n")).toBeUndefined();
    expect(tree.lookupEntry("/")).toBeUndefined();
  });
});

it("a mount hides a directory, and its parent is where it is mounted", () => {
  const tree = treeOf("/a/b/hidden", "/c/shown");
  const hidden = tree.find("/a/b")!.object;
  tree.mount(tree.find("/c")!.object, "/a/b");
  expect(tree.find("/a/b/hidden")).toBeUndefined();
  expect(tree.find("/a/b/shown")?.object).toBe(tree.find("/c/shown")?.object);
  expect(tree.find("/a/b/..")?.object).toBe(tree.find("/a")?.object);
  expect(tree.lookupEntry("/a/b")?.object).toBe(hidden);
  expect(tree.entries(tree.find("/a")!).map(({ object }) => object)).toEqual([tree.find("/c")!.object]);
  tree.find("/c")!.object.entries.set("later", new FileObject("file"));
  expect(tree.find("/a/b/later")).toBeDefined();
});
