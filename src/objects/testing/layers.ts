/** Declarations about objects for tests. */
import type { FileList, FileRules, ObjectLayer, PathRule } from "../../ir/objects.ts";

const anywhere = { file: 0, line: 1, column: 1, length: 1 };
export const pathRule = (path: string): PathRule => ({ path, optional: false, at: anywhere });

/** A layer without declarations but the given ones. */
export function layerWith(parts: Partial<ObjectLayer>): ObjectLayer {
  return { files: undefined, tcp: undefined, udp: undefined, unix: undefined, scopes: [], at: anywhere, ...parts };
}

/** A layer of lists of files: `{ read: ["/usr"], except: ["/usr/src"] }`. */
export function filesLayer({
  except = [],
  protect = [],
  names = false,
  ...lists
}: { [List in FileList | "except" | "protect"]?: readonly string[] } & { names?: boolean }): ObjectLayer {
  const files: FileRules = {
    lists: Object.fromEntries(Object.entries(lists).map(([list, paths]) => [list, paths.map(pathRule)])),
    except: except.map(pathRule),
    protect: protect.map((path) => ({ ...pathRule(path), isDirectory: path.endsWith("/") })),
    private: [],
    names,
    streams: false,
  };
  return layerWith({ files });
}
