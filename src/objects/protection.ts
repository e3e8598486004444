/**
 * Protected files: read-only mounts on the files themselves, and mounts on the directories above them, which cannot be renamed
 * or removed then (native/launcher/mounts.h).
 */
import { type ObjectLayer, type ProtectedPath, renamableAbove } from "../ir/objects.ts";
import type { Denied } from "./answer.ts";
import type { Operation } from "./operation.ts";
import type { FileObject, FileTree, Place } from "./tree.ts";

interface Protected {
  readonly layer: number;
  readonly declared: ObjectLayer;
  readonly rule: ProtectedPath;
}

/** The denial of an operation by a protected file; undefined if none denies it. */
export function protectionOf(layers: readonly ObjectLayer[], tree: FileTree, operation: Operation): Denied | undefined {
  const files = new Map<FileObject, Protected>();
  const points = new Map<FileObject, Protected>();
  for (const [layer, declared] of layers.entries()) {
    for (const rule of declared.files?.protect ?? []) {
      const found = { layer, declared, rule };
      for (const path of renamableAbove(declared.files!, rule.path)) {
        const object = tree.find(path, false)?.object;
        if (object !== undefined) points.set(object, found);
      }
      const object = tree.find(rule.path, false)?.object;
      if (object === undefined) continue;
      files.set(object, found);
      points.set(object, found);
    }
  }
  if (files.size === 0) return undefined;
  const within = (place: Place | undefined): Protected | undefined => {
    for (let at = place; at !== undefined; at = at.parent) {
      const found = files.get(at.object);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const entry = (path: string) => {
    const found = tree.lookupEntry(path);
    return {
      isIn: within(found?.directory),
      point: found?.object === undefined ? undefined : points.get(found.object),
    };
  };
  switch (operation.does) {
    case "open": {
      const found = tree.lookup(operation.path, operation.noFollow !== true);
      const changes = operation.write || operation.truncate === true || operation.unnamed === true;
      if (found.is === "found" && changes) return denied(within(found.place), "EROFS");
      return found.is === "absent" && operation.create === true ? denied(within(found.directory), "EROFS") : undefined;
    }
    case "truncate":
      return denied(within(tree.find(operation.path)), "EROFS");
    case "make":
      return denied(entry(operation.path).isIn, "EROFS");
    case "remove": {
      const { isIn, point } = entry(operation.path);
      return denied(isIn, "EROFS") ?? denied(point, "EBUSY");
    }
    case "link": {
      const source = within(tree.find(operation.from, operation.follow ?? false));
      const target = entry(operation.to).isIn;
      return source === target ? denied(target, "EROFS") : denied(source ?? target, "EXDEV");
    }
    case "rename": {
      const from = entry(operation.from);
      const to = entry(operation.to);
      const found = from.isIn ?? to.isIn;
      if (from.isIn !== to.isIn) return denied(found, "EXDEV");
      return denied(found, "EROFS") ?? denied(from.point ?? to.point, "EBUSY");
    }
    default:
      return undefined;
  }
}

function denied(found: Protected | undefined, errno: "EROFS" | "EBUSY" | "EXDEV"): Denied | undefined {
  if (found === undefined) return undefined;
  const { layer, declared } = found;
  const right = "write-file" as const;
  return { is: "denied", errno, layer, declared, right, setting: "files.protect", gains: false, exception: undefined };
}
