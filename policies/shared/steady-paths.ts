import { allow, calls, deny, policy } from "portcullis";

// io_uring is refused where a policy does not name it.
const moving = calls("@mount", "setns", "open_by_handle_at");

/**
 * An absolute path leads the whole tree to where it led the command: nothing is mounted or unmounted, and no process
 * has another root directory. Without this rule a rule about the text of a path means nothing to a process that makes a
 * user namespace: it mounts a file of its own on the path.
 */
export default policy((call) => (moving.has(call) ? deny("EPERM", "would change where a path leads") : allow));
