/** Random trials: trees, declarations and operations. */

import { fileRights, portRights } from "../../../src/abi/landlock.ts";
import { type FileList, type FileRules, fileLists, type ObjectLayer, type PathRule } from "../../../src/ir/objects.ts";
import type { OpenOperation, Operation } from "../../../src/objects/operation.ts";
import { layerWith, pathRule } from "../../../src/objects/testing/layers.ts";
import { randomNumbers } from "../../classic/random.ts";
import { apply, emptyTree, Impossible, type Maker, pathsOf, type Step, type Trial } from "./trial.ts";

export interface Kinds {
  /** Root makes the trees: they have bind mounts and devices. */
  readonly privileged: boolean;
  /** The kernel asks for the right to make a whiteout that a rename leaves (6.12.118; not 6.18.44). */
  readonly whiteouts: boolean;
  /** The kernel's ABI level. */
  readonly abi: number;
  readonly maker: Maker;
}

const ioctls = [
  0x5401, 0x5451, 0x5450, 0x5421, 0x5452, 0x5460, 0x541b, 1, 2, 0x40049409, 0x80086601, 0xc020660b, 0x80111500,
];
const madeKinds = ["directory", "file", "link", "fifo", "socket", "character", "block", "whiteout"] as const;

export function randomTrial(
  seed: number,
  folder: string,
  { privileged, whiteouts, abi, maker }: Kinds,
  operationCount: number,
): Trial {
  const random = randomNumbers(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const chance = (share: number): boolean => random() < share;
  const one = <T>(values: readonly T[]): T => values[below(values.length)]!;
  const name = (): string => one(["a", "b", "c", "d"]);

  const hasUdp = abi >= portRights["bind-udp"].abi;
  const hasUnix = abi >= fileRights["resolve-unix"].abi;

  const tree = emptyTree({ folder, privileged });
  const paths = (): string[] => pathsOf(tree, folder, 5).map(([path]) => path);
  const directories = (): string[] =>
    pathsOf(tree, folder, 4)
      .filter(([, { object }]) => object.kind === "directory")
      .map(([path]) => path);
  /** A link's target: within the folder, which is named w. */
  const target = (): string => (chance(0.1) ? `../w/${name()}` : chance(0.2) ? `${name()}/../${name()}` : one(paths()));
  const step = (): Step => {
    const path = `${one(directories())}/${name()}`;
    if (hasUnix && chance(0.1)) return { step: "s", path, other: "" };
    const kind = random();
    if (kind < 0.4) return { step: "d", path, other: "" };
    if (kind < 0.68) {
      const content = chance(0.4) ? "program" : chance(0.3) ? "empty" : `${one(["script", "elf"])}=${one(paths())}`;
      return { step: "f", path, other: content };
    }
    if (kind < 0.78) return { step: "l", path, other: target() };
    if (kind < 0.88) return { step: "h", path, other: one(paths()) };
    if (kind < 0.94 || !privileged) return { step: one(["p", "s"] as const), path, other: "" };
    if (kind < 0.97) return { step: one(["c", "b", "w"] as const), path, other: "" };
    const [point, source] = [one(directories()), one(directories())];
    // In a directory that is its own parent, the launcher takes it for the root directory.
    if (maker === "launcher" && point.startsWith(source)) return { step: "d", path, other: "" };
    return { step: "m", path: point, other: source };
  };
  const make = (count: number, next: () => Step): Step[] => {
    const made: Step[] = [];
    for (let i = 0; i < count; i++) {
      const candidate = next();
      // Below the folder alone: a mount on it would hide it.
      if (candidate.path === folder) continue;
      try {
        apply(tree, candidate);
        made.push(candidate);
      } catch (error) {
        if (!(error instanceof Impossible)) throw error;
      }
    }
    return made;
  };

  const before = make(4 + below(16), step);
  const rule = (): PathRule => {
    const kind = random();
    const parent = folder.slice(0, folder.lastIndexOf("/")) || "/";
    const path =
      kind < 0.05
        ? "/dev/null"
        : kind < 0.09
          ? one(["/", parent])
          : kind < 0.2
            ? folder
            : kind < 0.88
              ? one(paths())
              : `${one(paths())}/${name()}`;
    return { ...pathRule(path), optional: true };
  };
  const rules = (most: number): PathRule[] => Array.from({ length: below(most + 1) }, rule);
  const files = (): FileRules => {
    const lists: { [List in FileList]?: PathRule[] } = {};
    const share = one([0.25, 0.5, 0.9]);
    for (const list of fileLists) if (chance(share)) lists[list] = rules(4);
    if (Object.keys(lists).length === 0) lists[one(fileLists)] = rules(2);
    const except = chance(0.5) ? [] : rules(3);
    return { lists, except, protect: [], private: [], names: chance(0.3), streams: false };
  };
  const ports = (): readonly number[] | undefined =>
    chance(0.4) ? undefined : Array.from({ length: below(4) }, () => one([0, 5001, 5002, 5003, 5004]));
  const layer = (): ObjectLayer => {
    const tcp = chance(0.3) ? { bind: ports(), connect: ports() } : undefined;
    const udp = hasUdp && chance(0.3) ? { bind: ports(), connect: ports() } : undefined;
    const unix = hasUnix && chance(0.5) ? { connect: rules(2) } : undefined;
    const scopes = (["abstract-socket", "signal"] as const).filter(() => chance(0.2));
    const restricts =
      [tcp?.bind, tcp?.connect, udp?.bind, udp?.connect, unix].some((each) => each !== undefined) || scopes.length > 0;
    return layerWith({ files: restricts && chance(0.3) ? undefined : files(), tcp, udp, unix, scopes });
  };
  const objects = Array.from({ length: one([1, 1, 1, 2, 3]) }, layer);
  const after = chance(0.5)
    ? []
    : make(1 + below(5), () =>
        chance(0.4) ? { step: "v", path: `${one(directories())}/${name()}`, other: one(paths()) } : step(),
      );

  const [allPaths, allDirectories] = [paths(), directories()];
  const old = (): string => (chance(0.08) ? `${one(allPaths)}/${name()}` : chance(0.03) ? "/dev/null" : one(allPaths));
  const entry = (): string => {
    const path = old();
    return path === folder || path === "/dev/null" ? fresh() : path;
  };
  const fresh = (): string => `${one(allDirectories)}/${one(["a", "b", "n", "m"])}`;
  const opened = (): OpenOperation => {
    const kind = random();
    const [read, write] = one([
      [true, false] as const,
      [false, true] as const,
      [true, true] as const,
      [false, false] as const,
    ]);
    const plain = { does: "open", path: old(), read, write, noFollow: chance(0.1) } as const;
    if (kind < 0.15) return { ...plain, read: true, write: false, directory: chance(0.5) };
    if (kind < 0.4) return { ...plain, path: chance(0.8) ? fresh() : old(), create: true, exclusive: chance(0.3) };
    if (kind < 0.5) return { ...plain, read: chance(0.5), write: true, truncate: true };
    if (kind < 0.54) return { ...plain, read: true, write: false, truncate: true };
    if (kind < 0.57) return { ...plain, pathOnly: true };
    if (kind < 0.63) return { ...plain, path: one(allDirectories), read: chance(0.5), write: true, unnamed: true };
    return plain;
  };
  const allSockets = allPaths.filter((path) => tree.find(path)?.object.kind === "socket");
  const operation = (): Operation => {
    if (hasUnix && chance(0.05)) {
      const path = allSockets.length > 0 && chance(0.9) ? one(allSockets) : old();
      return { does: "connect unix", path, outside: true };
    }
    if (hasUdp && chance(0.05)) {
      const port = one([5001, 5002, 5003, 5004]);
      return { does: "connect", protocol: "udp", port, bound: chance(0.5), sends: chance(0.5) };
    }
    const kind = random();
    if (kind < 0.28) return opened();
    if (kind < 0.35) return { does: "execute", path: old(), noFollow: chance(0.1) };
    if (kind < 0.45) return { does: "make", path: chance(0.9) ? fresh() : entry(), kind: one(madeKinds) };
    if (kind < 0.53) return { does: "remove", path: entry(), directory: chance(0.5) };
    if (kind < 0.56) return { does: "truncate", path: old() };
    if (kind < 0.59) return { does: "truncate opened", open: { ...opened(), write: true, unnamed: false } };
    if (kind < 0.63) {
      const path = chance(0.5) ? "/dev/null" : old();
      // Block devices without a driver cannot be opened.
      const isBlock = tree.find(path)?.object.kind === "block";
      const open = { does: "open", path: isBlock ? "/dev/null" : path, read: chance(0.7), write: chance(0.3) } as const;
      return { does: "ioctl", open, request: one(ioctls) };
    }
    if (kind < 0.72) {
      const [from, follow] = [old(), chance(0.2)];
      // A directory has no hard links, and the error for the root of a mount depends on what it is in elsewhere.
      const place = tree.find(from, follow);
      if (place?.object === place?.mount.root) return { does: "truncate", path: from };
      return { does: "link", from, to: chance(0.9) ? fresh() : entry(), follow };
    }
    if (kind < 0.92) {
      const flag = one([
        undefined,
        undefined,
        "exchange",
        "exchange",
        "noreplace",
        whiteouts ? "whiteout" : undefined,
      ] as const);
      const to = flag === "exchange" || chance(0.3) ? entry() : fresh();
      return { does: "rename", from: entry(), to, ...(flag === undefined ? {} : { flag }) };
    }
    if (kind < 0.96) {
      const does = one(["bind", "connect"] as const);
      const port = does === "connect" && chance(0.1) ? undefined : one([0, 5001, 5002, 5003, 5004]);
      return { does, protocol: chance(hasUdp ? 0.5 : 0.9) ? "tcp" : "udp", port };
    }
    if (kind < 0.97) return { does: "signal", outside: chance(0.7) };
    return { does: "connect abstract", outside: chance(0.7) };
  };
  return { folder, privileged, before, after, objects, operations: Array.from({ length: operationCount }, operation) };
}
