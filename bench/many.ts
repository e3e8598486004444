/**
 * Measures 64 processes that make supervised calls concurrently: calls per second, against the C supervisor. Then the
 * supervisor's memory for one more supervised process.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { amount } from "./support/amount.ts";
import { callers, confined, measured, underC } from "./support/confined.ts";
import { compare, print } from "./support/pairs.ts";

const processes = amount(64, 4);
const calls = amount(1_000, 10);
const command = callers(calls, processes);
const perSecond = (words: readonly string[]) => () => (processes * calls) / (measured(words) / 1e9);

for (const policy of ["counting", "counting-each"]) {
  await compare({
    bench: "many",
    case: `${processes} processes, policy ${policy}, against the C supervisor`,
    unit: "calls/s",
    limit: "≥ 0.75",
    ours: perSecond(confined(`bench/policies/${policy}.ts`, command)),
    reference: perSecond(underC(command)),
  });
}

const few = 50;
const many = amount(1_050, 60);
const memory = async (idle: number): Promise<number> => {
  const [file, ...words] = confined("bench/policies/counting-each.ts", [
    "build/native/reference/callers",
    "1",
    `-${idle}`,
  ]);
  const child = spawn(file!, words, { stdio: ["pipe", "pipe", "inherit"] });
  await new Promise((ready) => child.stdout.once("data", ready));
  const bytes = residentBytes(child);
  child.stdin.end();
  await new Promise((ended) => child.once("exit", ended));
  return bytes;
};
const small = await memory(few);
const large = await memory(many);
print({
  bench: "many",
  case: "memory for each process under supervision",
  ours: (large - small) / (many - few),
  unit: "bytes",
  informative: true,
});

function residentBytes(child: ChildProcess): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"));
  return Number(match?.[1]) * 1024;
}
