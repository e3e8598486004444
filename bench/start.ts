/**
 * Measures the start: /bin/true under exec-once against `node -e 0`, without and with the compiled policy in the cache;
 * and the check of a dense policy of a thousand lines.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { confined, duration } from "./support/confined.ts";
import { densePolicy } from "./support/dense-policy.ts";
import { compare } from "./support/pairs.ts";

const cache = mkdtempSync(join(tmpdir(), "portcullis-bench-"));
process.env["XDG_CACHE_HOME"] = cache;
const node = () => duration([process.execPath, "-e", "0"]);
const run = confined("policies/exec-once.ts", ["/bin/true"]);
const emptyCache = () => rmSync(join(cache, "portcullis"), { recursive: true, force: true });

try {
  await compare({
    bench: "start",
    case: "/bin/true under exec-once, compiled anew, against node -e 0",
    unit: "ms",
    limit: "≤ 1.8",
    ours: () => {
      emptyCache();
      return duration(run);
    },
    reference: node,
  });
  duration(run);
  await compare({
    bench: "start",
    case: "/bin/true under exec-once, from the cache, against node -e 0",
    unit: "ms",
    limit: "≤ 1.4",
    ours: () => duration(run),
    reference: node,
  });
  await compare({
    bench: "start",
    case: "/bin/true under a policy with state, from the cache, against node -e 0",
    unit: "ms",
    ours: () => duration(confined("bench/policies/counting.ts", ["/bin/true"])),
    reference: node,
  });
  // At the default width of TypeScript formatters; and denser, for comparison.
  for (const [columns, limit] of [
    [80, "≤ 2.2"],
    [120, undefined],
  ] as const) {
    const dense = join(cache, `dense-${columns}.ts`);
    writeFileSync(dense, densePolicy(1000, columns));
    await compare({
      bench: "start",
      case: `check of a dense policy of 1,000 lines of up to ${columns} columns, against node -e 0`,
      unit: "ms",
      ...(limit === undefined ? {} : { limit }),
      ours: () => duration(["bin/portcullis", "check", "-q", dense]),
      reference: node,
    });
  }
} finally {
  rmSync(cache, { recursive: true });
}
