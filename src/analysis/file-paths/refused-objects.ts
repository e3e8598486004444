/**
 * The constant paths of objects (`resolved`) whose match refuses something, where the policy lets the tree give such an
 * object another path: a rename of it or of a directory above it, and for `under` also a hard link to a file in it. A hard
 * link is the same object for `is`. Mounts do not count: they need privileges, or a mount namespace of their own, whose callers
 * the engine refuses.
 *
 * The policy can judge these calls by the strings of their paths only, which have other forms for the same object. So a
 * call counts as refused if the policy refuses it whatever its paths are.
 */

import { callByName } from "../../abi/calls.ts";
import { holds } from "../../ir/intervals.ts";
import type { Program } from "../../ir/program.ts";
import { View } from "../lint/view.ts";
import { type AllowedPath, comparedPaths } from "./allowed-paths.ts";

export interface RefusedObject extends Pick<AllowedPath, "path" | "shown"> {
  /** The calls by which the tree can give it another path, if the permissions of the files allow it. */
  readonly calls: readonly string[];
}

const renames: readonly string[] = ["rename", "renameat", "renameat2"];
const hardLinks: readonly string[] = ["link", "linkat"];

/** Each once, in the order of the program. */
export function refusedObjects(program: Program): readonly RefusedObject[] {
  const refused = comparedPaths(program, "refuses", "objects");
  if (refused.length === 0) return [];
  const view = new View(program);
  const passing = (names: readonly string[]) => names.filter((name) => mayPass(view, name));
  const [renaming, linking] = [passing(renames), passing(hardLinks)];
  return refused.flatMap(({ path, shown, object }) => {
    const calls = object === "under" ? [...renaming, ...linking] : renaming;
    return calls.length === 0 ? [] : [{ path, shown, calls }];
  });
}

function mayPass(view: View, name: string): boolean {
  const { admission, architecture } = view.program;
  const number = callByName(name)!.number[architecture];
  if (number === undefined) return false;
  if (holds(admission.always, BigInt(number))) return true;
  return view.possible(name).some((verdict) => !view.isDenial(verdict));
}
