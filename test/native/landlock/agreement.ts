/** Compares the model of Landlock's decisions (src/objects) with the kernel on random trials. */
import { execFileSync } from "node:child_process";
import { filesLayer } from "../../../src/objects/testing/layers.ts";
import { type Kinds, randomTrial } from "./random.ts";
import { differenceText, shrink } from "./shrink.ts";
import { compare, type Maker, type Trial } from "./trial.ts";

/** Compiles driver.c, freestanding as the launcher. */
export function compileDriver(driver: string): void {
  const sources = [
    "test/native/landlock/driver.c",
    ...["layers", "listing", "rules"].map((name) => `native/launcher/${name}.c`),
  ];
  const flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-static"];
  execFileSync("cc", [...flags, "-o", driver, ...sources], { stdio: "inherit" });
}

export interface Place {
  readonly driver: string;
  /** Its name is w: links of the trees lead to ../w. */
  readonly folder: string;
  /** Root runs the driver. */
  readonly privileged: boolean;
}

/** Whether this kernel asks for the right to make the whiteout of a rename. */
export function asksForWhiteouts({ driver, folder, privileged }: Place): boolean {
  const [from, to] = [`${folder}/a`, `${folder}/b`];
  const trial: Trial = {
    folder,
    privileged,
    before: [
      { step: "d", path: from, other: "" },
      { step: "f", path: `${from}/a`, other: "empty" },
      { step: "d", path: to, other: "" },
    ],
    after: [],
    objects: [filesLayer({ make: [to] })],
    operations: [{ does: "rename", from: `${from}/a`, to: `${to}/a`, flag: "whiteout" }],
  };
  return compare(driver, folder, 0, "model", [trial]).differences.length === 0;
}

const operationsOfTrial = 40;
export const trialsOfRun = 250;

export interface Agreement {
  readonly operations: number;
  /** The number of each kind of answer: `open: EACCES`. */
  readonly counts: ReadonlyMap<string, number>;
}

/** Runs `trials` of each seed as the user. Throws an error with the smallest trial that differs. */
export function agreement(
  { driver, folder }: Place,
  uid: number,
  maker: Maker,
  kinds: Omit<Kinds, "maker">,
  seeds: Iterable<number>,
  trials = trialsOfRun,
): Agreement {
  const counts = new Map<string, number>();
  let operations = 0;
  for (const seed of seeds) {
    const some = Array.from({ length: trials }, (_, index) =>
      randomTrial(seed * trials + index, folder, { ...kinds, maker }, operationsOfTrial),
    );
    const run = (tried: readonly Trial[]) => compare(driver, folder, uid, maker, tried);
    const compared = run(some);
    const [first] = compared.differences;
    if (first !== undefined) {
      const smallest = shrink(first, (trial) => run([trial]).differences[0]);
      throw new Error(differenceText(smallest, maker));
    }
    for (const [answer, count] of compared.counts) counts.set(answer, (counts.get(answer) ?? 0) + count);
    operations += compared.operations;
  }
  return { operations, counts };
}
