/** The names by which a protected path is known where no mounts can protect it (policies/shared/protected-paths.ts). */
import { basename, dirname } from "node:path";
import type { FileRules, ObjectLayer, ProtectedName } from "../../ir/objects.ts";

/** `roots`: the directories that the tree writes. */
export function protectedName(path: string, roots: readonly string[]): Pick<ProtectedName, "folder" | "name"> {
  // Without a list of writes the name is refused everywhere: a guarded directory could be the one that the command starts in.
  const root = nearest(roots, path) ?? dirname(path);
  const below = path.slice(root === "/" ? 1 : root.length + 1).split("/");
  return { folder: below.length === 1 ? undefined : below[0]!, name: basename(path) };
}

/** Those of all layers, each with the parameter's item from which it comes. */
export function protectedNamesOf(layers: readonly ObjectLayer[]): readonly ProtectedName[] {
  const files = layers.flatMap((layer) => layer.files ?? []);
  const roots = files.flatMap(writtenIn);
  return files.flatMap(({ protect }) => protect.map(({ path, from }) => ({ ...protectedName(path, roots), from })));
}

function writtenIn({ lists }: FileRules): readonly string[] {
  return [...(lists.write ?? []), ...(lists.make ?? lists.write ?? [])].map(({ path }) => path);
}

/** The longest of the directories that has the path below it. */
function nearest(roots: readonly string[], path: string): string | undefined {
  return roots
    .filter((root) => root === "/" || path.startsWith(`${root}/`))
    .reduce<string | undefined>(
      (best, root) => (best === undefined || root.length > best.length ? root : best),
      undefined,
    );
}
