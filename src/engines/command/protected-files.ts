/**
 * Protected files that were missing when the command started: a mount needs a file, so they were not protected. The person who
 * started the command learns at its end which of them it made.
 */
import { lstatSync, rmdirSync } from "node:fs";
import { dirname } from "node:path";
import type { Ruleset } from "../../backend/landlock/rulesets.ts";

export class ProtectedFiles {
  readonly #missing: readonly string[];
  /** Directories that the launcher makes. */
  readonly #made: readonly string[];

  /** Looks at the files before the command starts. */
  constructor(rulesets: readonly Ruleset[]) {
    const rules = rulesets.flatMap(({ rules: all }) => all.flatMap((rule) => (rule.is === "protect" ? [rule] : [])));
    const missing = rules.filter(({ path }) => typeOf(path) === undefined);
    const isMade = ({ path, isDirectory }: (typeof rules)[number]) =>
      isDirectory && typeOf(dirname(path)) === "directory";
    this.#made = missing.filter(isMade).map(({ path }) => path);
    this.#missing = missing.filter((rule) => !isMade(rule)).map(({ path }) => path);
  }

  /** Removes the launcher's directories, and returns the files that exist now. */
  end(): readonly string[] {
    for (const directory of this.#made) {
      try {
        rmdirSync(directory);
      } catch {
        // A program outside the tree uses it, or has removed it.
      }
    }
    return this.#missing.filter((path) => typeOf(path) !== undefined);
  }
}

function typeOf(path: string): "directory" | "other" | undefined {
  try {
    return lstatSync(path).isDirectory() ? "directory" : "other";
  } catch {
    return undefined;
  }
}
