/** The limit of file sizes, which also limits the memory that portcullis shares with callers (memfd_create(2)). */
import { readProc } from "../../../machine/proc.ts";
import { StartError } from "../../launcher/start-error.ts";

/** Bytes of the largest such memory: DATA_SIZE of native/addon/pin/pin.h is below. */
const needed = 1 << 20;

/**
 * The front has raised the soft limit of this process (native/launcher/node.c).
 *
 * @throws StartError
 */
export function requireFileSize(): void {
  const limit = /^Max file size +(\d+)/m.exec(readProc("self/limits") ?? "")?.[1];
  if (limit === undefined || Number(limit) >= needed) return;
  throw new StartError(
    125,
    "the limit of file sizes is too low (ulimit -f): this policy judges memory behind pointers or has rooms, and for that portcullis needs files of 1 MiB",
    "ulimit -f unlimited; `ulimit -S -f` limits the command alone",
  );
}
