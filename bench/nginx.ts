/**
 * Measures requests per second of nginx (one worker, pinned to one core) under policies/nginx.ts and without a policy.
 * The load generator (wrk) has the other core. Two servers run at a time and are loaded alternately.
 */
import { startNginx } from "./support/nginx-server.ts";
import { pairs, print } from "./support/pairs.ts";

async function row(name: string, count: number, prefix: readonly string[], limit?: string): Promise<void> {
  const server = await startNginx(prefix);
  try {
    const result = await pairs(count, server.requestsPerSecond, plain.requestsPerSecond);
    const context = limit === undefined ? { informative: true as const } : { limit };
    print({ bench: "nginx", case: name, unit: "requests/s", ...result, ...context });
  } finally {
    await server.stop();
  }
}

const plain = await startNginx([]);
try {
  // The limit leaves little room for noise, so this row takes more pairs.
  const guard = ["bin/portcullis", "run", "-q", "-p", "policies/nginx.ts", "--"];
  await row("under policies/nginx.ts, against none", 31, guard, "≥ 0.97");
  // The cost of any filter: the kernel uses the slow entry path for every call of the process.
  await row("under a classic filter that allows everything, against none", 15, ["build/bench/allow_all"]);
  await row("none, against another with none", 15, []);
} finally {
  await plain.stop();
}
