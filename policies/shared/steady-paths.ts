import { allow, calls, deny, policy } from "portcullis";

// io_uring is refused unless a policy names it.
const moving = calls("@mount", "setns", "open_by_handle_at");

/**
 * An absolute path leads to the same object for all processes of the tree, because they cannot mount, unmount or change
 * their root directory. Without this policy, a process can bypass a rule about the string of a path in a new user
 * namespace: it mounts its own file on the path.
 */
export default policy((call) => (moving.has(call) ? deny("EPERM", "would change where a path leads") : allow));
