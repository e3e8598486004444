/**
 * What starting costs: /bin/true under exec-once against `node -e 0`, without and with the compiled policy in the cache;
 * and checking a dense policy of a thousand lines.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { confined, duration } from "./support/confined.ts";
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
  const dense = join(cache, "dense.ts");
  writeFileSync(dense, densePolicy(1000));
  await compare({
    bench: "start",
    case: "check of a dense policy of 1,000 lines, against node -e 0",
    unit: "ms",
    limit: "≤ 2.2",
    ours: () => duration(["bin/portcullis", "check", dense]),
    reference: node,
  });
} finally {
  rmSync(cache, { recursive: true });
}

/** Rules that differ in their calls, arguments and state, as a person might have written them, one after the other. */
function densePolicy(lines: number): string {
  const text = [
    'import { allow, deny, kill, log, perProcess, perTree, policy } from "portcullis";',
    "",
    "const opened = perProcess.counter();",
    "const sent = perTree.counter();",
    "const ready = perProcess.flag();",
    "",
    "export default policy((call) => {",
  ];
  const rules: readonly ((index: number) => readonly string[])[] = [
    (i) => [`  if (call.name === "socket" && call.args.protocol === ${i}n) return deny("EACCES", "protocol ${i}");`],
    (i) => [
      `  if (call.name === "openat" && call.args.mode === ${i % 4096}n) {`,
      `    if (opened.add() > ${i}n) return deny("EMFILE", "opened more than ${i} files");`,
      "  }",
    ],
    (i) => [
      `  if (call.name === "ioctl" && call.raw.arg1 === ${0x5000 + i}n) return ready.get() ? deny("EPERM") : allow;`,
    ],
    (i) => [
      `  if (call.name === "sendto" && call.args.len > ${1_000_000 + i}n) {`,
      `    sent.add();`,
      `    return ready.get() ? kill("process", "too much, ${i}") : log;`,
      "  }",
    ],
    (i) => [`  if (call.name === "lseek" && call.args.offset === ${i}n) ready.set();`],
  ];
  for (let index = 0; text.length < lines - 3; index++) text.push(...rules[index % rules.length]!(index));
  text.push("  return allow;", "});", "");
  return text.join("\n");
}
