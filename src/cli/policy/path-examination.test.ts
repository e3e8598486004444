import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import type { AllowedPath } from "../../analysis/file-paths/allowed-paths.ts";
import type { ExaminedPath } from "../../analysis/file-paths/guarded-paths.ts";
import type { CompiledPolicy } from "../../engines/registry.ts";
import { examined, examinePaths, examineRefused, type FileTree, type Found } from "./path-examination.ts";

const user = 1000;
type Entry = Partial<Found> & {
  readonly access?: ReturnType<FileTree["access"]>;
  /** A directory where this file system is mounted. */
  readonly mount?: ReturnType<FileTree["fileSystem"]>;
  readonly isMountPoint?: true;
};

/** Directories that only root can write, except for those given. */
function tree(entries: Readonly<Record<string, Entry>>, as = user): FileTree {
  return {
    user: as,
    look(path) {
      const entry = path === "/" ? {} : entries[path];
      return entry === undefined ? undefined : { is: "directory", owner: 0, sticky: false, target: "", ...entry };
    },
    access: (path) => entries[path]?.access ?? "denied",
    isMountPoint: (path) => entries[path]?.isMountPoint ?? false,
    fileSystem(path) {
      for (let at = path; at !== "/"; at = dirname(at)) {
        const mount = entries[at]?.mount;
        if (mount !== undefined) return mount;
      }
      return "other";
    },
  };
}

const allowed = (path: string, names: AllowedPath["names"] = "one", isGuarded = false): ExaminedPath => ({
  path,
  names,
  shown: path,
  isGuarded,
});
const directories = (paths: readonly ExaminedPath[], files: FileTree, which?: "unguarded") =>
  examinePaths(paths, files, which).map(
    ({ message }) => /(?:can write|where the links) (.*?)(?: lead)?, a directory/.exec(message)?.[1] ?? message,
  );

const writable: Entry = { access: "writable" };
const link = (target: string): Entry => ({ is: "link", target });
const file: Entry = { is: "other" };

describe("directories on the way to an allowed path", () => {
  it.each<[string, ExaminedPath, Record<string, Entry>, string[]]>([
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

  const own: Entry = { owner: user };
  const ownLink = (target: string): Entry => ({ ...link(target), owner: user });
  /** Process 7 is this one, 8 another one of the user, 1 another user's. */
  const proc: Record<string, Entry> = {
    "/proc": { mount: "proc" },
    "/proc/self": link("7"),
    "/proc/thread-self": link("7/task/7"),
    "/proc/mounts": link("self/mounts"),
    "/proc/net": link("self/net"),
    "/proc/sys": {},
    "/proc/sys/kernel": {},
    "/proc/1": {},
    "/proc/1/cwd": link("/"),
    "/dev": {},
    "/dev/fd": link("/proc/self/fd"),
    "/dev/stdout": link("/proc/self/fd/1"),
  };
  for (const process of ["7", "8", "self", "7/task/7", "self/task/7"]) {
    if (process !== "self") proc[`/proc/${process}`] = own;
    for (const name of ["task", "fd", "fdinfo", "net"]) proc[`/proc/${process}/${name}`] = own;
    for (const name of ["oom_score_adj", "mounts", "net/tcp"]) proc[`/proc/${process}/${name}`] = { ...file, ...own };
    for (const name of ["cwd", "exe", "fd/1"]) proc[`/proc/${process}/${name}`] = ownLink("/a");
  }
  it.each<[string, ExaminedPath, string[]]>([
    ["a file of the caller", allowed("/proc/self/oom_score_adj"), []],
    ["a file of the calling thread", allowed("/proc/thread-self/oom_score_adj"), []],
    ["from the calling thread up", allowed("/proc/thread-self/../../oom_score_adj"), []],
    ["a file of another process", allowed("/proc/8/oom_score_adj"), []],
    ["links of procfs itself", allowed("/proc/mounts"), []],
    ["a directory of them", allowed("/proc/net/", "below"), []],
    ["settings", allowed("/proc/sys/kernel/", "below"), []],
    ["a descriptor", allowed("/proc/self/fd/1"), ["below /proc/self/fd"]],
    ["a descriptor that is closed here", allowed("/proc/self/fd/77"), ["below /proc/self/fd"]],
    ["standard output", allowed("/dev/stdout"), ["below /proc/self/fd"]],
    ["any descriptor", allowed("/dev/fd/", "below"), ["below /proc/self/fd"]],
    ["what is known of descriptors", allowed("/proc/self/fdinfo/", "below"), []],
    ["the working directory", allowed("/proc/self/cwd/b"), ["below /proc/self"]],
    ["the working directory of a thread", allowed("/proc/thread-self/cwd"), ["below /proc/self/task/7"]],
    ["that of another process", allowed("/proc/8/cwd/b"), ["below /proc/8"]],
    ["that of another user's process", allowed("/proc/1/cwd/b"), []],
    ["a name that no process has", allowed("/proc/self/none"), []],
    ["all of the caller", allowed("/proc/self", "either"), ["below /proc/self"]],
    ["all of its threads", allowed("/proc/self/task/", "below"), ["below /proc/self/task"]],
    ["all processes", allowed("/proc/", "below"), ["below /proc"]],
  ])("in procfs: %s", (_, path, expected) => {
    expect(directories([path], tree(proc))).toEqual(expected);
  });

  it("in sysfs no name can be made, in cgroup2 an owner can make some", () => {
    const entries = { "/sys": { mount: "sys" }, "/sys/a": { owner: user }, "/sys/a/b": file } as const;
    expect(directories([allowed("/sys/a/b"), allowed("/sys/a/", "below")], tree(entries))).toEqual([]);
    const groups = { ...entries, "/sys/a": { owner: user, mount: "other" } } as const;
    expect(directories([allowed("/sys/a/b")], tree(groups))).toEqual(["/sys/a"]);
  });

  it("knows the file systems of this machine", () => {
    const files = ["/proc/self/oom_score_adj", "/proc/self/fd/0", "/sys/kernel/profiling"].map((path) => allowed(path));
    const said = examinePaths(files).map(({ message }) => message);
    expect(said.filter((one) => /write \/(proc|sys)/.test(one))).toEqual([]);
    // Root can write to "/".
    if (process.geteuid?.() !== 0) expect(said).toEqual([expect.stringContaining("links below /proc/self/fd lead")]);
  });

  it("root can write all of them, sticky or not", () => {
    const entries: Record<string, Entry> = {
      "/": { access: "read-only" },
      "/t": { ...writable, sticky: true, owner: 5 },
    };
    expect(directories([allowed("/t/b")], tree({ ...entries, "/t/b": { ...file, owner: 5 } }, 0))).toEqual(["/t"]);
    expect(directories([allowed("/t/b")], tree({}, 0))).toEqual(["/"]);
  });

  it("are those that the policy does not guard, for the line of a start", () => {
    const mine = { "/h": {}, "/h/me": writable, "/h/me/p": { ...writable, owner: user } };
    const project = allowed("/h/me/p", "either", true);
    expect(directories([project], tree(mine))).toEqual(["/h/me"]);
    expect(directories([project], tree(mine), "unguarded")).toEqual([]);
    expect(directories([project], tree({ "/h": {}, "/h/me": {}, "/h/me/p": {} }, 0), "unguarded")).toEqual([]);
    expect(directories([allowed("/h/me/p")], tree(mine), "unguarded")).toEqual(["/h/me"]);
    // A guard does not know what a link of the path leads over, and creating a name replaces nothing.
    const linked = { "/h": {}, "/h/me": link("/w/me"), "/w": writable, "/w/me": {}, "/w/me/p": {} };
    expect(directories([project], tree(linked), "unguarded")).toEqual(["/w"]);
    expect(directories([project], tree({ "/h": {}, "/h/me": writable }), "unguarded")).toEqual(["/h/me"]);
  });

  it("reports each directory once, with all paths", () => {
    const [one, ...more] = examinePaths([allowed("/a/b"), allowed("/a/c")], tree({ "/a": writable }));
    expect(one!.message).toBe(
      "the command's user can write /a, a directory on the way to paths that the policy permits: /a/b, /a/c",
    );
    expect(more).toEqual([]);
  });

  it("are one line at a start, and each of them with --strict-paths", () => {
    const policy = { allowedPaths: [allowed("b"), allowed("c"), allowed("d")], refusedObjects: [] };
    const messages = (strictPaths: boolean, quiet: boolean) =>
      examined({ policy } as unknown as CompiledPolicy, { strictPaths, quiet }).map(({ message, help }) => [
        message,
        help,
      ]);
    const one = (name: string) => `${name} permits paths that lead where the command's working directory is`;
    const help = "an absolute path";
    expect(messages(false, false)).toEqual([[`${one("b")}; \`portcullis check\` shows 2 more`, undefined]]);
    expect(messages(true, true)).toEqual([
      [one("b"), help],
      [one("c"), help],
      [one("d"), help],
    ]);
    expect(messages(false, true)).toEqual([]);
  });

  it("reports that a relative path has no fixed place", () => {
    expect(examinePaths([allowed("b")], tree({})).map(({ code, message }) => `${code} ${message}`)).toEqual([
      "P0609 b permits paths that lead where the command's working directory is",
    ]);
  });
});

describe("directories on the way to a refused object", () => {
  const refused = (path: string, ...calls: readonly string[]) => ({ path, shown: `resolved.is "${path}"`, calls });
  const home = { "/h": {}, "/h/me": writable, "/h/me/.ssh": {} };

  it("are reported if its user can rename the object, or a directory above it", () => {
    const objects = [
      refused("/h/me/.ssh/id", "rename"),
      refused("/h/me/.ssh", "rename", "link"),
      refused("/etc/a", "rename"),
    ];
    expect(examineRefused(objects, tree(home)).map(({ code, message, help }) => [code, message, help])).toEqual([
      [
        "P0610",
        `the command's user can write /h/me, and so give another path to objects that the policy refuses: resolved.is "/h/me/.ssh/id", resolved.is "/h/me/.ssh"`,
        "allow the wanted directories and refuse the rest, or also refuse rename and link",
      ],
    ]);
  });

  it("are not reported above a mount point, which cannot be renamed, unless a directory above it can", () => {
    const files = tree({ "/h": {}, "/h/me": writable, "/h/me/volume": { isMountPoint: true } });
    expect(examineRefused([refused("/h/me/volume", "rename")], files)).toEqual([]);
    const above = tree({ "/h": writable, "/h/me": writable, "/h/me/volume": { isMountPoint: true } });
    expect(examineRefused([refused("/h/me/volume", "rename")], above)).toHaveLength(1);
    // A mount can put another object there.
    expect(directories([allowed("/h/me/volume")], files)).toEqual(["/h/me"]);
  });

  it("knows the mount points of this machine", () => {
    expect(examineRefused([refused("/proc", "rename"), refused("/sys/kernel", "rename")])).toEqual([]);
  });

  it("are not reported for names that only the kernel makes", () => {
    const proc = { "/proc": { mount: "proc" }, "/proc/self": link("7"), "/proc/7": { owner: user } } as const;
    expect(examineRefused([refused("/proc/self/exe", "rename")], tree(proc))).toEqual([]);
  });
});
