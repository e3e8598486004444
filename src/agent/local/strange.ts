/** Descriptors that a client has sent and that are not what they should be. */
import { close, nameOf } from "../../machine/descriptors.ts";
import { native } from "../../machine/native.ts";

/** Kinds of files that have no file server. */
const closesAtOnce = /^(?:socket|pipe|pidfd|anon_inode):/;

/** Closes it without a wait: the close of a file of FUSE or NFS asks its server (fs/fuse/file.c, fuse_flush()). */
export function closeStrange(descriptor: number): void {
  if (closesAtOnce.test(nameOf(descriptor) ?? "anon_inode:")) close(descriptor);
  // Without memory for a thread the descriptor stays open, which harms less than a wait.
  else native().closeApart(descriptor);
}
