/** Operations of system calls on objects: what the declarations of a policy are about. Paths are absolute. */
import type { FileKind } from "./tree.ts";

export interface OpenOperation {
  readonly does: "open";
  readonly path: string;
  /** O_RDONLY and O_RDWR; O_WRONLY and O_RDWR. The access mode 3 has neither, and opens for ioctl(2) alone. */
  readonly read: boolean;
  readonly write: boolean;
  readonly truncate?: boolean;
  readonly create?: boolean;
  readonly exclusive?: boolean;
  /** O_DIRECTORY. */
  readonly directory?: boolean;
  /** O_NOFOLLOW. */
  readonly noFollow?: boolean;
  /** O_PATH: the file is not opened. */
  readonly pathOnly?: boolean;
  /** O_TMPFILE: a file without a name in the directory `path`. */
  readonly unnamed?: boolean;
}

export type Operation =
  | OpenOperation
  /** execve(2), with the interpreters. */
  | { readonly does: "execute"; readonly path: string; readonly noFollow?: boolean }
  /** mkdir(2), mknod(2), symlink(2), bind(2) of a Unix socket. */
  | { readonly does: "make"; readonly path: string; readonly kind: FileKind }
  /** rmdir(2); unlink(2). */
  | { readonly does: "remove"; readonly path: string; readonly directory: boolean }
  | { readonly does: "truncate"; readonly path: string }
  /** ftruncate(2) of a file, ioctl(2) of a device: the rights are those of the time when it was opened. */
  | { readonly does: "truncate opened"; readonly open: OpenOperation }
  | { readonly does: "ioctl"; readonly open: OpenOperation; readonly request: number }
  | { readonly does: "link"; readonly from: string; readonly to: string; readonly follow?: boolean }
  | {
      readonly does: "rename";
      readonly from: string;
      readonly to: string;
      readonly flag?: "exchange" | "noreplace" | "whiteout";
    }
  /** `port` undefined: connect(2) with AF_UNSPEC, which disconnects. Port 0: the kernel chooses one. */
  | {
      readonly does: "bind" | "connect";
      readonly protocol: "tcp" | "udp";
      readonly port: number | undefined;
      /** A socket of UDP has a port. To one without, connect(2) and sendto(2) bind a port that the kernel chooses. */
      readonly bound?: boolean;
      /** sendto(2) instead of connect(2), which makes no difference. */
      readonly sends?: boolean;
    }
  /** `outside`: the receiver is no process of the tree. */
  | { readonly does: "signal"; readonly outside: boolean }
  | { readonly does: "connect abstract"; readonly outside: boolean }
  /** connect(2) and sendto(2) to the path of a Unix socket. */
  | { readonly does: "connect unix"; readonly path: string; readonly outside: boolean };
