/** Finds the case files of a policy: web.cases and web.reload.cases are beside web.ts (or web.json). */
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { diagnostic } from "../diagnostics/catalogue.ts";
import { Failure } from "./verb.ts";

/** @throws Failure if the folder cannot be read */
export function findCaseFiles(policy: string): readonly string[] {
  const stem = basename(policy).replace(/\.(?:ts|json)$/, "");
  return listFolder(dirname(policy))
    .filter((name) => name.endsWith(".cases") && name.startsWith(`${stem}.`))
    .map((name) => join(dirname(policy), name));
}

/** The names in a folder, sorted. @throws Failure */
export function listFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    throw new Failure([
      diagnostic("P0901", `${folder} cannot be read: ${error instanceof Error ? error.message : error}`),
    ]);
  }
}
