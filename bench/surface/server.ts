/**
 * The type of a measured server: how it is configured, started, found ready, loaded and stopped. Each server is a file
 * of servers/.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import type { Cut } from "./columns.ts";
import type { Site } from "./site.ts";

/** A named part of the load. It waits for the responses, so that their calls are in the recording. */
export interface Feature {
  readonly name: string;
  load(): Promise<void>;
}

/** A configuration of a server in a folder and on ports of its own. */
export interface Instance {
  /** Stays in the foreground. */
  readonly command: readonly string[];
  /** The file to which the server writes its pid; SIGTERM ends that process. */
  readonly pidFile: string;
  /** Rejects while the server does not serve. */
  ready(): Promise<void>;
  readonly features: readonly Feature[];
  /**
   * Loads the server for about a second with a generator that the recordings do not have; returns the number of
   * requests.
   */
  burst(): number;
}

/** Calls in initialisation, in serving, in both, and in either, and 1 − init/union in per cent. */
export interface Published {
  readonly init: number;
  readonly serving: number;
  readonly common: number;
  readonly union: number;
  readonly reduction: number;
}

export interface Server {
  /** The name in the paper. */
  readonly name: string;
  /** Packages of Debian. */
  readonly packages: readonly string[];
  /** Programs that the server and its load need, and paths of modules. */
  readonly programs: readonly string[];
  /** The program that serves, an ELF file for the static bound. */
  readonly program: string;
  /** The package and the program that generates the load of `burst`. */
  readonly generator: readonly [packageName: string, program: string];
  readonly published: Published;
  /** The event that begins serving. */
  readonly cut: Cut;
  /** The first call of the function at which the paper's analysis begins serving. */
  readonly paperCut: Cut;
  /** Explanations of unusual figures. */
  readonly remarks?: readonly string[];
  configure(site: Site): Promise<Instance>;
}

/** A path is that of a file, executable or not. */
export function isInstalled(program: string): boolean {
  return program.startsWith("/") ? existsSync(program) : spawnSync("which", [program]).status === 0;
}

export function missingPrograms({ programs }: Pick<Server, "programs">): string[] {
  return programs.filter((program) => !isInstalled(program));
}

/** Also the program that generates the load. */
export function missingForLoad({ programs, generator }: Server): string[] {
  return missingPrograms({ programs: [...programs, generator[1]] });
}
