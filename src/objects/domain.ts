/**
 * The rules of Landlock that the launcher makes of a policy's declarations, on the files that exist when the command
 * starts (native/launcher/layers.c). A directory with an exception below it has no rule: its other entries have.
 */

import { type FileRight, fileRights, rightsOfFiles } from "../abi/landlock.ts";
import { type ObjectLayer, type PathRule, restrictedRights } from "../ir/objects.ts";
import type { ObjectSetting } from "./answer.ts";
import { componentsOf, type FileObject, type FileTree, type Place } from "./tree.ts";

/** Rights as a mask of their bits. */
export type Rights = number;

export const bitOf = (right: FileRight): Rights => 1 << fileRights[right].bit;
export const bitsOf = (rights: Iterable<FileRight>): Rights =>
  [...rights].reduce((mask, right) => mask | bitOf(right), 0);
export const rightsIn = (mask: Rights): FileRight[] =>
  (Object.keys(fileRights) as FileRight[]).filter((right) => (mask & bitOf(right)) !== 0);

/** Rights that a rule can grant to a file, and that matter when a file that is no directory moves. */
export const bitsOfFiles = bitsOf(rightsOfFiles);

/** Why a layer restricts a right, and the rules that grant it. */
interface Restriction {
  readonly setting: ObjectSetting;
  readonly rules: readonly PathRule[];
  /** Exceptions do not apply to it. */
  readonly isWhole: boolean;
}

export interface Layer {
  readonly declared: ObjectLayer;
  readonly restricted: ReadonlyMap<FileRight, Restriction>;
  /** The rights that the tree has only by rules; 0: no layer has declarations about files. */
  readonly handled: Rights;
  readonly rules: ReadonlyMap<FileObject, Rights>;
  /** The files that lists name, whether a rule is on them or on their entries. */
  readonly named: ReadonlyMap<FileObject, Rights>;
  /** The exceptions, and the directories above them, each with one of its exceptions. */
  readonly excepted: ReadonlyMap<FileObject, PathRule>;
  readonly above: ReadonlyMap<FileObject, PathRule>;
}

export interface Domain {
  /** In the order of `Program.objects`. */
  readonly layers: readonly Layer[];
}

export function domainOf(objects: readonly ObjectLayer[], tree: FileTree): Domain {
  const restrictsFiles = objects.some(({ files, unix }) => files !== undefined || unix !== undefined);
  return { layers: objects.map((declared) => layerOf(declared, tree, restrictsFiles)) };
}

function layerOf(declared: ObjectLayer, tree: FileTree, restrictsFiles: boolean): Layer {
  const rules = new Map<FileObject, Rights>();
  const named = new Map<FileObject, Rights>();
  const { excepted, above } = exceptionsOf(declared.files?.except ?? [], tree);
  const restricted = restrictionsOf(declared);
  const layer = { declared, restricted, handled: 0, rules, named, excepted, above };
  if (!restrictsFiles) return layer;

  const grant = ({ object }: Place, rights: Rights): void => {
    const possible = object.kind === "directory" ? rights : rights & bitsOfFiles;
    rules.set(object, (rules.get(object) ?? 0) | possible);
  };
  const grantEntries = (directory: Place, rights: Rights): void => {
    for (const place of tree.entries(directory)) {
      const { object } = place;
      if (object.kind === "link" || excepted.has(object)) continue;
      if (above.has(object)) grantEntries(place, rights);
      else grant(place, rights);
    }
  };

  for (const [right, { rules: paths, isWhole }] of restricted) {
    const rights = bitOf(right);
    for (const { path } of paths) {
      const place = tree.find(path);
      if (place === undefined) continue;
      named.set(place.object, (named.get(place.object) ?? 0) | rights);
      if (above.has(place.object) && !isWhole) grantEntries(place, rights);
      else grant(place, rights);
    }
  }
  /*
   * Each layer denies `refer` without a rule, even if it does not handle it, and even if it handles ports alone and another
   * layer files (landlock_get_fs_access_mask, security/landlock/ruleset.h of Linux 6.12; so does 6.18).
   */
  if (!restricted.has("refer")) grant(tree.root, bitOf("refer"));
  return { ...layer, handled: bitsOf(restricted.keys()) | bitOf("refer") };
}

function restrictionsOf({ files, unix }: ObjectLayer): ReadonlyMap<FileRight, Restriction> {
  const restrictions = new Map<FileRight, Restriction>();
  if (files !== undefined)
    for (const [right, list] of restrictedRights(files))
      restrictions.set(right, {
        setting: `files.${list}`,
        rules: files.lists[list] ?? [],
        isWhole: right === "read-dir" && files.names,
      });
  if (unix !== undefined)
    restrictions.set("resolve-unix", { setting: "unix.connect", rules: unix.connect, isWhole: false });
  return restrictions;
}

/** The exceptions that exist, and the existing directories above all of them. */
function exceptionsOf(except: readonly PathRule[], tree: FileTree): Pick<Layer, "excepted" | "above"> {
  const excepted = new Map<FileObject, PathRule>();
  const above = new Map<FileObject, PathRule>();
  for (const rule of except) {
    const components = componentsOf(rule.path);
    let place = tree.find(rule.path);
    if (place !== undefined) {
      excepted.set(place.object, rule);
      place = place.parent;
    } else {
      while (place?.object.kind !== "directory") {
        components.pop();
        place = tree.find(`/${components.join("/")}`);
      }
    }
    for (; place !== undefined; place = place.parent) if (!above.has(place.object)) above.set(place.object, rule);
  }
  return { excepted, above };
}
