import { parameter } from "portcullis";

/**
 * The tree opens files of proc file systems for reading only, so a process cannot write to the memory of another
 * (/proc/PID/mem). The launcher enforces it with Landlock (Linux 5.19) on the object that an open reaches, so no link,
 * descriptor or mount leads around it, and no call costs more. Without Landlock the command does not start.
 *
 * The consequences are those of any Landlock domain with rules about files (docs/security.md, "One user"): mount(2) and the
 * like fail, new files directly in / cannot be written, and programs cannot change /proc/self/oom_score_adj or /proc/sys.
 * `--set read-only-proc=false` permits all of this again.
 */
export const readOnlyProc = parameter.flag("read-only-proc", { default: true });
