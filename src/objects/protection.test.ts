import { describe, expect, it } from "vitest";
import type { Operation } from "./operation.ts";
import { protectionOf } from "./protection.ts";
import { filesLayer } from "./testing/layers.ts";
import { FileObject, FileTree } from "./tree.ts";

function treeOf(paths: readonly string[]): FileTree {
  const tree = new FileTree();
  for (const path of paths) {
    const entry = tree.lookupEntry(path)!;
    entry.directory.object.entries.set(entry.name, new FileObject(path.endsWith("/") ? "directory" : "file"));
  }
  return tree;
}

const tree = treeOf([
  "/p/",
  "/p/.git/",
  "/p/.git/hooks/",
  "/p/.git/hooks/a",
  "/p/.git/config",
  "/p/.git/index",
  "/p/x",
]);
const protect = ["/p/.git/hooks", "/p/.git/config", "/p/missing"];
const written = filesLayer({ write: ["/p"], protect });

const open = (path: string, rest: Partial<Operation & { does: "open" }> = {}) =>
  ({ does: "open", path, read: true, write: false, ...rest }) as const;
const rename = (from: string, to: string) => ({ does: "rename", from, to }) as const;
const link = (from: string, to: string) => ({ does: "link", from, to }) as const;

describe("protected files", () => {
  it.each([
    [open("/p/.git/config"), undefined],
    [open("/p/.git/config", { write: true }), "EROFS"],
    [open("/p/.git/config", { truncate: true }), "EROFS"],
    [open("/p/.git/hooks/new", { write: true, create: true }), "EROFS"],
    [open("/p/.git/hooks", { unnamed: true, write: true }), "EROFS"],
    [open("/p/.git/new", { write: true, create: true }), undefined],
    [open("/p/missing", { write: true, create: true }), undefined],
    [{ does: "truncate", path: "/p/.git/hooks/a" }, "EROFS"],
    [{ does: "make", path: "/p/.git/hooks/d", kind: "directory" }, "EROFS"],
    [{ does: "make", path: "/p/.git/d", kind: "directory" }, undefined],
    [{ does: "remove", path: "/p/.git/hooks/a", directory: false }, "EROFS"],
    [{ does: "remove", path: "/p/.git/config", directory: false }, "EBUSY"],
    [{ does: "remove", path: "/p/.git/index", directory: false }, undefined],
    [rename("/p/.git", "/p/moved"), "EBUSY"],
    [rename("/p/.git/index", "/p/.git/config"), "EBUSY"],
    [rename("/p/.git/index", "/p/.git/other"), undefined],
    [rename("/p/.git/hooks/a", "/p/.git/hooks/b"), "EROFS"],
    [rename("/p/.git/hooks/a", "/p/.git/b"), "EXDEV"],
    // `.git` is a mount of its own, so that it cannot be renamed.
    [rename("/p/x", "/p/.git/x"), "EXDEV"],
    [link("/p/x", "/p/y"), undefined],
    [link("/p/x", "/p/.git/hooks/x"), "EROFS"],
    [link("/p/.git/config", "/p/.git/x"), "EXDEV"],
    [link("/p/.git/index", "/p/.git/x"), undefined],
    [{ does: "connect", protocol: "tcp", port: 80 }, undefined],
  ] satisfies [Operation, string | undefined][])("%j: %s", (operation, errno) => {
    expect(protectionOf([written], tree, operation)?.errno).toBe(errno);
  });

  it("above which nothing is written need no mounts there", () => {
    const layer = filesLayer({ write: ["/p/.git/hooks"], protect });
    expect(protectionOf([layer], tree, rename("/p/x", "/p/.git/x"))).toBeUndefined();
  });

  it("without a list of writes: no directory above can be renamed", () => {
    expect(protectionOf([filesLayer({ protect })], tree, rename("/p", "/q"))).toMatchObject({
      errno: "EBUSY",
      setting: "files.protect",
      layer: 0,
    });
  });
});
