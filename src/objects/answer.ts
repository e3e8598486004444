/** Answers about operations on objects: permitted, or which declaration denies them. */

import type { FileRight, PortRight, ScopeRight } from "../abi/landlock.ts";
import type { FileList, ObjectLayer, PathRule, ProtectedPath } from "../ir/objects.ts";

export type PortSetting = `${"tcp" | "udp"}.${"bind" | "connect"}`;
export type ObjectSetting = `files.${FileList}` | "files.protect" | PortSetting | "unix.connect" | "scope";

/** The declarations permit the operation. The kernel can still refuse it for other reasons. */
export interface Permitted {
  readonly is: "permitted";
}

export interface Denied {
  readonly is: "denied";
  /** EXDEV: a move or a link to another directory, where the file would have more rights, or without the right `refer`. */
  /** EROFS: the file is protected, EBUSY: it, or a directory above it, would be renamed or removed. */
  readonly errno: "EACCES" | "EXDEV" | "EPERM" | "EROFS" | "EBUSY";
  /** An index into `Program.objects`, and the layer of this index. */
  readonly layer: number;
  readonly declared: ObjectLayer;
  readonly right: FileRight | PortRight | ScopeRight;
  /** The setting that does not have the object. */
  readonly setting: ObjectSetting;
  /** With `files.protect`: the protected path that is changed; undefined if a directory above one is moved or removed. */
  readonly protects?: ProtectedPath | undefined;
  /** A file would have this right in its new directory, and does not have it in its old one. */
  readonly gains: boolean;
  /** The list has a directory above the object, and this is why that does not suffice. */
  readonly exception: Exception | undefined;
}

export interface Exception {
  readonly rule: PathRule;
  /** `above`: the object is a directory above the exception, or an entry of one that was made after the start. */
  readonly position: "below" | "above";
}

export type Answer = Permitted | Denied;

export const permitted: Permitted = { is: "permitted" };
