import { allow, deny, policy } from "portcullis";

/** What bench/reference/pinning.c does. */
export default policy((call) => {
  if (call.name === "openat" && call.args.path.text.startsWith("/forbidden/")) return deny("EACCES");
  return allow;
});
