/** The files that a program of the system consists of. */
import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, readlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** A file, and the symbolic links on the way to it. */
function withLinks(path: string): readonly string[] {
  let at = "/";
  const names = path.split("/").filter(Boolean);
  for (const [index, name] of names.entries()) {
    at = join(at, name);
    if (!lstatSync(at).isSymbolicLink()) continue;
    const target = resolve(dirname(at), readlinkSync(at));
    return [at, ...withLinks(join(target, ...names.slice(index + 1)))];
  }
  return [at];
}

/** The files that the kernel and the dynamic linker open when they start the program. */
export function filesOf(program: string): readonly string[] {
  const listed = execFileSync("ldd", [program], { encoding: "utf8" });
  const libraries = [...listed.matchAll(/(\/\S+) \(0x/g)].map(([, library]) => library!);
  const files = [program, ...libraries, "/etc/ld.so.cache"].filter((file) => existsSync(file));
  return [...new Set(files.flatMap(withLinks))];
}
