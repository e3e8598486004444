/** The load generator of the benchmarks, at a server that responds late or refuses. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it, onTestFinished } from "vitest";
import { wrk } from "../../bench/support/wrk.ts";

/** Serves in a process of its own, because wrk() waits. Returns the origin. */
async function served(status: number, delay: number): Promise<string> {
  const program = `
require("node:http")
  .createServer((_, response) => setTimeout(() => response.writeHead(${status}).end("x"), ${delay}))
  .listen(0, "127.0.0.1", function () { console.log(this.address().port); });
process.stdin.resume().on("end", () => process.exit());
`;
  const server: ChildProcess = spawn(process.execPath, ["-e", program], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => {
    server.kill("SIGKILL");
  });
  const [port] = (await once(server.stdout!, "data")) as [Buffer];
  return `http://127.0.0.1:${String(port).trim()}/`;
}

it("waits for a server that sends no response in the first second", async () => {
  const { requests, requestsPerSecond } = wrk([], await served(200, 1500));
  expect(requests).toBeGreaterThan(0);
  expect(requestsPerSecond).toBeGreaterThan(0);
});

it("refuses the rate of error pages", async () => {
  const origin = await served(404, 0);
  expect(() => wrk([], origin)).toThrow(/requests failed:.*Non-2xx/s);
});
