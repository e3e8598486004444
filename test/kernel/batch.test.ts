/** The program that runs commands in the machine (guest/batch.mjs), on this machine. */
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { patience } from "../support/patience.ts";
import type { Command, Outcome } from "./vm.ts";

function outcomesOf(commands: readonly Command[]): Outcome[] {
  const input = commands.map((command) => `${JSON.stringify({ timeout: patience.command / 1000, ...command })}\n`);
  const ran = spawnSync(process.execPath, ["test/kernel/guest/batch.mjs"], { encoding: "utf8", input: input.join("") });
  return ran.stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Outcome);
}

it("runs a command with its input to its end", () => {
  const [outcome] = outcomesOf([{ words: ["sh", "-c", "cat; echo wrong >&2; exit 3"], input: "text" }]);
  expect(outcome).toEqual({ status: 3, signal: null, stdout: "text", stderr: "wrong\n" });
});

it("starts a service once, which answers each line", () => {
  const words = ["sh", "-c", 'while read -r line; do echo "$$ $line"; done'];
  const ask = (input: string) => ({ words, input, service: true });
  const [first, other, second] = outcomesOf([ask("a"), { words: ["echo", "between"] }, ask("b")]);
  const [pid] = first!.stdout.split(" ");
  expect(first).toEqual({ status: 0, signal: null, stdout: `${pid} a`, stderr: "" });
  expect(other).toMatchObject({ stdout: "between\n" });
  expect(second).toMatchObject({ status: 0, stdout: `${pid} b` });
});

it("reports the end of a service, and starts another for the next line", () => {
  const script =
    'read -r line; case "$line" in end) echo "why" >&2; exit 0;; die) kill -9 $$;; *) echo "$line";; esac; cat';
  const ask = (input: string) => ({ words: ["sh", "-c", script], input, service: true });
  const outcomes = outcomesOf([ask("end"), ask("die"), ask("a"), { words: ["/missing"], input: "", service: true }]);
  expect(outcomes).toEqual([
    { status: 1, signal: null, stdout: "", stderr: "why\n" },
    { status: null, signal: "SIGKILL", stdout: "", stderr: "" },
    { status: 0, signal: null, stdout: "a", stderr: "" },
    { status: null, signal: null, stdout: "", stderr: expect.stringContaining("ENOENT") },
  ]);
});
