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
  /** Undefined of a directory above it. */
  readonly rule: ProtectedPath | undefined;
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
        // Each mount has a value of its own.
        if (object !== undefined && !points.has(object)) points.set(object, { layer, declared, rule: undefined });
      }
      const object = tree.find(rule.path, false)?.object;
      if (object === undefined) continue;
      files.set(object, found);
      points.set(object, found);
    }
  }
  if (files.size === 0) return undefined;
  const nearest = (place: Place | undefined, of: ReadonlyMap<FileObject, Protected>): Protected | undefined => {
    for (let at = place; at !== undefined; at = at.parent) {
      const found = of.get(at.object);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const entry = (path: string) => {
    const found = tree.lookupEntry(path);
    return {
      /** The protected directory above it. */
      readOnly: nearest(found?.directory, files),
      /** The mount that its directory is in. */
      mount: nearest(found?.directory, points),
      object: found?.object,
      /** It is a mount point. */
      point: found?.object === undefined ? undefined : points.get(found.object),
    };
  };
  switch (operation.does) {
    case "open": {
      const found = tree.lookup(operation.path, operation.noFollow !== true);
      const changes = operation.write || operation.truncate === true || operation.unnamed === true;
      if (found.is === "found") return changes ? denied(nearest(found.place, files), "EROFS") : undefined;
      const makes = found.is === "absent" && operation.create === true;
      return makes ? denied(nearest(found.directory, files), "EROFS") : undefined;
    }
    case "truncate":
      return denied(nearest(tree.find(operation.path), files), "EROFS");
    case "make":
      return denied(entry(operation.path).readOnly, "EROFS");
    case "remove": {
      const { readOnly, point } = entry(operation.path);
      return denied(readOnly, "EROFS") ?? denied(point, "EBUSY");
    }
    case "link": {
      const source = nearest(tree.find(operation.from, operation.follow ?? false), points);
      const target = entry(operation.to);
      if (target.readOnly !== undefined) return denied(target.readOnly, "EROFS");
      return source === target.mount ? undefined : denied(source ?? target.mount, "EXDEV");
    }
    case "rename": {
      const [from, to] = [entry(operation.from), entry(operation.to)];
      if (from.mount !== to.mount) return denied(from.mount ?? to.mount, "EXDEV");
      // A rename to the same file does nothing (vfs_rename(), fs/namei.c).
      const moves = from.object !== to.object;
      return denied(from.readOnly, "EROFS") ?? (moves ? denied(from.point ?? to.point, "EBUSY") : undefined);
    }
    default:
      return undefined;
  }
}

function denied(found: Protected | undefined, errno: "EROFS" | "EBUSY" | "EXDEV"): Denied | undefined {
  if (found === undefined) return undefined;
  const { layer, declared, rule } = found;
  return {
    ...{ is: "denied", errno, layer, declared, right: "write-file", setting: "files.protect", gains: false },
    ...(rule === undefined || errno === "EXDEV" ? {} : { protects: rule }),
    exception: undefined,
  };
}
