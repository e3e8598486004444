/**
 * Measures requests per second of nginx (one worker) while its calls are recorded, against `strace -f` in the same run,
 * and the size of the recording. The load generator (wrk) has the other core, which it shares with the recorders.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { notifierRecorder } from "../src/record/notify/recorder.ts";
import { tracefsRecorder } from "../src/record/tracefs/recorder.ts";
import { amount } from "./support/amount.ts";
import { requestsPerSecond, type Server, start, stop } from "./support/nginx-server.ts";
import { pairs, print } from "./support/pairs.ts";

const bench = "record";
const folder = mkdtempSync(join(tmpdir(), "portcullis-bench-record-"));
const strace = await start(18_490, ["strace", "-f", "-o", join(folder, "strace")]);
const plain = await start(18_491, []);

/** Bytes of the file for each recorded call. */
function bytesPerCall(file: string): number {
  const calls = gunzipSync(readFileSync(file)).toString("latin1").split('"kind":"call"').length - 1;
  return statSync(file).size / calls;
}

async function row(recorder: string, port: number, limit: string, ...options: readonly string[]): Promise<void> {
  const file = join(folder, `${port}.trace`);
  const words = ["bin/portcullis", "record", "-q", "--recorder", recorder, ...options, "-o", file, "--"];
  const server: Server = await start(port, words);
  const name = [recorder, ...options].join(" ");
  try {
    const result = await pairs(
      amount(7, 1),
      () => requestsPerSecond(server),
      () => requestsPerSecond(strace),
    );
    print({ bench, case: `${name}, against strace -f`, unit: "requests/s", ...result, limit });
    const share = await pairs(
      amount(5, 1),
      () => requestsPerSecond(server),
      () => requestsPerSecond(plain),
    );
    print({ bench, case: `${name}, against none`, unit: "requests/s", ...share, informative: true });
  } finally {
    await stop(server);
  }
  print({ bench, case: `${name}, on disk`, unit: "bytes/call", ours: bytesPerCall(file), limit: "≤ 12" });
}

try {
  if (notifierRecorder.probe().works) await row("notifier", 18_492, "≥ 3");
  if (tracefsRecorder.probe().works) {
    await row("tracefs", 18_493, "≥ 10");
    await row("tracefs", 18_494, "≥ 10", "--no-memory");
  }
} finally {
  await stop(strace);
  await stop(plain);
  if (existsSync(folder)) rmSync(folder, { recursive: true });
}
