// Files for Landlock, which no process can enter for another.
import { allow, deny, perTree, policy } from "portcullis";

const removed = perTree.flag();

export default policy({ files: { write: ["/tmp"], runtime: true } }, (call) => {
  if (call.name !== "rmdir") return allow;
  if (removed.get()) return deny("EPERM");
  removed.set(true);
  return allow;
});
