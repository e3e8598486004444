/** Why a file cannot be read or written, in words. */

const sentences: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  ELOOP: "its symbolic links form a loop",
  ENAMETOOLONG: "its name is too long",
  ENOTDIR: "a part of its path is not a directory",
  ENOSPC: "the disk is full",
  EDQUOT: "this user's quota is used up",
  EFBIG: "it would be larger than a file may be",
  EBADF: "it is not open for writing",
  EROFS: "the file system is read-only",
};

export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  return sentences[code] ?? code;
}

/** The code of a system call's error; so has an argument that Node refuses (a NUL in a path). */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
