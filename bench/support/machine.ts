/** Runs commands under a kernel of kernel/, in a virtual machine whose clock counts instructions. */
import { execFileSync } from "node:child_process";
import { machineWithUs } from "./end-with-us.ts";

/**
 * Runs commands sequentially in one machine with --icount; each prints a number. Throws an error with the output if one
 * does not. `append` has words for the kernel's command line.
 */
export function instructions<Case extends string>(
  kernel: "stock" | "patched" | "dynamic",
  cases: Readonly<Record<Case, readonly string[]>>,
  append: readonly string[] = [],
): Record<Case, number> {
  const names = Object.keys(cases) as Case[];
  const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(" ");
  const script = [
    // The opened file is in memory, so that no other file system's work is counted.
    `: >${opened}`,
    ...names.map((name, index) => `value=$(${quoted(cases[name])}) || exit 1; echo ${index} $value`),
  ].join("\n");
  const appended = append.flatMap((word) => ["--append", word]);
  const words = ["run", "--kernel", kernel, "--icount", "--timeout", "3600", ...appended, "--", "sh", "-c", script];
  const [vm, ...tied] = machineWithUs;
  const text = execFileSync(vm, [...tied, ...words], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  const values = new Map(text.split("\n").map((line) => line.split(" ") as [string, string]));
  const entries = names.map((name, index) => {
    const value = Number(values.get(`${index}`) ?? Number.NaN);
    if (!Number.isFinite(value)) throw new Error(`${quoted(cases[name])} printed no number: ${text}`);
    return [name, value] as const;
  });
  return Object.fromEntries(entries) as Record<Case, number>;
}

/** The file for the measurement of openat. */
export const opened = "/dev/shm/opened";
