/** A word for a POSIX shell, quoted where that is needed. Line ends stay: the caller excludes what a terminal would obey. */
export function shellWord(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
