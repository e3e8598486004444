/** No new executable memory, and a rule about a path, so that calls are pinned. */
import { allow, deny, policy } from "portcullis";

export default policy((call) => {
  if (call.name === "mmap" && call.args.prot.has("PROT_EXEC")) return deny("EACCES");
  return call.name === "openat" && call.args.path.text.is("/forbidden") ? deny("EPERM") : allow;
});
