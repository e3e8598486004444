/**
 * Loads the images of a program: itself, its loader, and the libraries that they need, in the loader's search order.
 */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { ElfImage } from "./image.ts";

/** The folders of Debian, Fedora and others, in the order of ld.so. The cache of ld.so is not read. */
const folders = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"];

export interface Images {
  /** The program is the first. */
  readonly list: readonly ElfImage[];
  /** Needed libraries that no folder has. */
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
    const image = new ElfImage(readFileSync(real), file);
    images.set(real, image);
    if (image.interpreter !== undefined && existsSync(image.interpreter)) add(image.interpreter);
    for (const name of image.needed) {
      const own = image.paths.map((path) => path.replace(/\$(?:ORIGIN|\{ORIGIN\})/, dirname(real)));
      const found = name.includes("/")
        ? name
        : [...own, ...folders].map((folder) => join(folder, name)).find((one) => existsSync(one));
      if (found === undefined || !existsSync(found)) missing.add(name);
      else add(found);
    }
  };
  for (const file of [program, ...modules]) add(file);
  return { list: [...images.values()], missing: [...missing] };
}
