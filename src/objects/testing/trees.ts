/** Trees of files for tests. */
import { FileObject, FileTree } from "../tree.ts";

/** Makes a tree of paths: `/a/` is a directory, `/a/b` a file, `/a/c -> b` a link, `/a/d = /a/b` a hard link. */
export function treeOf(...paths: readonly string[]): FileTree {
  const tree = new FileTree();
  for (const text of paths) {
    const [path = "", sign, other = ""] = text.split(" ");
    const names = path.split("/").filter((name) => name !== "");
    const last = names.pop()!;
    let { entries } = tree.root.object;
    for (const name of names) {
      if (!entries.has(name)) entries.set(name, new FileObject("directory"));
      ({ entries } = entries.get(name)!);
    }
    const made =
      sign === "->"
        ? new FileObject("link", { target: other })
        : new FileObject(path.endsWith("/") ? "directory" : "file");
    entries.set(last, sign === "=" ? tree.find(other, false)!.object : made);
  }
  return tree;
}
