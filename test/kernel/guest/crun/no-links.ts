// A filter that a confined process installs itself.
import { allow, deny, policy } from "portcullis";

export default policy((call) => {
  switch (call.name) {
    case "symlink":
    case "symlinkat":
      return deny("EMLINK", "links");
  }
  return allow;
});
