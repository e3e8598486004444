import { describe, expect, it } from "vitest";
import type { AllowedPath } from "../../analysis/allowed-paths.ts";
import { examinePaths, type FileTree, type Found } from "./path-examination.ts";

const user = 1000;
type Entry = Partial<Found> & { readonly access?: ReturnType<FileTree["access"]> };

/** Directories that only root can write, except for those given. */
function tree(entries: Readonly<Record<string, Entry>>, as = user): FileTree {
  return {
    user: as,
    look(path) {
      const entry = path === "/" ? {} : entries[path];
      return entry === undefined ? undefined : { is: "directory", owner: 0, sticky: false, target: "", ...entry };
    },
    access: (path) => entries[path]?.access ?? "denied",
  };
}

const allowed = (path: string, names: AllowedPath["names"] = "one"): AllowedPath => ({ path, names, shown: path });
const directories = (paths: readonly AllowedPath[], files: FileTree) =>
  examinePaths(paths, files).map(({ message }) => /can write (.*), a directory/.exec(message)?.[1] ?? message);

const writable: Entry = { access: "writable" };
const link = (target: string): Entry => ({ is: "link", target });
const file: Entry = { is: "other" };

describe("directories on the way to an allowed path", () => {
  it.each<[string, AllowedPath, Record<string, Entry>, string[]]>([
    ["another user's", allowed("/a/b"), { "/a": {}, "/a/b": file }, []],
    ["one that can be written", allowed("/a/b/c"), { "/a": {}, "/a/b": writable, "/a/b/c": file }, ["/a/b"]],
    ["the first of them", allowed("/a/b/c"), { "/a": writable, "/a/b": writable }, ["/a"]],
    ["one's own, read-only", allowed("/a/b"), { "/a": { owner: user }, "/a/b": file }, ["/a"]],
    ["one's own on a read-only file system", allowed("/a/b"), { "/a": { owner: user, access: "read-only" } }, []],
    ["a name that is not there", allowed("/a/b/c"), { "/a": writable }, ["/a"]],
    ["a name that cannot be made", allowed("/a/b/c"), { "/a": {} }, []],
    ["sticky, another's entry", allowed("/t/b"), { "/t": { ...writable, sticky: true }, "/t/b": file }, []],
    [
      "sticky, one's own entry",
      allowed("/t/b"),
      { "/t": { ...writable, sticky: true }, "/t/b": { ...file, owner: user } },
      ["/t"],
    ],
    ["sticky, no entry", allowed("/t/b"), { "/t": { ...writable, sticky: true } }, ["/t"]],
    [
      "one's own sticky directory",
      allowed("/t/b"),
      { "/t": { ...writable, sticky: true, owner: user }, "/t/b": file },
      ["/t"],
    ],
    ["the file itself does not matter", allowed("/a/b"), { "/a": {}, "/a/b": { ...file, access: "writable" } }, []],
    ["a directory of names", allowed("/a/", "below"), { "/a": writable }, ["/a"]],
    ["sticky, new names", allowed("/t", "either"), { "/t": { ...writable, sticky: true } }, ["/t"]],
    [
      "a file and what would be below",
      allowed("/a/b", "either"),
      { "/a": {}, "/a/b": { ...file, access: "writable" } },
      [],
    ],
    ["a link", allowed("/l/b"), { "/l": link("/x/y"), "/x": writable, "/x/y": {} }, ["/x"]],
    ["a relative link", allowed("/a/l/b"), { "/a": {}, "/a/l": link("../x/y"), "/x": {}, "/x/y": writable }, ["/x/y"]],
    ["a link at the end", allowed("/a/l"), { "/a": {}, "/a/l": link("/x/f"), "/x": writable, "/x/f": file }, ["/x"]],
    ["a loop", allowed("/l/b"), { "/l": link("/l") }, []],
    ["dots", allowed("/a/../b/c"), { "/a": {}, "/b": writable, "/b/c": file }, ["/b"]],
  ])("%s", (_, path, entries, expected) => {
    expect(directories([path], tree(entries))).toEqual(expected);
  });

  it("root can write all of them, sticky or not", () => {
    const entries: Record<string, Entry> = {
      "/": { access: "read-only" },
      "/t": { ...writable, sticky: true, owner: 5 },
    };
    expect(directories([allowed("/t/b")], tree({ ...entries, "/t/b": { ...file, owner: 5 } }, 0))).toEqual(["/t"]);
    expect(directories([allowed("/t/b")], tree({}, 0))).toEqual(["/"]);
  });

  it("reports each directory once, with all paths", () => {
    const [one, ...more] = examinePaths([allowed("/a/b"), allowed("/a/c")], tree({ "/a": writable }));
    expect(one!.message).toBe(
      "the command's user can write /a, a directory on the way to paths that the policy permits: /a/b, /a/c",
    );
    expect(more).toEqual([]);
  });

  it("reports that a relative path has no fixed place", () => {
    expect(examinePaths([allowed("b")], tree({})).map(({ code, message }) => `${code} ${message}`)).toEqual([
      "P0609 b permits paths that lead where the command's working directory is",
    ]);
  });
});
