// A policy whose calls block as long as a test wants: open and creat of a pipe or of a file on FUSE.
import { allow, deny, perTree, policy } from "portcullis";

const patient = perTree.rooms({ sides: ["opening", "linking"], timeout: "60s", late: deny("EDEADLK") });
const hasty = perTree.rooms({ sides: ["creating", "removing"], timeout: "100ms", late: deny("EDEADLK") });

/** No symlink during open; no rmdir during creat. */
export default policy((call) => {
  if (call.name === "open") patient.enter("opening");
  if (call.name === "symlink") patient.enter("linking");
  if (call.name === "creat") hasty.enter("creating");
  if (call.name === "rmdir") hasty.enter("removing");
  return allow;
});
