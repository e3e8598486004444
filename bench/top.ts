/**
 * Measures the cost of `run --status` for a supervised call: getppid under a policy with state for each process,
 * without readers, with the greatest number of readers, and with one that reads nothing, against the same run without a
 * status.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { amount } from "./support/amount.ts";
import { callers, confined, measured } from "./support/confined.ts";
import { compare } from "./support/pairs.ts";

const calls = amount(200_000, 2_000);
const policy = "bench/policies/counting-each.ts";
const folder = mkdtempSync(join(tmpdir(), "portcullis-bench-"));
const socket = join(folder, "s");

const plain = (): number => measured(confined(policy, callers(calls))) / calls;

/** Measures with this number of readers, which connect as soon as the socket exists. */
async function withReaders(count: number, reads: boolean): Promise<number> {
  const [file, ...words] = confined(policy, callers(calls));
  const child = spawn(file!, [words[0]!, "--status", socket, ...words.slice(1)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  const readers: Socket[] = [];
  const come = setInterval(() => {
    if (!existsSync(socket)) return;
    clearInterval(come);
    for (let index = 0; index < count; index++) {
      const reader = connect(socket).on("error", () => {});
      if (reads) reader.resume();
      readers.push(reader);
    }
  }, 5);
  await new Promise((ended) => child.once("close", ended));
  clearInterval(come);
  for (const reader of readers) reader.destroy();
  if (text.trim() === "") throw new Error(`${file} printed no number`);
  return Number(text) / calls;
}

const row = { bench: "top", unit: "ns/call", reference: plain, count: 5 } as const;
try {
  await compare({ ...row, case: "a status without readers", limit: "≤ 1.05", ours: () => withReaders(0, true) });
  await compare({ ...row, case: "eight readers", limit: "≤ 1.1", ours: () => withReaders(8, true) });
  await compare({ ...row, case: "a reader that has stopped", limit: "≤ 1.05", ours: () => withReaders(1, false) });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
