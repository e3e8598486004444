// Spelling of all that is ours: `npm run check -- spelling`. Words of this project and its field are in
// tools/words/project.txt; the names of system calls, arguments and flags come from the generated tables.
import { readFileSync } from "node:fs";

/** A list of ours, sorted, so that a word is found and is there once. */
function listOf(name) {
  const words = linesOf(`tools/words/${name}.txt`);
  const place = words.findIndex((word, at) => at > 0 && word <= words[at - 1]);
  if (place >= 0) throw new Error(`tools/words/${name}.txt is not sorted at "${words[place]}"`);
  return { name, path: `tools/words/${name}.txt` };
}
const linesOf = (file) =>
  readFileSync(new URL(file, import.meta.url), "utf8")
    .split("\n")
    .filter(Boolean);
const namesIn = (file) => linesOf(file).flatMap((line) => line.match(/[A-Za-z][A-Za-z]{2,}/g) ?? []);
const names = ["calls.ts", "flags.ts", "errno.ts"].flatMap((file) => namesIn(`src/abi/generated/${file}`));
const lists = ["tools/generate/newer.txt", "tools/generate/systemd-257.txt"].flatMap(namesIn);

export default {
  version: "0.2",
  language: "en,en-GB",
  useGitignore: true,
  enableGlobDot: true,
  dictionaries: ["cpp", "softwareTerms", "typescript", "node", "bash", "filetypes", "unixCommands", "project"],
  dictionaryDefinitions: [listOf("project"), listOf("wrong")],
  words: [...new Set([...names, ...lists])],
  ignorePaths: [
    ".git",
    // Folders of a test that runs.
    "test/{docs,types}/.*-*",
    "package-lock.json",
    // Names of the kernel, not text of ours.
    "src/abi/generated",
    "src/frontend/types/{calls,groups,names}.d.ts",
    "tools/generate/*.txt",
    "kernel/config*",
    // Written by others.
    "test/fixtures/oci",
    "LICENSE",
    "kernel/COPYING",
  ],
  overrides: [
    // Mistakes on purpose: what is typed wrong gets a suggestion.
    {
      filename: [
        "tools/words/wrong.txt",
        "**/*.test.ts",
        "test/language/rejected/**",
        "test/types/policies/**",
        "docs/{cli,language}.md",
      ],
      dictionaries: ["wrong"],
    },
    // Configurations and protocols of other programs: in texts, and their names as members.
    {
      filename: "bench/surface/servers/*.ts",
      ignoreRegExpList: ["/`[^`]*`/g", '/"[^"\\n]*"/g'],
    },
    // The message of a patch is ours; its code has the kernel's names.
    { filename: "**/*.patch", ignoreRegExpList: ["/^diff --git[\\s\\S]*/gm", "/^ .* \\| +\\d+ [-+]*$/gm"] },
  ],
};
