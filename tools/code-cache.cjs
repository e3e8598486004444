// Leaves V8's code cache beside the command line's bundles (bin/portcullis.cjs reads it): what is needed is compiled once,
// here. Each bundle is loaded exactly as bin/portcullis.cjs does it, used, and asked for its code. What is in a cache is read
// whether it is needed or not, so there is one for each use.
"use strict";
const { execFileSync } = require("node:child_process");
const { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { tmpdir } = require("node:os");
const { dirname, join, resolve } = require("node:path");
const { Script } = require("node:vm");

const runTrue = ["run", "-q", "-p", "policies/exec-once.ts", "--", "/bin/true"];

function load(name, use) {
  const file = resolve("dist", name);
  const source = readFileSync(file, "latin1");
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${source}\n})`;
  const script = new Script(wrapped, { filename: file });
  const module = { exports: {} };
  const run = () => {
    script.runInThisContext().call(module.exports, module.exports, createRequire(file), module, file, dirname(file));
    return module.exports;
  };
  const keep = () => {
    const cache = `${file}.${use}.cache`;
    writeFileSync(`${cache}.new`, script.createCachedData());
    renameSync(`${cache}.new`, cache);
  };
  return { run, keep };
}

/** A bundle of verbs, after these command lines. */
async function verbs(name, use, ...lines) {
  const { run, keep } = load(name, use);
  const { runCommand, processContext } = run();
  const silent = { ...processContext(), out() {}, err() {}, environment: {}, colour: { out: false, err: false } };
  for (const line of lines) await runCommand(line, silent);
  keep();
  process.exit(0);
}

const checks = ["check", "tools/warm-up/policy.ts"];

const jobs = {
  check: () => verbs("check.cjs", "check", checks),
  other: () => verbs("cli.cjs", "check", checks),
  run: () => verbs("run.cjs", "run", runTrue),
  portcullis() {
    const { run, keep } = load("portcullis.cjs", "run");
    process.argv.splice(2, process.argv.length, ...runTrue);
    process.once("exit", keep);
    run();
  },
};

const job = process.argv[2];
// As bin/portcullis.cjs has them.
if (job === "check" && /^v2[0-4]\./.test(process.version))
  require("node:v8").setFlagsFromString("--interrupt-budget=1000000 --no-parallel-scavenge");
if (job !== undefined) jobs[job]();
else {
  // The policy is compiled once before, so that the last job finds it in the cache, as most runs do.
  const folder = mkdtempSync(join(tmpdir(), "portcullis-build-"));
  const options = { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, XDG_CACHE_HOME: folder } };
  try {
    for (const each of Object.keys(jobs)) {
      if (each === "portcullis") execFileSync(resolve("bin/portcullis"), runTrue, options);
      execFileSync(process.execPath, [__filename, each], options);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
