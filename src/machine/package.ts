/** The package's own folder, with its ready policies, native parts and bundles, and its version. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

interface Package {
  readonly root: string;
  readonly version: string;
}

let found: Package | undefined;

/** The nearest package.json above this file that is portcullis's: this file is in src/ of a checkout or bundled into dist/. */
function ownPackage(): Package {
  if (found !== undefined) return found;
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file)) {
      const { name, version } = JSON.parse(readFileSync(file, "utf8")) as Readonly<Record<string, unknown>>;
      if (name === "portcullis") {
        found = { root: folder, version: String(version) };
        return found;
      }
    }
    if (folder === dirname(folder)) throw new Error("portcullis is not in its package's folder");
  }
}

/** The folder of package.json. Throws an Error if portcullis is outside of its package. */
export function packageRoot(): string {
  return ownPackage().root;
}

/** "0.1.0". Throws as `packageRoot`. */
export function packageVersion(): string {
  return ownPackage().version;
}

/** The absolute path of a file of the package ("policies/nginx.ts"), never of one outside of it. Throws as `packageRoot`. */
export function packageFile(name: string): string {
  return join(packageRoot(), join("/", name));
}
