/**
 * Measures the start: /bin/true under exec-once against `node -e 0`, without and with the compiled policy in the cache;
 * and the check of a dense policy of a thousand lines.
 *
 * Node 20 reads the certificates of NODE_EXTRA_CA_CERTS at each start, which takes longer than all else that `node -e 0`
 * does and so makes every ratio smaller. Where it is set, all is measured again without it.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { confined, duration } from "./support/confined.ts";
import { densePolicy } from "./support/dense-policy.ts";
import { compare } from "./support/pairs.ts";

const certificates = "NODE_EXTRA_CA_CERTS";
const withCertificates = process.env[certificates] !== undefined;
const cache = mkdtempSync(join(tmpdir(), "portcullis-bench-"));
process.env["XDG_CACHE_HOME"] = cache;
const node = () => duration([process.execPath, "-e", "0"]);
const run = confined("policies/exec-once.ts", ["/bin/true"]);
const emptyCache = () => rmSync(join(cache, "portcullis"), { recursive: true, force: true });

/** One case against `node -e 0`; without a limit in the second round. */
async function measure(what: string, ours: () => number, limit?: string): Promise<void> {
  const isAgain = process.env[certificates] === undefined && withCertificates;
  await compare({
    bench: "start",
    case: `${what}, against node -e 0${isAgain ? ", without certificates" : ""}`,
    unit: "ms",
    ...(limit === undefined || isAgain ? {} : { limit }),
    ours,
    reference: node,
  });
}

async function measureAll(): Promise<void> {
  const anew = () => {
    emptyCache();
    return duration(run);
  };
  await measure("/bin/true under exec-once, compiled anew", anew, "≤ 1.8");
  duration(run);
  await measure("/bin/true under exec-once, from the cache", () => duration(run), "≤ 1.4");
  const counting = confined("bench/policies/counting.ts", ["/bin/true"]);
  await measure("/bin/true under a policy with state, from the cache", () => duration(counting));
  // At the default width of TypeScript formatters; and denser, for comparison.
  for (const [columns, limit] of [
    [80, "≤ 2.2"],
    [120, undefined],
  ] as const) {
    const dense = join(cache, `dense-${columns}.ts`);
    writeFileSync(dense, densePolicy(1000, columns));
    const check = () => duration(["bin/portcullis", "check", "-q", dense]);
    await measure(`check of a dense policy of 1,000 lines of up to ${columns} columns`, check, limit);
  }
}

try {
  await measureAll();
  if (withCertificates) {
    delete process.env[certificates];
    await measureAll();
  }
} finally {
  rmSync(cache, { recursive: true });
}
