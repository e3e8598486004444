// What a container's command and its `exec` count together, and what each process counts alone.
import { allow, deny, perProcess, perTree, policy, tree, type Verdict } from "portcullis";

const made = perTree.counter();
const removed = perProcess.counter();

function birth(): Verdict {
  return tree.alive() < 6n ? allow : deny("EAGAIN", "processes");
}

/** Five directories for the container, one removal for each process, six processes at once. */
export default policy((call) => {
  switch (call.name) {
    case "mkdir":
      made.add();
      return made.get() <= 5n ? allow : deny("EDQUOT", "directories");
    case "rmdir":
      removed.add();
      return removed.get() <= 1n ? allow : deny("EDQUOT", "removals");
    case "fork":
    case "vfork":
      return birth();
    case "clone":
      return call.args.flags.has("CLONE_THREAD") ? allow : birth();
    case "clone3":
      return deny("ENOSYS", "its flags lie behind a pointer; glibc falls back to clone");
  }
  return allow;
});
