/**
 * Trials of the model of Landlock's decisions (src/objects) on the kernel: trees of files, declarations and operations, their
 * text for driver.c, and the comparison of the answers.
 */
import { spawnSync } from "node:child_process";
import { errnoName } from "../../../src/abi/errno.ts";
import { type PortRight, portRights, scopeRights } from "../../../src/abi/landlock.ts";
import { encodeRulesets } from "../../../src/backend/landlock/encode.ts";
import { rulesetsOf } from "../../../src/backend/landlock/rulesets.ts";
import type { ObjectLayer } from "../../../src/ir/objects.ts";
import type { Answer } from "../../../src/objects/answer.ts";
import { decide } from "../../../src/objects/decide.ts";
import { type Domain, domainOf } from "../../../src/objects/domain.ts";
import type { OpenOperation, Operation } from "../../../src/objects/operation.ts";
import { type FileKind, FileObject, FileTree, type Place } from "../../../src/objects/tree.ts";
import { patience } from "../../support/patience.ts";

/** A step of making a tree; the letters are driver.c's. */
export interface Step {
  readonly step: Letter;
  readonly path: string;
  /** A file's content, a link's target, and the path that a hard link, a bind mount or a move is of. */
  readonly other: string;
}
const kindOfLetter = {
  d: "directory",
  f: "file",
  l: "link",
  p: "fifo",
  s: "socket",
  c: "character",
  b: "block",
  w: "whiteout",
} as const satisfies Record<string, FileKind>;
type Letter = keyof typeof kindOfLetter | "h" | "m" | "v";

export interface Trial {
  readonly folder: string;
  /** Root makes the tree. */
  readonly privileged: boolean;
  readonly before: readonly Step[];
  /** After the rules are made. */
  readonly after: readonly Step[];
  readonly objects: readonly ObjectLayer[];
  readonly operations: readonly Operation[];
}

export class Impossible extends Error {}

/** An empty folder, on which a file system is mounted if the driver is privileged, and /dev/null. */
export function emptyTree({ folder, privileged }: Pick<Trial, "folder" | "privileged">): FileTree {
  const tree = new FileTree();
  for (const path of [folder, "/dev"]) {
    let at = tree.root.object;
    for (const name of path.split("/").slice(1)) {
      if (!at.entries.has(name)) at.entries.set(name, new FileObject("directory"));
      at = at.entries.get(name)!;
    }
  }
  const devices = new FileObject("directory");
  devices.entries.set("null", new FileObject("character"));
  tree.mount(devices, "/dev");
  if (privileged) tree.mount(new FileObject("directory"), folder);
  return tree;
}

/** Does a step that the kernel does, too. */
export function apply(tree: FileTree, { step, path, other }: Step): void {
  const entry = tree.lookupEntry(path);
  if (entry === undefined) throw new Impossible(path);
  const { directory, name, object } = entry;
  if (step === "m") {
    const source = tree.find(other);
    const covered = object === undefined || directory.mount.covered.has(object);
    if (object?.kind !== "directory" || covered || source?.object.kind !== "directory") throw new Impossible(path);
    tree.mount(source.object, path);
    return;
  }
  if (object !== undefined) throw new Impossible(path);
  const { entries } = directory.object;
  if (step === "h") {
    const source = tree.find(other, false);
    if (source === undefined || source.object.kind === "directory" || source.mount !== directory.mount)
      throw new Impossible(other);
    entries.set(name, source.object);
  } else if (step === "v") {
    const source = tree.lookupEntry(other);
    if (source?.object === undefined || source.directory.mount !== directory.mount) throw new Impossible(other);
    for (let at: Place | undefined = directory; at !== undefined; at = at.parent)
      if (at.object === source.object) throw new Impossible(other);
    // A directory cannot be moved if any mount is on it, even on another place of it.
    if (tree.mounts.some(({ covered }) => covered.has(source.object!))) throw new Impossible(other);
    source.directory.object.entries.delete(source.name);
    entries.set(name, source.object);
  } else {
    const [, interpreter] = /^(?:script|elf)=(.*)/.exec(step === "f" ? other : "") ?? [];
    entries.set(name, new FileObject(kindOfLetter[step], { target: step === "l" ? other : "", interpreter }));
  }
}

/** Paths of the tree's places, mounts in mounts to some depth. */
export function pathsOf(tree: FileTree, folder: string, depth = 6): [path: string, place: Place][] {
  const found: [string, Place][] = [];
  const visit = (path: string, place: Place, left: number): void => {
    found.push([path, place]);
    if (left === 0 || place.object.kind !== "directory") return;
    for (const name of place.object.entries.keys()) visit(`${path}/${name}`, tree.entry(place, name)!, left - 1);
  };
  visit(folder, tree.find(folder)!, depth);
  return found;
}

const letters = (open: OpenOperation): string =>
  [
    open.read ? "r" : "",
    open.write ? "w" : "",
    open.read || open.write ? "" : "x",
    open.truncate ? "t" : "",
    open.create ? "c" : "",
    open.exclusive ? "e" : "",
    open.directory ? "d" : "",
    open.noFollow ? "n" : "",
    open.pathOnly ? "p" : "",
    open.unnamed ? "u" : "",
  ].join("");

/** A socket is made by bind(2), and by mknod(2) in trees. */
const madeLetter = Object.fromEntries(Object.entries(kindOfLetter).map(([letter, kind]) => [kind, letter]));

export function operationText(operation: Operation): string {
  switch (operation.does) {
    case "open":
      return `open ${operation.path} ${letters(operation)}`;
    case "execute":
      return `execute ${operation.path} ${operation.noFollow ? "n" : "-"}`;
    case "make":
      return `make ${operation.path} ${operation.kind === "socket" ? "S" : madeLetter[operation.kind]}`;
    case "remove":
      return `remove ${operation.path} ${operation.directory ? "d" : "f"}`;
    case "truncate":
      return `truncate ${operation.path} -`;
    case "truncate opened":
      return `ftruncate ${operation.open.path} ${letters(operation.open)}`;
    case "ioctl":
      return `ioctl ${operation.open.path} ${letters(operation.open)} ${operation.request}`;
    case "link":
      return `link ${operation.from} ${operation.to} ${operation.follow ? "f" : "-"}`;
    case "rename":
      return `rename ${operation.from} ${operation.to} ${operation.flag?.[0] ?? "-"}`;
    case "bind":
    case "connect": {
      const { does, protocol, port, bound, sends } = operation;
      const version = port !== undefined && port % 2 === 1 ? 6 : 4;
      return `${sends ? "send" : does} ${protocol} ${port ?? "unspec"} ${version} ${bound ? "b" : "-"}`;
    }
    case "signal":
      return `signal ${operation.outside ? "outside" : "inside"} -`;
    case "connect abstract":
      return `abstract ${operation.outside ? "outside" : "inside"} -`;
    case "connect unix":
      return `unix ${operation.path} -`;
  }
}

function rulesText(domain: Domain, paths: ReadonlyMap<FileObject, string>): string[] {
  return domain.layers.flatMap(({ declared: { tcp, udp, scopes }, handled, rules }) => {
    const lists: [right: PortRight, ports: readonly number[] | undefined][] = [
      ["bind-tcp", tcp?.bind],
      ["connect-tcp", tcp?.connect],
      ["bind-udp", udp?.bind],
      ["connect-send-udp", udp?.connect],
    ];
    const restricted = lists.flatMap(([right, ports]) =>
      ports === undefined ? [] : [{ mask: 1 << portRights[right].bit, ports }],
    );
    const handledPorts = restricted.reduce((sum, { mask }) => sum | mask, 0);
    const scoped = scopes.reduce((sum, scope) => sum | (1 << scopeRights[scope].bit), 0);
    if (handled === 0 && handledPorts === 0 && scoped === 0) throw new Impossible("a layer restricts nothing");
    return [
      `layer ${handled} ${handledPorts} ${scoped}`,
      ...[...rules].flatMap(([object, rights]) => {
        const allowed = rights & handled;
        const path = paths.get(object);
        // A directory that a mount covers, and that another mount shows in itself, has a path which `pathsOf` does not follow.
        if (path === undefined) throw new Impossible("a rule about a covered directory");
        return allowed === 0 ? [] : [`rule ${path} ${allowed}`];
      }),
      ...restricted.flatMap(({ mask, ports }) => ports.map((port) => `port ${port} ${mask}`)),
    ];
  });
}

/** Who makes rules of the declarations: the model itself, or the launcher. */
export type Maker = "model" | "launcher";

/** The text of a trial, and the model's answers. */
export function prepare(trial: Trial, maker: Maker): { text: string; answers: Answer[] } {
  const { folder, before, after, objects, operations } = trial;
  const tree = emptyTree(trial);
  for (const step of before) apply(tree, step);
  const domain = domainOf(objects, tree);
  const paths = new Map(
    [...pathsOf(tree, folder), ...ancestors(tree, folder)].map(([path, { object }]) => [object, path]),
  );
  for (const step of after) apply(tree, step);
  const answers = operations.map((operation) => decide(domain, tree, operation));
  const stepText = ({ step, path, other }: Step): string => `${step} ${path} ${other}`.trim();
  const lines = [
    ...before.map(stepText),
    "start",
    ...(maker === "model"
      ? rulesText(domain, paths)
      : [`layers ${Buffer.from(encodeRulesets(rulesetsOf(objects))).toString("hex")}`]),
    ...after.map(stepText),
    ...operations.map((operation, index) => {
      // The errno without domains does not matter for a denied operation.
      return `${answers[index]!.is === "denied" ? "deny" : "do"} ${operationText(operation)}`;
    }),
    "end",
  ];
  return { text: `${lines.join("\n")}\n`, answers };
}

function ancestors(tree: FileTree, folder: string): [string, Place][] {
  const components = folder.split("/").slice(1);
  const paths = ["/dev", "/dev/null", ...components.map((_, index) => `/${components.slice(0, index).join("/")}`)];
  return paths.map((path) => [path, tree.find(path)!]);
}

export interface Difference {
  readonly trial: Trial;
  readonly operation: Operation;
  readonly expected: string;
  readonly found: string;
}

export interface Compared {
  readonly differences: readonly Difference[];
  readonly operations: number;
  /** The number of each kind of answer: `open: EACCES`. */
  readonly counts: ReadonlyMap<string, number>;
}

const nameOf = (number: number): string => (number === 0 ? "0" : (errnoName(number) ?? `${number}`));

/** A trial that the driver can make, or nothing. */
function possible(trial: Trial, maker: Maker): readonly ({ readonly trial: Trial } & ReturnType<typeof prepare>)[] {
  try {
    return [{ trial, ...prepare(trial, maker) }];
  } catch (error) {
    if (error instanceof Impossible) return [];
    throw error;
  }
}

export function compare(driver: string, folder: string, uid: number, maker: Maker, trials: readonly Trial[]): Compared {
  const prepared = trials.flatMap((trial) => possible(trial, maker));
  const { status, stdout, stderr } = spawnSync(driver, [folder, `${uid}`], {
    input: prepared.map(({ text }) => text).join(""),
    encoding: "utf8",
    maxBuffer: 1 << 28,
    timeout: patience.command,
  });
  if (status !== 0) throw new Error(`the driver fails: ${stderr}`);
  const lines = stdout.trim().split("\n");
  const differences: Difference[] = [];
  const counts = new Map<string, number>();
  let at = 0;
  for (const { trial, answers } of prepared) {
    for (const [index, answer] of answers.entries()) {
      const operation = trial.operations[index]!;
      const [free, confined] = lines[at++]!.split(" ").map(Number) as [number, number];
      // Links that lead to themselves, and mounts that show a directory in itself: then the command is not started.
      if (free === -2 && nameOf(confined) === "ELOOP") {
        counts.set("refused", (counts.get("refused") ?? 0) + 1);
        continue;
      }
      const expected = answer.is === "denied" ? answer.errno : nameOf(free);
      const kind = `${operation.does}: ${answer.is === "denied" ? answer.errno : free === 0 ? "done" : "failed"}`;
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      if (expected !== nameOf(confined)) differences.push({ trial, operation, expected, found: nameOf(confined) });
    }
  }
  return { differences, operations: at, counts };
}
