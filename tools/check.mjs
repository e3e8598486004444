// npm run check -- [NAME...]: the static checks of the sources. The checks run side by side, as many
// as there are processors; each prints its duration and its findings. None needs a network.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";

/** Our C. The kernel's own tools check the code of kernel/patches (kernel/series-check). */
const ourC = ["native", "bench", "demo", "kernel/machine", "kernel/bpf-selftests", "kernel/criu", "test"].flatMap(
  (folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => /\.[ch]$/.test(file))
      .map((file) => join(folder, file)),
);
const bin = (name) => join("node_modules/.bin", name);

/** The slowest first. */
const checks = {
  // Only files that have changed are read again.
  spelling: [
    bin("cspell"),
    "lint",
    "--quiet",
    "--cache",
    "--cache-strategy=content",
    "--cache-location=build/spelling",
    ".",
  ],
  types: [bin("tsc"), "--noEmit"],
  // The script of a report's page runs in a browser.
  "page-types": [bin("tsc"), "--noEmit", "-p", "src/observe/report/page"],
  "c-analysis": ["make", "-s", "--no-print-directory", `-j${availableParallelism()}`, "-k", "-f", "tools/analyse.mk"],
  style: [bin("biome"), "check", "--error-on-warnings", "."],
  exports: [bin("knip"), "--no-progress"],
  // Folders and imports, heads of files, links in documents.
  layout: [bin("vitest"), "run", "test/architecture.test.ts", "test/docs/links.test.ts"],
  "c-format": [bin("clang-format"), "--dry-run", "-Werror", ...ourC],
};
const writers = { "c-format": [bin("clang-format"), "-i", ...ourC] };

const words = process.argv.slice(2);
const commands = words.includes("--write") ? writers : checks;
const wanted = words.filter((word) => word !== "--write");
const unknown = wanted.filter((name) => !(name in commands));
if (unknown.length > 0) {
  console.error(`no such check: ${unknown.join(", ")}; there are: ${Object.keys(commands).join(", ")}`);
  process.exit(125);
}

const waiting = wanted.length > 0 ? wanted : Object.keys(commands);
const failed = [];
await Promise.all(
  Array.from({ length: availableParallelism() }, async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await run(name);
  }),
);
if (failed.length > 0) console.error(`failed: ${failed.join(", ")}`);
process.exitCode = failed.length > 0 ? 1 : 0;

/** Output is shown when the check ends, so that two checks do not mix theirs, and only if there is something to do. */
async function run(name) {
  const [command, ...options] = commands[name];
  const start = performance.now();
  const child = spawn(command, options, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const status = await new Promise((done) => {
    child.on("error", (error) => {
      output += `${error.message}\n`;
      done(125);
    });
    child.on("close", done);
  });
  if (status !== 0) {
    failed.push(name);
    process.stderr.write(output);
  }
  console.log(`${name}: ${status === 0 ? "passed" : "failed"} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
}
