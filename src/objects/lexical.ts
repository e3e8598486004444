/**
 * A tree of files for a simulation, which knows the texts of paths alone: each path of the declarations and of the operation
 * exists, except those that the operation makes, and none is a link.
 */
import type { ObjectLayer } from "../ir/objects.ts";
import type { Answer } from "./answer.ts";
import { decide } from "./decide.ts";
import { domainOf } from "./domain.ts";
import type { Operation } from "./operation.ts";
import { componentsOf, type FileKind, FileObject, FileTree } from "./tree.ts";

/** The answer about an operation if nothing is known about the files. */
export function decideByNames(objects: readonly ObjectLayer[], operation: Operation): Answer {
  const tree = new FileTree();
  const lists = objects.flatMap(({ files, unix }) => [
    ...Object.values(files?.lists ?? {}).flat(),
    ...(files?.protect ?? []),
    ...(unix?.connect ?? []),
  ]);
  for (const { path } of lists) add(tree, path, "directory");
  // What lists name exists; an exception may be made.
  const made = pathsOf(operation).filter(({ path, isMade }) => isMade && tree.find(path) === undefined);
  for (const { path } of objects.flatMap(({ files }) => files?.except ?? [])) add(tree, path, "directory");
  for (const { path, kind } of pathsOf(operation)) add(tree, path, kind);
  for (const { path } of made) remove(tree, path);
  return decide(domainOf(objects, tree), tree, operation);
}

interface NamedPath {
  readonly path: string;
  /** The kind of a path about which nothing else is known. */
  readonly kind: FileKind;
  readonly isMade?: boolean;
}

function pathsOf(operation: Operation): NamedPath[] {
  switch (operation.does) {
    case "open": {
      const { path, create, exclusive, directory, unnamed } = operation;
      const isDirectory = directory === true || unnamed === true;
      return [{ path, kind: isDirectory ? "directory" : "file", isMade: create === true && exclusive === true }];
    }
    case "execute":
    case "truncate":
      return [{ path: operation.path, kind: "file" }];
    case "remove":
      return [{ path: operation.path, kind: operation.directory ? "directory" : "file" }];
    case "make":
      return [{ path: operation.path, kind: operation.kind, isMade: true }];
    case "truncate opened":
      return pathsOf(operation.open);
    case "ioctl":
      return [{ path: operation.open.path, kind: "character" }];
    case "link":
      return [
        { path: operation.from, kind: "file" },
        { path: operation.to, kind: "file", isMade: true },
      ];
    case "rename":
      return [
        { path: operation.from, kind: "file" },
        { path: operation.to, kind: "file", isMade: operation.flag !== "exchange" },
      ];
    case "connect unix":
      return [{ path: operation.path, kind: "socket" }];
    default:
      return [];
  }
}

function add(tree: FileTree, path: string, kind: FileKind): void {
  const components = componentsOf(path);
  const last = components.pop();
  let { entries } = tree.root.object;
  for (const name of components) {
    const known = entries.get(name);
    const next = known?.kind === "directory" ? known : new FileObject("directory");
    entries.set(name, next);
    entries = next.entries;
  }
  // Something below a path makes it a directory.
  if (last !== undefined && (entries.get(last)?.entries.size ?? 0) === 0) entries.set(last, new FileObject(kind));
}

function remove(tree: FileTree, path: string): void {
  const entry = tree.lookupEntry(path);
  entry?.directory.object.entries.delete(entry.name);
}
