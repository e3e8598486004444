/**
 * Compares a stateless call with the same call under a classic filter that allows everything: the kernel's
 * constant-action bitmap decides both, so the policy adds no cost.
 */
import { execFileSync } from "node:child_process";
import { amount } from "./support/amount.ts";
import { compare } from "./support/pairs.ts";

const loop = ["build/bench/loop", `${amount(2_000_000, 100)}`];

const nanoseconds = (command: string, ...words: string[]): number =>
  Number(execFileSync(command, words, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }));

for (const policy of ["children", "nginx"]) {
  await compare({
    bench: "static",
    case: `getppid under policies/${policy}.ts, against an allow-all filter`,
    unit: "ns/call",
    limit: "≤ 1.02",
    ours: () => nanoseconds("bin/portcullis", "run", "-q", "-p", `policies/${policy}.ts`, "--", ...loop),
    reference: () => nanoseconds("build/bench/allow_all", ...loop),
  });
}
