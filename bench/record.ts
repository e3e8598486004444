/**
 * Measures requests per second of nginx (one worker) while its calls are recorded, against `strace -f` in the same run,
 * and the size of the recording. The load generator (wrk) has the other core, which it shares with the recorders. The
 * recorder `ring` is measured in a machine with the kernel's series, against strace there, as root and as an ordinary user.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { notifierRecorder } from "../src/record/notify/recorder.ts";
import { ringRecorder } from "../src/record/ring/recorder.ts";
import { tracefsRecorder } from "../src/record/tracefs/recorder.ts";
import { amount, isSmoke } from "./support/amount.ts";
import { requestsPerSecond, type Server, start, stop } from "./support/nginx-server.ts";
import { pairs, print, type Row } from "./support/pairs.ts";

const bench = "record";
const folder = mkdtempSync(join(tmpdir(), "portcullis-bench-record-"));
/** The machine measures this recorder only. */
const only = process.env["PORTCULLIS_BENCH_RECORDER"];
const strace = await start(18_490, ["strace", "-f", "-o", join(folder, "strace")]);
const plain = await start(18_491, []);

/** The size of the file divided by the number of recorded calls. */
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

/** Runs this benchmark in a machine with the kernel's series, for the recorder `ring`, and prints its rows. */
function inMachine(): void {
  const env = { PORTCULLIS_BENCH_RECORDER: "ring", PORTCULLIS_BENCH_SMOKE: isSmoke ? "1" : "" };
  const given = Object.entries(env).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
  for (const [who, uid] of [
    ["root", "0"],
    ["an ordinary user", "65534"],
  ] as const) {
    const words = ["run", "--user", uid, "--timeout", "3600", ...given, "--", "node", "build/bench/record.mjs"];
    const text = execFileSync("kernel/vm", words, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    for (const line of text.split("\n").filter((one) => one.startsWith("{"))) {
      const found = JSON.parse(line) as Row;
      print({ ...found, case: `in the machine, as ${who}: ${found.case}` });
    }
  }
}

const isWanted = (recorder: { readonly name: string; probe(): { readonly works: boolean } }): boolean =>
  (only === undefined || only === recorder.name) && recorder.probe().works;

try {
  if (isWanted(notifierRecorder)) await row("notifier", 18_492, "≥ 3");
  if (isWanted(tracefsRecorder)) {
    await row("tracefs", 18_493, "≥ 10");
    await row("tracefs", 18_494, "≥ 10", "--no-memory");
  }
  if (isWanted(ringRecorder)) {
    await row("ring", 18_495, "≥ 10");
    await row("ring", 18_496, "≥ 10", "--no-memory");
  }
} finally {
  await stop(strace);
  await stop(plain);
  if (existsSync(folder)) rmSync(folder, { recursive: true });
}
if (only === undefined && !ringRecorder.probe().works) inMachine();
