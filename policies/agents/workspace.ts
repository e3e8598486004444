import { allow, parameter, policy } from "portcullis";

const workspace = parameter.path("workspace", { default: "/work" });

/**
 * The tree writes, makes and removes files in the workspace and in /tmp only. The kernel decides it on the files
 * themselves (Landlock), so no other name of a file helps. Metadata outside of it is not protected (docs/security.md).
 *
 * Cost: none per call.
 */
export default policy({ files: { write: [workspace, "/tmp"], runtime: true } }, () => allow);
