/** The executable memory that a process can still make behind the triggers, and the files of it: modules that load late. */
import type { Permissions, State } from "./permissions.ts";
import { executableMemory, isSensitive } from "./sensitive.ts";

export interface LateExecutable {
  readonly role: string;
  readonly phase: State["phase"];
  /** The files that were mapped; "" for one of an unknown path. Empty if the process changed memory of its own. */
  readonly files: readonly string[];
}

export function lateExecutables({ states, calls }: Permissions): readonly LateExecutable[] {
  const grants = calls
    .filter(({ call }) => executableMemory.includes(call))
    .flatMap((use) => use.grants)
    .filter(({ signature }) => isSensitive(signature));
  return states
    .filter((state) => state.phase !== "starting" && grants.some((grant) => grant.states.has(state)))
    .map(({ role, phase, mapped }) => ({ role: role.name, phase, files: [...mapped].sort() }));
}

const mostNamed = 3;

/** @param both the paths that declarations permit to read and to write; undefined without declarations */
export function describeExecutables(permissions: Permissions, both: readonly string[] | undefined): readonly string[] {
  const late = lateExecutables(permissions);
  if (late.length === 0)
    return [`no process can make executable memory${permissions.triggers.size > 0 ? " behind its trigger" : ""}`];
  const whole = late.filter(({ phase }) => phase === undefined).map(({ role }) => role);
  const lines = late
    .filter(({ phase }) => phase !== undefined)
    .map(({ role, phase, files }) => `  ${role} while it is ${phase}: ${filesText(files)}`);
  if (whole.length > 0) lines.push(`  always, because it has no phases: ${whole.join(", ")}`);
  const remedy =
    both === undefined
      ? "they can execute a file that they can write: load modules before the trigger, or propose --files"
      : both.length === 0
        ? "the files that they can write are not those that they can read"
        : `they can execute a file that they write in ${both.join(", ")}`;
  return ["processes can make executable memory (PROT_EXEC)", ...lines, ...describePreload(late), `  ${remedy}`];
}

/** A library in a folder that ld.so searches by default. A module of a program, in a folder below, may need its symbols. */
const library = /^\/(?:usr\/)?lib(?:64|32|\/[a-z0-9_]+-linux-gnu[a-z0-9_]*)?\/[^/]+\.so(?:\.[0-9.]+)?$/;

/**
 * How roles map no file after the trigger. glibc does not map a library again that is loaded when dlopen names it or
 * its file (elf/dl-load.c), and LD_PRELOAD loads it at the start.
 */
function describePreload(late: readonly LateExecutable[]): readonly string[] {
  const roles = late.filter(
    ({ phase, files }) => phase !== undefined && files.length > 0 && files.every((file) => library.test(file)),
  );
  const libraries = [...new Set(roles.flatMap(({ files }) => files))];
  if (libraries.length === 0 || libraries.length > mostNamed) return [];
  const names = [...new Set(roles.map(({ role }) => role))].join(", ");
  return [`  not ${names}, if it is recorded and run with LD_PRELOAD=${libraries.join(":")} in its environment`];
}

function filesText(files: readonly string[]): string {
  if (files.length === 0) return "memory of its own, as a compiler does";
  const named = files.slice(0, mostNamed).map((file) => file || "a file of an unknown path");
  const rest = files.length - named.length;
  return `${named.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}, loaded late`;
}
