// No program starts another; a policy without state.
import { allow, deny, policy } from "portcullis";

export default policy((call) => {
  switch (call.name) {
    case "execve":
    case "execveat":
      return deny("EACCES", "programs");
  }
  return allow;
});
