import { allow, parameter, policy } from "portcullis";

const programs = parameter.paths("programs", { default: ["/usr/bin/git", "/usr/lib/git-core"] });

/**
 * No process of the tree executes git, however it is started: from a shell, a script or a program. The kernel decides it on
 * the file itself (Landlock), so links to it are no way around; a copy of git is another file.
 *
 * Cost: none per call. Programs that are installed beside git after the start cannot be executed.
 */
export default policy({ files: { execute: ["/"], except: programs, runtime: true } }, () => allow);
