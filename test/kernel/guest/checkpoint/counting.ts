// A policy with state of all kinds, for the checks of checkpoints.
import { allow, deny, perProcess, perTree, policy, tree } from "portcullis";

const made = perTree.counter();
const removed = perProcess.counter();
const gate = perTree.rooms({ sides: ["opening", "linking"], timeout: "100ms", late: deny("EDEADLK", "too late") });

/** Five directories for the tree, three removals for each process, three processes at once, no links, no symlink during open. */
export default policy((call) => {
  switch (call.name) {
    case "mkdir":
      made.add();
      return made.get() <= 5n ? allow : deny("EDQUOT", "directories");
    case "rmdir":
      removed.add();
      return removed.get() <= 3n ? allow : deny("EDQUOT", "removals");
    case "open":
      gate.enter("opening");
      return allow;
    case "symlink":
      gate.enter("linking");
      return allow;
    case "link":
      return deny("EMLINK", "links");
    case "fork":
      return tree.alive() < 3n ? allow : deny("EAGAIN", "processes");
    case "clone":
      return call.args.flags.has("CLONE_THREAD") || tree.alive() < 3n ? allow : deny("EAGAIN", "processes");
    case "clone3":
      return deny("ENOSYS", "its flags lie behind a pointer; glibc falls back to clone");
  }
  return allow;
});
