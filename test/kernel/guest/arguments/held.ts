// A policy whose verdict depends on a text that the kernel copies and searches.
import { allow, deny, policy } from "portcullis";

export default policy((call) =>
  call.name === "openat" && call.args.path.text.endsWith("bad") ? deny("EXDEV") : allow,
);
