/** The load generator of the benchmarks: what it prints, and servers that respond late, refuse, or close connections. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { readReport, wrk } from "../../bench/support/wrk.ts";

/** Serves in a process of its own, because wrk() waits; `handle` is the body of its function. Returns the origin. */
async function served(handle: string): Promise<string> {
  const program = `
require("node:http")
  .createServer((request, response) => { ${handle} })
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
  const { requests, requestsPerSecond } = wrk([], await served('setTimeout(() => response.end("x"), 1500)'));
  expect(requests).toBeGreaterThan(0);
  expect(requestsPerSecond).toBeGreaterThan(0);
});

it("refuses the rate of error pages", async () => {
  const origin = await served("response.writeHead(404).end()");
  expect(() => wrk([], origin)).toThrow(/requests failed:.*Non-2xx/s);
});

it("counts only responses of a server that closes kept connections", async () => {
  const closing = `
    const { socket } = request;
    socket.count = (socket.count ?? 0) + 1;
    if (socket.count % 5 === 0) socket.destroy();
    else response.end("x");`;
  const load = wrk([], await served(closing));
  expect(load.requests).toBeGreaterThan(0);
  expect(load.repeated).toBeGreaterThan(0);
});

describe("what wrk prints", () => {
  const head = `Running 1s test @ http://127.0.0.1:8080/index.html
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   766.55us    1.28ms  31.54ms   97.44%
    Req/Sec    21.17k     2.66k   24.61k    80.00%
  21084 requests in 1.00s, 24.03MB read
`;
  const tail = `Requests/sec:  21079.33
Transfer/sec:     24.02MB
`;
  const none = { requests: 21084, requestsPerSecond: 21079.33, refused: 0, unconnected: 0, late: 0, repeated: 0 };

  it("has no line of errors if there are none", () => {
    expect(readReport(head + tail)).toEqual(none);
  });

  it("has each kind of error", () => {
    const errors = `  Socket errors: connect 2, read 114, write 3, timeout 5
  Non-2xx or 3xx responses: 7
`;
    expect(readReport(head + errors + tail)).toEqual({ ...none, refused: 7, unconnected: 2, late: 5, repeated: 117 });
  });

  it("without a rate is refused", () => {
    expect(() => readReport("unable to connect to 127.0.0.1:1 Connection refused\n")).toThrow(/no rate:.*unable/s);
    expect(() => readReport(head)).toThrow("no rate");
  });
});
