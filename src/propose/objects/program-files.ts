/** Who can put programs into the directories of this machine, and which are there. */
import { statSync } from "node:fs";
import type { ProgramFiles } from "../searches.ts";
import { realPath } from "./machine.ts";

/** inode(7): S_IWGRP and S_IWOTH. */
const othersWrite = 0o022;

export const programFiles: ProgramFiles = {
  // Who can replace a link that leads to a directory puts files in it.
  isProtected: (directory) => [directory, realPath(directory)].every(isOfRootAlone),
  isMissing(path) {
    try {
      statSync(path);
      return false;
    } catch (error) {
      return isAbsence(error);
    }
  },
};

function isOfRootAlone(directory: string): boolean {
  const names = directory.split("/").slice(1);
  for (let count = 0; count <= names.length; count++) {
    try {
      const { uid, mode } = statSync(`/${names.slice(0, count).join("/")}`);
      if (uid !== 0 || (mode & othersWrite) !== 0) return false;
    } catch (error) {
      // Root alone can make it.
      return isAbsence(error);
    }
  }
  return true;
}

function isAbsence(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
