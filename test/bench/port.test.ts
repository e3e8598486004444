/**
 * Ports of measured servers: two processes never get the same one, the kernel gives none of them to a connection, and
 * fetch() connects to each.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { expect, it } from "vitest";
import { lowest } from "../../bench/support/port.ts";
import { folderOf } from "../cli/harness.ts";

/** Two independent choices of so many ports have some in common in all but one of a thousand runs. */
const count = 400;
const program = `
import { freePort } from "./bench/support/port.ts";
const ports = [];
for (let turn = 0; turn < ${count}; turn += 1) ports.push(await freePort());
console.log(JSON.stringify(ports));
process.stdin.resume();
`;

it("belong to one process", async () => {
  const file = join(folderOf({}), "program.mjs");
  const stdin = { contents: program, resolveDir: process.cwd(), loader: "ts" } as const;
  await build({ stdin, outfile: file, bundle: true, format: "esm", platform: "node", target: "node20" });
  const children = [1, 2].map(() => spawn(process.execPath, [file], { stdio: ["pipe", "pipe", "inherit"] }));
  const lines = children.map((child) => new Promise((resolve) => child.stdout.once("data", resolve)));
  const ports = (await Promise.all(lines)).flatMap((line) => JSON.parse(String(line)) as number[]);
  for (const child of children) child.stdin.end();
  expect(new Set(ports).size).toBe(2 * count);
  const [first] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/);
  expect(Math.max(...ports)).toBeLessThan(Number(first));
  expect(Math.min(...ports)).toBeGreaterThanOrEqual(lowest);
});

it("are those to which fetch() connects", async () => {
  const causeAt = (port: number) =>
    fetch(`http://127.0.0.1:${port}/`).then(
      () => undefined,
      ({ cause }) => cause.message as string,
    );
  expect(await causeAt(lowest - 1)).toBe("bad port");
  expect(await causeAt(lowest)).not.toBe("bad port");
});
