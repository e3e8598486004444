/**
 * Loads the images of a program: itself, its loader, and the libraries that they need, in the loader's search order.
 */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { ArchitectureName } from "../../abi/architecture.ts";
import { readInputFile } from "../../machine/inputs.ts";
import { architectureOfElf, ElfError, ElfImage } from "./image.ts";

/**
 * The folders of libraries of Debian, Fedora and others, in the order of ld.so, whose cache is not read; last that of Debian's
 * cross compiler.
 */
const folders: Readonly<Record<ArchitectureName, readonly string[]>> = {
  x86_64: foldersOf("x86_64-linux-gnu"),
  aarch64: foldersOf("aarch64-linux-gnu"),
};

function foldersOf(triplet: string): readonly string[] {
  const common = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];
  return [`/lib/${triplet}`, `/usr/lib/${triplet}`, ...common, `/usr/${triplet}/lib`];
}

export interface Images {
  /** The program is the first. */
  readonly list: readonly ElfImage[];
  /** Needed libraries that are in none of the folders. */
  readonly missing: readonly string[];
}

/**
 * @param modules libraries that the program loads by itself
 * @throws ElfError, or Node's error if a file cannot be read
 */
export function readImages(program: string, modules: readonly string[]): Images {
  const images = new Map<string, ElfImage>();
  const missing = new Set<string>();
  const add = (file: string): void => {
    const real = realpathSync(file);
    if (images.has(real)) return;
    const image = new ElfImage(readInputFile(real), file);
    const { architecture } = image;
    const [first] = images.values();
    if (first !== undefined && first.architecture !== architecture)
      throw new ElfError(`${file} is for ${architecture}, and ${first.file} for ${first.architecture}`);
    images.set(real, image);
    const isThere = (one: string) => existsSync(one) && architectureOfElf(readFileSync(one)) === architecture;
    const { interpreter } = image;
    // A foreign program's loader is not where the program expects it.
    const loaders = interpreter === undefined ? [] : [interpreter, ...inFolders(architecture, basename(interpreter))];
    const loader = loaders.find(isThere);
    if (loader !== undefined) add(loader);
    for (const name of image.needed) {
      const own = image.paths.map((path) => join(path.replace(/\$(?:ORIGIN|\{ORIGIN\})/, dirname(real)), name));
      const found = (name.includes("/") ? [name] : [...own, ...inFolders(architecture, name)]).find(isThere);
      if (found === undefined) missing.add(name);
      else add(found);
    }
  };
  for (const file of [program, ...modules]) add(file);
  return { list: [...images.values()], missing: [...missing] };
}

function inFolders(architecture: ArchitectureName, name: string): readonly string[] {
  return folders[architecture].map((folder) => join(folder, name));
}
