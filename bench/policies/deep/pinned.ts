import { allow, deny, policy } from "portcullis";

/** The same checks as bench/reference/pinning.c. */
export default policy((call) => {
  if (call.name === "openat" && call.args.path.text.startsWith("/forbidden/")) return deny("EACCES");
  return allow;
});
