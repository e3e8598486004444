/**
 * What starting costs: /bin/true under exec-once against `node -e 0`, without and with the compiled policy in the cache;
 * and checking a dense policy of a thousand lines.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { allCalls } from "../src/linux/calls.ts";
import { confined, duration } from "./support/confined.ts";
import { compare } from "./support/pairs.ts";

/** Always allowed, and the one that the phase hangs on. */
const apart = new Set(["exit", "exit_group", "restart_syscall", "rt_sigreturn", "eventfd2"]);

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
    ours: () => duration(["bin/portcullis", "check", "-q", dense]),
    reference: node,
  });
} finally {
  rmSync(cache, { recursive: true });
}

/** Rules for one call after the other, by arguments and state, as a thorough person would write them down. */
function densePolicy(lines: number): string {
  const text = [
    'import { allow, deny, perProcess, perTree, policy } from "portcullis";',
    "",
    'const phase = perProcess.phases(["starting", "ready"]);',
    "const refused = perTree.counter();",
    "",
    "export default policy((call) => {",
    "  switch (call.name) {",
  ];
  for (const { name, number, parameters } of allCalls) {
    const integer = parameters.find(({ kind }) => kind.is === "integer");
    if (number.x86_64 === undefined || integer === undefined || apart.has(name)) continue;
    const argument = `call.args.${integer.name}`;
    text.push(
      `    case "${name}":`,
      `      if (${argument} > 100n && ${argument} < ${1000 + text.length}n || ${argument} === 77n) return deny("EINVAL", "${name}");`,
      `      if (phase.is("ready") && ${argument} === ${text.length % 70}n) {`,
      "        refused.add();",
      '        return deny("EACCES", "too late for this");',
      "      }",
      "      return allow;",
    );
    if (text.length > lines - 8) break;
  }
  const rest = ["  }", '  if (call.name === "eventfd2") phase.enter("ready");', "  return allow;", "});", ""];
  while (text.length + rest.length <= lines) text.splice(4, 0, "");
  return [...text, ...rest].join("\n");
}
