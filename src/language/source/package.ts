/** Finds the package's own files, such as the ready policies, wherever it is installed. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

let root: string | undefined;

/** The folder of package.json: this file is in src/ of a checkout or is bundled into dist/. */
function packageRoot(): string {
  if (root !== undefined) return root;
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const description = join(folder, "package.json");
    if (existsSync(description)) {
      const { name } = JSON.parse(readFileSync(description, "utf8")) as { readonly name?: unknown };
      if (name === "portcullis") break;
    }
    const parent = dirname(folder);
    if (parent === folder) break;
    folder = parent;
  }
  root = folder;
  return folder;
}

/** The absolute path of a file of the package ("policies/nginx.ts"). Rejects paths outside of the package. */
export function packageFile(name: string): string {
  return join(packageRoot(), join("/", name));
}
