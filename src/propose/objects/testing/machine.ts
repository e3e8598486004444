/** A machine with these files, for tests. */
import { posix } from "node:path";
import type { Machine, ObjectKind } from "../machine.ts";

/** @param files directories end with a slash; links have their targets */
export function machineWith(files: readonly string[], links: Readonly<Record<string, string>> = {}): Machine {
  const kinds = new Map<string, ObjectKind>();
  for (const file of files) {
    const path = file.replace(/(.)\/$/, "$1");
    kinds.set(path, file.endsWith("/") ? "directory" : "file");
    for (let at = posix.dirname(path); at !== "/"; at = posix.dirname(at)) kinds.set(at, "directory");
  }
  const real = (path: string): string => {
    let at = "";
    for (const name of path.split("/").filter((one) => one !== "" && one !== ".")) {
      at = name === ".." ? posix.dirname(at === "" ? "/" : at) : `${at === "/" ? "" : at}/${name}`;
      at = links[at] ?? at;
    }
    return at === "" ? "/" : at;
  };
  return {
    home: "/home/me",
    real,
    kind: (path) => (path === "/" ? "directory" : kinds.get(real(path))),
    interpreter: (path) => (path.endsWith(".sh") ? "/bin/sh" : undefined),
    program: (name) => (kinds.has(`/usr/bin/${name}`) ? `/usr/bin/${name}` : undefined),
  };
}
