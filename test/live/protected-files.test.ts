/**
 * `files.protect`: the model (src/objects) and the kernel give the same answers about random operations on random trees, with
 * random protected files.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { seeds } from "../../src/ir/testing/seeds.ts";
import { decide } from "../../src/objects/decide.ts";
import { domainOf } from "../../src/objects/domain.ts";
import type { Operation } from "../../src/objects/operation.ts";
import { filesLayer } from "../../src/objects/testing/layers.ts";
import { FileObject, FileTree } from "../../src/objects/tree.ts";
import { programFor, reachableFolder, users } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";
import { portcullis } from "../support/run.ts";

const folder = reachableFolder("protected");
chmodSync(folder, 0o777);

/** Does an operation, undoes it, and prints the name of its error. */
const executor = `
import errno, json, os, sys
def opened(o):
    flags = os.O_WRONLY if o["write"] else os.O_RDONLY
    if o.get("create"): flags |= os.O_CREAT
    if o.get("truncate"): flags |= os.O_TRUNC
    was = os.path.lexists(o["path"])
    os.close(os.open(o["path"], flags))
    if not was: os.unlink(o["path"])
def made(o):
    if o["kind"] == "directory": os.mkdir(o["path"]); os.rmdir(o["path"])
    elif o["kind"] == "link": os.symlink("x", o["path"]); os.unlink(o["path"])
    else: os.mkfifo(o["path"]); os.unlink(o["path"])
def removed(o):
    if o["directory"]: os.rmdir(o["path"]); os.mkdir(o["path"])
    else: os.unlink(o["path"]); os.close(os.open(o["path"], os.O_WRONLY | os.O_CREAT))
def linked(o):
    os.link(o["from"], o["to"]); os.unlink(o["to"])
def renamed(o):
    was = os.path.lexists(o["to"]) and o["from"] != o["to"]
    directory = os.path.isdir(o["to"])
    os.rename(o["from"], o["to"]); os.rename(o["to"], o["from"])
    if was and directory: os.mkdir(o["to"])
    elif was: os.close(os.open(o["to"], os.O_WRONLY | os.O_CREAT))
does = {"open": opened, "make": made, "remove": removed, "link": linked, "rename": renamed, "truncate": lambda o: os.truncate(o["path"], 0)}
for line in sys.stdin:
    o = json.loads(line)
    try: does[o["does"]](o); print("done")
    except OSError as error: print(errno.errorcode[error.errno])
`;

/** A generator of numbers that a seed determines (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

interface Made {
  readonly directories: string[];
  readonly files: string[];
}

/** A tree below a root, on the disk and in the model. */
function makeTree(root: string, tree: FileTree, below: (n: number) => number): Made {
  const made: Made = { directories: [root], files: [] };
  const add = (path: string, kind: "directory" | "file"): void => {
    const entry = tree.lookupEntry(path)!;
    entry.directory.object.entries.set(entry.name, new FileObject(kind));
  };
  const parts = root.split("/").slice(1);
  for (const index of parts.keys()) add(`/${parts.slice(0, index + 1).join("/")}`, "directory");
  for (let count = 4 + below(8); count > 0; count--) {
    const parent = made.directories[below(made.directories.length)]!;
    const path = `${parent}/${"abc"[below(3)]}`;
    if ([...made.directories, ...made.files].includes(path)) continue;
    const isDirectory = below(2) === 0;
    if (isDirectory) mkdirSync(path);
    else writeFileSync(path, "");
    chmodSync(path, 0o777);
    made[isDirectory ? "directories" : "files"].push(path);
    add(path, isDirectory ? "directory" : "file");
  }
  return made;
}

function operation(made: Made, below: (n: number) => number): Operation {
  const one = <T>(of: readonly T[]): T => of[below(of.length)]!;
  const inner = made.directories.slice(1);
  const existing = [...inner, ...made.files];
  const fresh = () => `${one(made.directories)}/${one(["x", "y"])}`;
  const any = () => (existing.length === 0 || below(3) === 0 ? fresh() : one(existing));
  switch (below(6)) {
    case 0:
      return { does: "open", path: any(), read: false, write: true, create: below(2) === 0, truncate: below(3) === 0 };
    case 1:
      return { does: "make", path: any(), kind: one(["directory", "link", "fifo"] as const) };
    case 2: {
      const path = any();
      return { does: "remove", path, directory: inner.includes(path) };
    }
    case 3:
      return { does: "truncate", path: any() };
    case 4:
      return { does: "link", from: any(), to: any() };
    default:
      return { does: "rename", from: any(), to: any() };
  }
}

for (const { name, uid } of users) {
  it(`answers as the kernel does, as ${name}`, { timeout: patience.test }, () => {
    const program = uid === undefined ? [resolve("bin/portcullis")] : programFor(folder);
    const counts = new Map<string, number>();
    for (const seed of seeds(200, 12)) {
      const below = random(seed);
      const root = join(mkdtempSync(join(folder, "t-")), "w");
      chmodSync(join(root, ".."), 0o777);
      mkdirSync(root);
      chmodSync(root, 0o777);
      const tree = new FileTree();
      const made = makeTree(root, tree, below);
      const all = [...made.directories.slice(1), ...made.files];
      const some = () => all.filter(() => below(4) === 0);
      const written = [undefined, [root], ["/"], some()][below(4)];
      const protect = [...some(), ...(below(3) === 0 ? [`${root}/x`] : []), all[0] ?? root];
      const layer = filesLayer({ protect, ...(written === undefined ? {} : { write: written }) });
      const policy = join(root, "..", "policy.ts");
      const lists = written === undefined ? "" : `write: ${JSON.stringify([...written, "/dev/null"])},`;
      writeFileSync(
        policy,
        `import { allow, policy } from "portcullis";
export default policy({ files: { ${lists} protect: ${JSON.stringify(protect)} } }, () => allow);\n`,
      );
      const operations = Array.from({ length: 60 }, () => operation(made, below));
      const expected = operations.map((one) => {
        const answer = decide(domainOf([layer], tree), tree, one);
        return answer.is === "denied" ? answer.errno : "permitted";
      });
      const words = [...program, "run", "-q", "-p", policy, "--", "/usr/bin/python3", "-c", executor];
      const ran = spawnSync(words[0]!, words.slice(1), {
        cwd: "/",
        encoding: "utf8",
        input: operations.map((one) => `${JSON.stringify(one)}\n`).join(""),
        timeout: patience.command,
      });
      expect(ran.stderr).toBe("");
      const actual = ran.stdout.trim().split("\n");
      const others = new Set(["EROFS", "EBUSY", "EXDEV", "EACCES"]);
      for (const [index, one] of operations.entries()) {
        const [wanted, got] = [expected[index]!, actual[index]!];
        counts.set(`${wanted}, ${got}`, (counts.get(`${wanted}, ${got}`) ?? 0) + 1);
        // Other errors come before or after these: the entry exists, a directory is not empty, and so on.
        const agrees =
          wanted === "permitted" ? !others.has(got) : got === wanted || (got !== "done" && !others.has(got));
        const about = { seed, written, protect, made, one, wanted, got };
        expect(agrees ? "" : JSON.stringify(about, undefined, 1)).toBe("");
      }
    }
    // Each of these answers has been compared.
    for (const errno of ["EROFS", "EBUSY", "EXDEV"])
      expect([errno, counts.get(`${errno}, ${errno}`) ?? 0]).not.toEqual([errno, 0]);
    expect(counts.get("permitted, done") ?? 0).toBeGreaterThan(20);
  });
}

it("are protected by a bundle that the launcher runs alone", () => {
  const place = mkdtempSync(join(folder, "b-"));
  for (const name of ["work", "work/hooks", "own"]) mkdirSync(join(place, name));
  writeFileSync(join(place, "own/secret"), "");
  const policy = join(place, "policy.ts");
  writeFileSync(
    policy,
    `import { allow, policy } from "portcullis";
export default policy({ files: { protect: ["${place}/work/hooks"], private: ["${place}/own"] } }, () => allow);\n`,
  );
  const bundle = join(place, "policy.pcl");
  expect(portcullis(["compile", "-p", policy, "-o", bundle])).toMatchObject({ status: 0 });
  const launcher = resolve(`dist/native/${process.arch}/launcher`);
  const script = "echo x > work/hooks/x; mv work moved; ls own; echo x > work/x && echo written";
  const ran = spawnSync(launcher, ["run", bundle, "sh", "-c", script], { cwd: place, encoding: "utf8" });
  expect(ran.stdout).toBe("written\n");
  expect(ran.stderr).toMatch(/Read-only file system\n.*Device or resource busy\n$/);
});

it.each([
  ["no list", (place: string) => `protect: ["${place}/hooks"]`],
  [
    "lists",
    (place: string) =>
      `protect: ["${place}/hooks"], read: ["${place}"], write: ["${place}"], execute: ["/usr"], runtime: true`,
  ],
  [
    "a directory between",
    (place: string) =>
      `protect: ["${place}/hooks/x"], read: ["/"], write: ["${place}", "/dev"], execute: ["/usr"], runtime: true`,
  ],
])("without namespaces are protected by their names, also with --best-effort: %s", (_, files) => {
  const place = mkdtempSync(join(folder, "e-"));
  mkdirSync(join(place, "hooks"));
  const policy = join(place, "policy.ts");
  writeFileSync(
    policy,
    `import { allow, policy } from "portcullis";
export default policy({ files: { ${files(place)} } }, () => allow);\n`,
  );
  const script = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"';
  const without = ["--user", "--map-root-user", "sh", "-c", script, "sh", resolve("bin/portcullis")];
  const words = [
    ...without,
    "run",
    "-q",
    "--best-effort",
    "-p",
    policy,
    "--",
    "sh",
    "-c",
    "echo x > hooks/x; echo x > other && echo written",
  ];
  const ran = spawnSync("unshare", words, { cwd: place, encoding: "utf8" });
  expect(ran.stdout).toBe("written\n");
  expect(ran.stderr).toMatch(/^sh: .*hooks\/x: Permission denied$/m);
  expect(readdirSync(join(place, "hooks"))).toEqual([]);
});
