/** Folders in which processes that a test has left behind can still make files. */
import { rmSync } from "node:fs";
import { until } from "./patience.ts";

/** Removes the folder. The retries of rmSync look for no new files (Node 20, internal/fs/rimraf.js, _rmdirSync). */
export async function removeBusyFolder(folder: string): Promise<void> {
  await until(`${folder} is removed`, () => {
    try {
      rmSync(folder, { recursive: true, force: true });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
      return false;
    }
  });
}
