/** The type of a measured server: how it is configured, started, found to serve, loaded and stopped. Each is a file of servers/. */
import { spawnSync } from "node:child_process";
import type { Cut } from "./columns.ts";
import type { Site } from "./site.ts";

/** A named part of the load. Its parts wait for the responses, so that their calls are in the recording. */
export interface Feature {
  readonly name: string;
  load(): Promise<void>;
}

/** A configuration of a server in a folder and on ports of its own. */
export interface Instance {
  /** Stays in the foreground. */
  readonly command: readonly string[];
  /** Written by the server; its process is ended by SIGTERM. */
  readonly pidFile: string;
  /** Rejects while the server does not serve. */
  ready(): Promise<void>;
  readonly features: readonly Feature[];
  /** Loads the server for about a second with a generator that the recordings do not have; the number of requests. */
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
  /** As the paper names it. */
  readonly name: string;
  /** Of Debian. */
  readonly packages: readonly string[];
  /** Programs without which the server or its load does not run. */
  readonly programs: readonly string[];
  /** The program that serves, an ELF file for the static bound. */
  readonly program: string;
  /** The package and the program that generates the load of `burst`. */
  readonly generator: readonly [packageName: string, program: string];
  readonly published: Published;
  /** Where serving begins. */
  readonly cut: Cut;
  /** Where the paper's analysis has it begin: the first call of the function that its authors name. */
  readonly paperCut: Cut;
  /** What its figures do not explain by themselves. */
  readonly remarks?: readonly string[];
  configure(site: Site): Promise<Instance>;
}

export function isInstalled(program: string): boolean {
  return spawnSync("which", [program]).status === 0;
}

export function missingPrograms({ programs }: Server): string[] {
  return programs.filter((program) => !isInstalled(program));
}
