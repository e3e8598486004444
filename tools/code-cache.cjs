// Writes V8's code caches beside the command line's bundles, for bin/portcullis.cjs. It loads each bundle exactly as
// bin/portcullis.cjs does, uses it, and stores the compiled code. A start reads its whole cache, so each use has its
// own.
"use strict";
const { execFileSync } = require("node:child_process");
const { mkdtempSync, renameSync, rmSync, writeFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join, resolve } = require("node:path");
const { identityFile, moduleOf, nodeIdentity } = require("../bin/portcullis.cjs");

const runTrue = ["run", "-q", "-p", "policies/exec-once.ts", "--", "/bin/true"];

function load(name, use, requireOf = (ordinary) => ordinary) {
  const { script, start } = moduleOf(name, undefined, requireOf);
  const store = () => write(resolve("dist", `${name}.${use}.cache`), script.createCachedData());
  return { run: start, store };
}

function write(file, data) {
  writeFileSync(`${file}.new`, data);
  renameSync(`${file}.new`, file);
}

/**
 * Stores the code of a bundle of verbs after it has run this command line. The line must succeed: after an error the
 * functions of the later stages would be missing, and each start would compile them.
 */
function verb(name, use, line) {
  const { run, store } = load(name, use);
  process.once("exit", (status) => {
    if (status === 0) store();
  });
  run().main(line);
}

const checks = ["check", "--strict", "-p", "tools/warm-up/policy.ts"];

const jobs = {
  check: () => verb("check.cjs", "check", checks),
  other: () => verb("cli.cjs", "check", checks),
  // The first run compiles the policy, and the second finds it in the cache, as most runs do.
  compiler() {
    const compiler = load("compiler.cjs", "run");
    const requireOf = (ordinary) => (id) => (id === "./compiler.cjs" ? compiler.run() : ordinary(id));
    runOnce(load("portcullis.cjs", "run", requireOf).run, compiler.store);
  },
  portcullis() {
    const { run, store } = load("portcullis.cjs", "run");
    runOnce(run, store);
  },
};

function runOnce(run, store) {
  process.argv.splice(2, process.argv.length, ...runTrue);
  process.once("exit", store);
  run();
}

const job = process.argv[2];
const identity = nodeIdentity();
if (job !== undefined) jobs[job]();
else if (identity !== undefined) {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-build-"));
  const options = { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, XDG_CACHE_HOME: folder } };
  try {
    for (const each of Object.keys(jobs)) {
      // `run` starts through the front, as in bin/portcullis (native/launcher/front.c).
      if (each === "compiler" || each === "portcullis") {
        const launcher = resolve("dist/native", process.arch, "launcher");
        execFileSync(launcher, ["supervise", process.execPath, __filename, each, ...runTrue], options);
      } else execFileSync(process.execPath, [__filename, each], options);
    }
    // Written last, when the caches exist. The build has removed the old file.
    write(identityFile, identity);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
