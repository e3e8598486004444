/** The mounts by which the launcher protects files and makes directories private, and the limits there (native/launcher/mounts.h). */

import { fileLists, type Limit, type ObjectLayer, renamableAbove } from "../../ir/objects.ts";

export type MountRule =
  /** `isDirectory`: it is made if it is missing. */
  | { readonly is: "protect"; readonly path: string; readonly isDirectory: boolean }
  /** A directory that cannot be renamed. */
  | { readonly is: "above-protected"; readonly path: string }
  /** `optional`: it may be missing. */
  | { readonly is: "private"; readonly path: string; readonly optional: boolean }
  /** Seen in a private directory, if it exists. */
  | { readonly is: "shown"; readonly path: string; readonly isReadOnly: boolean }
  /** Processes and threads of the tree at once. */
  | { readonly is: "processes"; readonly most: number; readonly setting?: string | undefined }
  /** Of what each private directory holds, in KiB. */
  | { readonly is: "private-size"; readonly most: number; readonly setting?: string | undefined };

/** The rules of all layers, in the order in which they are made: upper directories before lower ones. */
export function mountRulesOf(layers: readonly ObjectLayer[]): readonly MountRule[] {
  const files = layers.flatMap((layer) => layer.files ?? []);
  const privates = new Map<string, boolean>();
  for (const { path, optional } of files.flatMap((rules) => rules.private))
    privates.set(path, optional && privates.get(path) !== false);
  const protectedPaths = new Map<string, boolean>();
  for (const { path, isDirectory } of files.flatMap(({ protect }) => protect))
    protectedPaths.set(path, isDirectory || protectedPaths.get(path) === true);
  const above = files.flatMap((rules) => rules.protect.flatMap(({ path }) => renamableAbove(rules, path)));
  return [
    ...sorted(privates.keys()).map((path) => ({ is: "private", path, optional: privates.get(path)! }) as const),
    ...shownIn(sorted(privates.keys()), layers),
    ...sorted(above).map((path) => ({ is: "above-protected", path }) as const),
    ...sorted(protectedPaths.keys()).map(
      (path) => ({ is: "protect", path, isDirectory: protectedPaths.get(path)! }) as const,
    ),
    ...layers.flatMap(({ limits }) => [
      ...(limits?.processes === undefined ? [] : [{ is: "processes", ...limitOf(limits.processes) } as const]),
      ...(limits?.privateSize === undefined ? [] : [{ is: "private-size", ...limitOf(limits.privateSize) } as const]),
    ]),
  ];
}

const limitOf = ({ most, setting }: Limit) => ({ most, ...(setting === undefined ? {} : { setting }) });

/**
 * The paths of lists below private directories. A list with the private directory itself is about the tree's own files in it, so
 * a path that only `read` or `execute` has below it becomes a read-only mount.
 */
function shownIn(privates: readonly string[], layers: readonly ObjectLayer[]): readonly MountRule[] {
  const writable = new Map<string, boolean>();
  for (const { files, unix } of layers) {
    const listed = fileLists.flatMap((list) => (files?.lists[list] ?? []).map(({ path }) => ({ path, list })));
    for (const { path } of unix?.connect ?? []) writable.set(path, writable.get(path) === true);
    for (const { path, list } of listed)
      writable.set(path, writable.get(path) === true || (list !== "read" && list !== "execute"));
  }
  const below = [...writable.keys()]
    .filter((path) => !privates.includes(path) && privates.some((directory) => isBelow(path, directory)))
    .sort();
  const isWritable = (path: string) =>
    below.some((other) => (other === path || isBelow(path, other)) && writable.get(other) === true);
  // A path below another one of the same kind is seen with it.
  const shown = below.filter(
    (path) => !below.some((other) => isBelow(path, other) && isWritable(other) === isWritable(path)),
  );
  return shown.map((path) => ({ is: "shown", path, isReadOnly: !isWritable(path) }));
}

const isBelow = (path: string, directory: string): boolean => path.startsWith(`${directory}/`);
const sorted = (paths: Iterable<string>): readonly string[] => [...new Set(paths)].sort();
