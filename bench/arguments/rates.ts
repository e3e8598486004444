/**
 * Rates of a server under each form of its list: on this machine, where the supervisor of the engine `notify` remembers,
 * and in a machine with the patched kernel, whose program does.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { amount } from "../support/amount.ts";
import { machineWithUs } from "../support/end-with-us.ts";
import { compareForms, type Rates } from "../surface/rounds.ts";
import type { Server } from "../surface/server.ts";

export type FormRates = Readonly<Record<"libseccomp" | "searching" | "remembering", Rates>>;

const rounds = amount(6, 1);

/** @param folder has the files of `writeForms` */
export async function ratesUnder(
  server: Server,
  folder: string,
  engine: "notify" | "seccomp-ebpf",
): Promise<FormRates> {
  const { libseccomp, searching, remembering } = await compareForms(server, commandsOf(folder, engine), rounds);
  return { libseccomp, searching, remembering };
}

function commandsOf(folder: string, engine: "notify" | "seccomp-ebpf") {
  const under = (policy: string) => [
    "bin/portcullis",
    "run",
    "-q",
    "--no-denial-events",
    "--engine",
    engine,
    "-p",
    policy,
    "--",
  ];
  return {
    none: [],
    libseccomp: ["build/bench/filtered", `${folder}/libseccomp.filter`],
    searching: under(`${folder}/searching.ts`),
    remembering: under(`${folder}/remembering.ts`),
  };
}

export const hasPatchedKernel = (): boolean => spawnSync("kernel/build", ["--path", "patched"]).status === 0;

/** Measures a server's rates for the host, if the environment says that this process runs in the virtual machine. */
export const guestVariable = "PORTCULLIS_BENCH_GUEST";

/** Runs this benchmark's program again in the machine, which sees the folder. */
export function ratesInMachine(server: Server, folder: string): FormRates {
  const words = ["run", "--kernel", "patched", "--timeout", "3600", "--memory", "3072"];
  const environment = [`${guestVariable}=${server.name} ${folder}`];
  for (const name of ["PORTCULLIS_BENCH_SMOKE"]) environment.push(`${name}=${process.env[name] ?? ""}`);
  const given = environment.flatMap((one) => ["--env", one]);
  const [vm, ...tied] = machineWithUs;
  const text = execFileSync(vm, [...tied, ...words, ...given, "--", "node", "build/bench/arguments.mjs"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(text) as FormRates;
}

/** Instructions that the kernel takes for a call of the mix, under each form and without a filter. */
export type Costs = Readonly<Record<"none" | "libseccomp" | "searching" | "remembering", number>>;

/** The commands that measure the mix of calls in a machine whose clock counts instructions. */
export function costCommands(folder: string): Readonly<Record<keyof Costs, readonly string[]>> {
  const { none, libseccomp, searching, remembering } = commandsOf(folder, "seccomp-ebpf");
  const mixed = ["build/bench/mixed", `${folder}/mix`];
  return {
    none: [...none, ...mixed],
    libseccomp: [...libseccomp, ...mixed],
    searching: [...searching, ...mixed],
    remembering: [...remembering, ...mixed],
  };
}
