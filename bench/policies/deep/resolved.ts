import { allow, deny, policy } from "portcullis";

/** The same checks as bench/reference/pinning.c --on-behalf; here links are followed before the path is judged. */
export default policy((call) => {
  if (call.name === "openat" && call.args.path.resolved.under("/forbidden")) return deny("EACCES");
  return allow;
});
