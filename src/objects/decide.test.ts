/** Single decisions, as landlock(7) describes them. test/native/object-decisions.test.ts compares them with the kernel. */
import { describe, expect, it } from "vitest";
import type { ObjectLayer } from "../ir/objects.ts";
import { decide } from "./decide.ts";
import { domainOf } from "./domain.ts";
import type { Operation } from "./operation.ts";
import { filesLayer, layerWith } from "./testing/layers.ts";
import { treeOf } from "./testing/trees.ts";
import { FileObject, type FileTree } from "./tree.ts";

/** `ok`, or `EACCES 0 read-file files.read`, and `below /PATH` or `above /PATH` of an exception. */
function said(objects: readonly ObjectLayer[], tree: FileTree, operation: Operation, domain = domainOf(objects, tree)) {
  const answer = decide(domain, tree, operation);
  if (answer.is === "permitted") return "ok";
  const { errno, layer, right, setting, gains, exception } = answer;
  const because = exception === undefined ? "" : ` ${exception.position} ${exception.rule.path}`;
  return `${errno} ${layer} ${right} ${setting}${gains ? " gained" : ""}${because}`;
}

const read = (path: string): Operation => ({ does: "open", path, read: true, write: false });
const write = (path: string): Operation => ({ does: "open", path, read: false, write: true });

describe("an open", () => {
  const tree = treeOf("/a/f", "/a/l -> /b/f", "/b/f", "/b/d/");
  const objects = [filesLayer({ read: ["/a"], write: ["/b"], truncate: [] })];
  const open = (operation: Omit<Operation & { does: "open" }, "does">) =>
    said(objects, tree, { does: "open", ...operation });

  it("needs the rights of its access mode, where a link leads", () => {
    expect(said(objects, tree, read("/a/f"))).toBe("ok");
    expect(said(objects, tree, read("/a/l"))).toBe("EACCES 0 read-file files.read");
    expect(said(objects, tree, write("/a/f"))).toBe("EACCES 0 write-file files.write");
    expect(open({ path: "/b/d", read: true, write: false })).toBe("EACCES 0 read-dir files.read");
  });

  it("needs none as a path, and with access mode 3", () => {
    expect(open({ path: "/b/f", read: true, write: false, pathOnly: true })).toBe("ok");
    expect(open({ path: "/b/f", read: false, write: false })).toBe("ok");
  });

  it("needs truncate with O_TRUNC, of a file that exists", () => {
    expect(open({ path: "/b/f", read: false, write: true, truncate: true })).toBe("EACCES 0 truncate files.truncate");
    expect(open({ path: "/b/n", read: false, write: true, truncate: true, create: true })).toBe("ok");
  });

  it("needs make where it makes a file, and then the rights of an open", () => {
    expect(open({ path: "/a/n", read: true, write: false, create: true })).toBe("EACCES 0 make-reg files.write");
    expect(open({ path: "/b/n", read: true, write: false, create: true })).toBe("EACCES 0 read-file files.read");
    expect(open({ path: "/a", read: true, write: true, unnamed: true })).toBe("EACCES 0 write-file files.write");
  });

  it("is not the declarations' matter if the kernel fails before", () => {
    const writing = { read: false, write: true };
    expect(open({ path: "/a/n", ...writing })).toBe("ok");
    expect(open({ path: "/a/f", ...writing, create: true, exclusive: true })).toBe("ok");
    expect(open({ path: "/a/l", ...writing, noFollow: true })).toBe("ok");
    expect(open({ path: "/a", ...writing })).toBe("ok");
    expect(open({ path: "/a/f", ...writing, directory: true })).toBe("ok");
    expect(open({ path: "/a/f", ...writing, unnamed: true })).toBe("ok");
  });
});

it("execution needs read and execute, of the interpreter, too", () => {
  const tree = treeOf("/a/");
  const { entries } = tree.find("/a")!.object;
  entries.set("script", new FileObject("file", { interpreter: "/a/shell" }));
  entries.set("shell", new FileObject("file", { interpreter: "/a/linker" }));
  entries.set("linker", new FileObject("file"));
  const execute = (path: string, objects: readonly ObjectLayer[]) => said(objects, tree, { does: "execute", path });
  expect(execute("/a/script", [filesLayer({ execute: ["/a"] })])).toBe("ok");
  expect(execute("/a/script", [filesLayer({ execute: ["/a"], read: [] })])).toBe("EACCES 0 read-file files.read");
  expect(execute("/a/script", [filesLayer({ execute: ["/a/script"] })])).toBe("EACCES 0 execute files.execute");
  expect(execute("/a/script", [filesLayer({ execute: ["/a/script", "/a/shell"] })])).toContain("EACCES");
  expect(execute("/a/n", [filesLayer({ execute: [] })])).toBe("ok");
});

it("entries are made and removed with the rights of their directory", () => {
  const tree = treeOf("/a/f", "/b/f");
  const objects = [filesLayer({ make: ["/b"], remove: ["/a"] })];
  const make = (path: string, kind: FileObject["kind"]) => said(objects, tree, { does: "make", path, kind });
  expect(make("/b/n", "socket")).toBe("ok");
  expect(make("/a/n", "socket")).toBe("EACCES 0 make-sock files.make");
  expect(make("/a/n", "whiteout")).toBe("EACCES 0 make-reg files.make");
  expect(make("/a/f", "fifo")).toBe("ok");
  expect(said(objects, tree, { does: "remove", path: "/a/f", directory: false })).toBe("ok");
  expect(said(objects, tree, { does: "remove", path: "/b/f", directory: true })).toBe(
    "EACCES 0 remove-dir files.remove",
  );
  expect(said(objects, tree, { does: "remove", path: "/b/n", directory: false })).toBe("ok");
});

it("an open file keeps the rights of its open", () => {
  const tree = treeOf("/f", "/dev/null");
  tree.find("/dev")!.object.entries.set("null", new FileObject("character"));
  const objects = [filesLayer({ write: ["/"], truncate: [], ioctl: [] })];
  const open = { does: "open", path: "/f", read: true, write: true } as const;
  const device = { ...open, path: "/dev/null" };
  expect(said(objects, tree, { does: "truncate opened", open })).toBe("EACCES 0 truncate files.truncate");
  expect(said(objects, tree, { does: "truncate", path: "/f" })).toBe("EACCES 0 truncate files.truncate");
  expect(said(objects, tree, { does: "truncate opened", open: { ...open, write: false } })).toBe("ok");
  expect(said(objects, tree, { does: "ioctl", open: device, request: 0x5401 })).toBe("EACCES 0 ioctl-dev files.ioctl");
  expect(said(objects, tree, { does: "ioctl", open: device, request: 0x5451 })).toBe("ok");
  expect(said(objects, tree, { does: "ioctl", open, request: 0x5401 })).toBe("ok");
});

describe("a move", () => {
  const tree = treeOf("/a/f", "/a/d/", "/b/f", "/b/e/", "/a/l -> f");
  const rename = (objects: readonly ObjectLayer[], from: string, to: string, flag?: "exchange" | "noreplace") =>
    said(objects, tree, { does: "rename", from, to, ...(flag === undefined ? {} : { flag }) });

  it("may not give a file more rights", () => {
    const objects = [filesLayer({ read: ["/b"] })];
    expect(rename(objects, "/a/f", "/b/n")).toBe("EXDEV 0 read-file files.read gained");
    expect(rename(objects, "/b/f", "/a/n")).toBe("ok");
    expect(rename(objects, "/b/f", "/a/f", "exchange")).toBe("EXDEV 0 read-file files.read gained");
    expect(rename(objects, "/a/f", "/a/n")).toBe("ok");
    expect(said(objects, tree, { does: "link", from: "/a/f", to: "/b/n" })).toBe("EXDEV 0 read-file files.read gained");
    expect(said(objects, tree, { does: "link", from: "/a/l", to: "/b/n", follow: true })).toContain("EXDEV");
  });

  it("of a directory may not give more rights to make entries either", () => {
    const objects = [filesLayer({ make: ["/b"] }), filesLayer({ write: ["/"] })];
    expect(rename(objects, "/a/d", "/b/n")).toBe("EXDEV 0 make-char files.make gained");
    expect(rename(objects, "/a/f", "/b/n")).toBe("ok");
  });

  it("needs remove, make and refer; a missing right to make or remove comes first", () => {
    expect(rename([filesLayer({ refer: [] })], "/a/f", "/b/n")).toBe("EXDEV 0 refer files.refer");
    expect(rename([filesLayer({ refer: [] })], "/a/f", "/a/n")).toBe("ok");
    expect(rename([filesLayer({ refer: [], make: [] })], "/a/f", "/b/n")).toBe("EACCES 0 make-reg files.make");
    expect(rename([filesLayer({ remove: ["/a"] })], "/a/f", "/b/f")).toBe("EACCES 0 remove-file files.remove");
    expect(rename([filesLayer({ remove: [] }), filesLayer({ read: [] })], "/a/f", "/a/n")).toBe(
      "EACCES 0 remove-file files.remove",
    );
  });

  it("is not the declarations' matter if the kernel fails before", () => {
    const objects = [filesLayer({ write: [] })];
    expect(rename(objects, "/a/n", "/b/n")).toBe("ok");
    expect(rename(objects, "/a/f", "/b/f", "noreplace")).toBe("ok");
    expect(rename(objects, "/a/f", "/b/n", "exchange")).toBe("ok");
    expect(rename(objects, "/a", "/a/d/n")).toBe("ok");
    expect(rename(objects, "/a/f", "/a")).toBe("ok");
    expect(said(objects, tree, { does: "link", from: "/a/f", to: "/b/f" })).toBe("ok");
  });

  it("with a layer of ports alone needs no refer of it", () => {
    const ports = layerWith({ tcp: { bind: [], connect: undefined } });
    expect(rename([ports, filesLayer({ execute: [] })], "/a/f", "/b/n")).toBe("ok");
  });

  it("compares rights without the rule of the root directory in another mount", () => {
    const mounted = treeOf("/m/");
    const root = treeOf("/a/f", "/b/");
    mounted.mount(root.root.object, "/m");
    const objects = [filesLayer({ read: ["/", "/m/b"], execute: [] })];
    expect(said(objects, mounted, { does: "rename", from: "/m/a/f", to: "/m/b/f" })).toContain("EXDEV 0 read-file");
    expect(said(objects, root, { does: "rename", from: "/a/f", to: "/b/f" })).toBe("ok");
  });
});

describe("an exception", () => {
  it("leaves the other entries of the directories above it", () => {
    const tree = treeOf("/h/s/key", "/h/d/f", "/h/f", "/h/l -> d");
    const objects = [filesLayer({ read: ["/"], except: ["/h/s"] })];
    expect(said(objects, tree, read("/h/d/f"))).toBe("ok");
    expect(said(objects, tree, read("/h/l/f"))).toBe("ok");
    expect(said(objects, tree, read("/h/s/key"))).toBe("EACCES 0 read-file files.read below /h/s");
    expect(said(objects, tree, read("/h"))).toBe("EACCES 0 read-dir files.read above /h/s");
  });

  it("does not permit entries that are made after the start", () => {
    const tree = treeOf("/h/s/key", "/h/d/");
    const objects = [filesLayer({ write: ["/h"], except: ["/h/s"] })];
    const domain = domainOf(objects, tree);
    for (const path of ["/h/n", "/h/d/n"])
      tree.lookupEntry(path)!.directory.object.entries.set("n", new FileObject("file"));
    expect(said(objects, tree, write("/h/n"), domain)).toBe("EACCES 0 write-file files.write above /h/s");
    expect(said(objects, tree, write("/h/d/n"), domain)).toBe("ok");
  });

  it("may be missing, and then it cannot be made", () => {
    const tree = treeOf("/h/d/", "/h/f");
    const objects = [filesLayer({ write: ["/h"], except: ["/h/s/key"] })];
    const make = (path: string) => said(objects, tree, { does: "make", path, kind: "directory" });
    expect(make("/h/s")).toBe("EACCES 0 make-dir files.write above /h/s/key");
    expect(make("/h/d/n")).toBe("ok");
  });

  it("loses against a list that names the path or one below", () => {
    const tree = treeOf("/h/s/a/key", "/h/s/b");
    const objects = [filesLayer({ read: ["/h", "/h/s/a"], except: ["/h/s"] })];
    expect(said(objects, tree, read("/h/s/a/key"))).toBe("ok");
    expect(said(objects, tree, read("/h/s/b"))).toBe("EACCES 0 read-file files.read below /h/s");
    expect(said([filesLayer({ read: ["/h/s"], except: ["/h/s"] })], tree, read("/h/s/b"))).toBe("ok");
  });

  it("is the object, not its name; but below another entry it has that entry's rule", () => {
    const tree = treeOf("/h/s", "/h/same = /h/s", "/h/d/same = /h/s");
    const objects = [filesLayer({ read: ["/h"], except: ["/h/s"] })];
    expect(said(objects, tree, read("/h/same"))).toBe("EACCES 0 read-file files.read below /h/s");
    expect(said(objects, tree, read("/h/d/same"))).toBe("ok");
  });

  it("has names with `names`, and no contents", () => {
    const tree = treeOf("/h/s/key", "/h/d/");
    const objects = [filesLayer({ read: ["/h"], except: ["/h/s"], names: true })];
    expect(said(objects, tree, read("/h"))).toBe("ok");
    expect(said(objects, tree, read("/h/s"))).toBe("ok");
    expect(said(objects, tree, read("/h/s/key"))).toBe("EACCES 0 read-file files.read below /h/s");
  });

  it("does not limit moves that no list restricts", () => {
    const tree = treeOf("/h/s/", "/h/f", "/h/d/");
    const objects = [filesLayer({ execute: ["/h"], except: ["/h/s"] })];
    expect(said(objects, tree, { does: "rename", from: "/h/d", to: "/h/s/d" })).toBe("ok");
    expect(said(objects, tree, { does: "rename", from: "/h/f", to: "/h/d/f" })).toBe("ok");
    expect(said(objects, tree, { does: "rename", from: "/h/s", to: "/h/d/s" })).toContain("EXDEV 0 execute");
  });
});

it("the first layer that denies answers", () => {
  const tree = treeOf("/a/f");
  const [open, closed] = [filesLayer({ read: ["/a"] }), filesLayer({ read: [] })];
  expect(said([open, closed], tree, read("/a/f"))).toBe("EACCES 1 read-file files.read");
  expect(said([layerWith({ scopes: ["signal"] }), open], tree, read("/a/f"))).toBe("ok");
});

it("ports are permitted by number", () => {
  const tree = treeOf();
  const objects = [layerWith({ tcp: { bind: [0], connect: [443] }, udp: { bind: [], connect: undefined } })];
  const port = (does: "bind" | "connect", protocol: "tcp" | "udp", number: number | undefined) =>
    said(objects, tree, { does, protocol, port: number });
  expect(port("connect", "tcp", 443)).toBe("ok");
  expect(port("connect", "tcp", 80)).toBe("EACCES 0 connect-tcp tcp.connect");
  expect(port("connect", "tcp", undefined)).toBe("ok");
  expect(port("bind", "tcp", 0)).toBe("ok");
  expect(port("bind", "tcp", 443)).toBe("EACCES 0 bind-tcp tcp.bind");
  expect(port("bind", "udp", 53)).toBe("EACCES 0 bind-udp udp.bind");
});

it("a socket of UDP without a port is bound to one that the kernel chooses", () => {
  const tree = treeOf();
  const connect = (bind: readonly number[] | undefined, bound: boolean, port: number | undefined = 53) =>
    said([layerWith({ udp: { bind, connect: [53] } })], tree, { does: "connect", protocol: "udp", port, bound });
  expect(connect([], true)).toBe("ok");
  expect(connect([], false)).toBe("EACCES 0 bind-udp udp.bind");
  expect(connect([0], false)).toBe("ok");
  expect(connect(undefined, false)).toBe("ok");
  expect(connect([0], false, 80)).toBe("EACCES 0 connect-send-udp udp.connect");
});

it("scopes end at the tree", () => {
  const objects = [layerWith({}), layerWith({ scopes: ["signal"] })];
  const tree = treeOf();
  expect(said(objects, tree, { does: "signal", outside: true })).toBe("EPERM 1 signal scope");
  expect(said(objects, tree, { does: "signal", outside: false })).toBe("ok");
  expect(said(objects, tree, { does: "connect abstract", outside: true })).toBe("ok");
});

it("sockets in the file system are permitted by path", () => {
  const tree = treeOf("/run/a/", "/run/f");
  for (const path of ["/run/s", "/run/a/s"]) {
    const { directory, name } = tree.lookupEntry(path)!;
    directory.object.entries.set(name, new FileObject("socket"));
  }
  const rules = { connect: [{ path: "/run/a", optional: false, at: undefined }] };
  const connect = (path: string, outside = true) =>
    said([layerWith({ unix: rules })], tree, { does: "connect unix", path, outside });
  expect(connect("/run/a/s")).toBe("ok");
  expect(connect("/run/s")).toBe("EACCES 0 resolve-unix unix.connect");
  expect(connect("/run/s", false)).toBe("ok");
  expect(connect("/run/f")).toBe("ok");
});
