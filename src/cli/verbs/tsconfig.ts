/** `portcullis tsconfig`: prints the settings with which an editor checks policies against the published types. */
import { existsSync, realpathSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { packageRoot } from "../../machine/package.ts";
import { noMoreWords } from "../policy/arguments.ts";
import { failed, type Verb } from "../verb.ts";

export const tsconfig: Verb = {
  name: "tsconfig",
  synopsis: ["tsconfig"],
  about: [
    'Prints the settings with which an editor and tsc check the policies in the working directory: only the names of the language, and the types of portcullis. They work with and without a package.json, for every value of its "type".',
    "The settings extend policy.json of this portcullis: by the name portcullis/policy.json if node_modules has it, by a relative path inside a checkout, otherwise by its absolute path.",
    "portcullis itself reads no tsconfig.json.",
  ],
  options: {},
  exit: [
    ["0", "The settings were printed."],
    [String(failed), "There is a superfluous word."],
  ],
  examples: [["portcullis tsconfig > tsconfig.json", "In the folder with the policies"]],
  execute({ words }, context) {
    noMoreWords(words);
    const settings = { extends: settingsFor(context.workingDirectory), include: ["**/*.ts"] };
    context.out(`${JSON.stringify(settings, null, 2)}\n`);
    return Promise.resolve(0);
  },
};

/**
 * The name of policy.json for a tsconfig.json in this folder.
 *
 * @param here the working directory. The kernel gives its path without links; to follow it again can fail, if a folder
 *   above it may not be searched, or its name is not UTF-8.
 */
function settingsFor(here: string): string {
  const root = realpathSync(packageRoot());
  for (let above = here; ; above = dirname(above)) {
    const installed = join(above, "node_modules/portcullis/policy.json");
    if (existsSync(installed)) {
      if (realpathSync(installed) === join(root, "policy.json")) return "portcullis/policy.json";
      break;
    }
    if (dirname(above) === above) break;
  }
  const isInside = here === root || here.startsWith(root + sep);
  if (!isInside) return join(root, "policy.json");
  const path = relative(here, join(root, "policy.json"));
  return path.startsWith("..") ? path : `./${path}`;
}
