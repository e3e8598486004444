/**
 * The results of bench/vulnerabilities.ts for one vulnerability, in a file: an interrupted run loses the last part
 * only.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { built } from "../../test/kernel/vm.ts";

export const engines = ["seccomp-ebpf", "notify"] as const;
export type Engine = (typeof engines)[number];
/** The policy under which a program runs. */
export type Under = Engine | "no policy";

export interface Attack {
  rounds: number;
  wins: number;
}

export interface Measured {
  /** The inputs of the measurement. */
  readonly of: string;
  /** Rounds until the pattern won without a policy, one number a run. */
  readonly needed: number[];
  readonly attacks: Partial<Record<Engine, Attack>>;
  /** Instructions for a round of the legitimate program. */
  readonly legitimate: Partial<Record<Under, number>>;
  /** Engines that cannot start the policy because they have no rooms. */
  readonly withoutRooms: Engine[];
}

const folder = "build/bench/vulnerabilities";
const fileOf = (name: string): string => `${folder}/${name}.json`;

/** Hashes the kernel, the policy and the program, but not portcullis itself. */
function identity(name: string): string {
  const hash = createHash("sha256").update(built("vulnerable"));
  const programs = "test/kernel/vulnerabilities";
  for (const file of [`policies/against/${name}.ts`, `${programs}/${name}.c`, `${programs}/pattern.h`])
    hash.update(readFileSync(file));
  return hash.digest("hex");
}

/** Returns the results of an earlier run with the same inputs, if `resume`; otherwise none. */
export function measuredOf(name: string, resume: boolean): Measured {
  const of = identity(name);
  const nothing = { of, needed: [], attacks: {}, legitimate: {}, withoutRooms: [] };
  if (!resume || !existsSync(fileOf(name))) return nothing;
  const found = JSON.parse(readFileSync(fileOf(name), "utf8")) as Measured;
  return found.of === of ? found : nothing;
}

export function keep(name: string, measured: Measured): void {
  mkdirSync(folder, { recursive: true });
  const fresh = `${fileOf(name)}.${process.pid}`;
  writeFileSync(fresh, `${JSON.stringify(measured)}\n`);
  renameSync(fresh, fileOf(name));
}
