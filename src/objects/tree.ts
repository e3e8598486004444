/**
 * A tree of files in which paths are looked up: objects, the places where they are, and mounts. A test makes one of the
 * files on a disk, `lexical.ts` one of the texts of paths. It has what Landlock's decisions depend on, and no contents.
 */

export type FileKind =
  | "directory"
  | "file"
  | "link"
  | "fifo"
  | "socket"
  | "character"
  | "block"
  /** A character device 0:0, which overlay file systems use; everybody may make it. */
  | "whiteout";

/** An inode. Rules of Landlock are on these, so equal references mean the same device and inode. */
export class FileObject {
  readonly kind: FileKind;
  /** The entries of a directory; empty for other objects. */
  readonly entries = new Map<string, FileObject>();
  /** The text of a link. */
  readonly target: string;
  /** The absolute path of the interpreter of a script, or of an ELF file. */
  readonly interpreter: string | undefined;

  constructor(
    kind: FileKind,
    { target = "", interpreter }: { target?: string; interpreter?: string | undefined } = {},
  ) {
    this.kind = kind;
    this.target = target;
    this.interpreter = interpreter;
  }
}

interface Mount {
  readonly root: FileObject;
  /** The mounts on directories of this mount. */
  readonly covered: Map<FileObject, Mount>;
}

/** A name of an object: a path with a mount. */
export interface Place {
  readonly object: FileObject;
  /** Undefined: the root directory. The root of another mount is in the directory that has its mount point. */
  readonly parent: Place | undefined;
  readonly mount: Mount;
}

export type Lookup =
  | { readonly is: "found"; readonly place: Place }
  /** The directory has no such entry. */
  | { readonly is: "absent"; readonly directory: Place; readonly name: string }
  /** The kernel returns an error before it asks Landlock. */
  | { readonly is: "fault"; readonly errno: "ENOENT" | "ENOTDIR" | "ELOOP" };

/** A lookup follows this many links (MAXSYMLINKS, include/linux/namei.h). */
const mostLinks = 40;

export class FileTree {
  readonly root: Place;
  readonly mounts: Mount[];

  constructor() {
    const object = new FileObject("directory");
    this.root = { object, parent: undefined, mount: { root: object, covered: new Map() } };
    this.mounts = [this.root.mount];
  }

  /** The entry of a directory, behind mounts. */
  entry(directory: Place, name: string): Place | undefined {
    const object = directory.object.entries.get(name);
    if (object === undefined) return undefined;
    const mount = directory.mount.covered.get(object);
    if (mount === undefined) return { object, parent: directory, mount: directory.mount };
    return { object: mount.root, parent: directory, mount };
  }

  entries(directory: Place): Place[] {
    return [...directory.object.entries.keys()].map((name) => this.entry(directory, name)!);
  }

  /** `path` is absolute. `follow`: a link at its end, too. */
  lookup(path: string, follow = true): Lookup {
    return this.#walk(this.root, componentsOf(path), follow, 0);
  }

  find(path: string, follow = true): Place | undefined {
    const found = this.lookup(path, follow);
    return found.is === "found" ? found.place : undefined;
  }

  /** The directory of the last component of `path`, which is looked up without mounts and links, as for its removal. */
  lookupEntry(path: string): { directory: Place; name: string; object: FileObject | undefined } | undefined {
    const components = componentsOf(path);
    const name = components.pop();
    const found = this.#walk(this.root, components, true, 0);
    if (name === undefined || found.is !== "found" || found.place.object.kind !== "directory") return undefined;
    return { directory: found.place, name, object: found.place.object.entries.get(name) };
  }

  /** Mounts a directory at the directory `path`, without the mounts below it. */
  mount(root: FileObject, path: string): void {
    const point = this.lookupEntry(path)!;
    const mount = { root, covered: new Map<FileObject, Mount>() };
    point.directory.mount.covered.set(point.object!, mount);
    this.mounts.push(mount);
  }

  #walk(start: Place, components: readonly string[], follow: boolean, links: number): Lookup {
    let place = start;
    for (const [index, name] of components.entries()) {
      if (place.object.kind !== "directory") return { is: "fault", errno: "ENOTDIR" };
      if (name === "..") {
        place = place.parent ?? place;
        continue;
      }
      const isLast = index === components.length - 1;
      const next = this.entry(place, name);
      if (next === undefined) {
        return isLast ? { is: "absent", directory: place, name } : { is: "fault", errno: "ENOENT" };
      }
      if (next.object.kind !== "link" || (isLast && !follow)) {
        place = next;
        continue;
      }
      if (links >= mostLinks) return { is: "fault", errno: "ELOOP" };
      const { target } = next.object;
      const rest = [...componentsOf(target), ...components.slice(index + 1)];
      return this.#walk(target.startsWith("/") ? this.root : place, rest, follow, links + 1);
    }
    return { is: "found", place };
  }
}

export function componentsOf(path: string): string[] {
  return path.split("/").filter((component) => component !== "" && component !== ".");
}
