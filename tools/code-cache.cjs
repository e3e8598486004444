// Leaves V8's code cache beside the command line's bundles (bin/portcullis.cjs reads it): what is needed is compiled once,
// here. Each bundle is loaded exactly as bin/portcullis.cjs does it, used, and asked for its code. What is in a cache is read
// whether it is needed or not, so there is one for each use.
"use strict";
const { execFileSync } = require("node:child_process");
const { mkdtempSync, renameSync, rmSync, writeFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join, resolve } = require("node:path");
const { identityFile, moduleOf, nodeIdentity, setCheckFlags } = require("../bin/portcullis.cjs");

const runTrue = ["run", "-q", "-p", "policies/exec-once.ts", "--", "/bin/true"];

function load(name, use) {
  const { script, start } = moduleOf(name, undefined, (ordinary) => ordinary);
  const keep = () => write(resolve("dist", `${name}.${use}.cache`), script.createCachedData());
  return { run: start, keep };
}

function write(file, data) {
  writeFileSync(`${file}.new`, data);
  renameSync(`${file}.new`, file);
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
if (job === "check") setCheckFlags();
const identity = nodeIdentity();
if (job !== undefined) jobs[job]();
else if (identity !== undefined) {
  // The policy is compiled once before, so that the last job finds it in the cache, as most runs do.
  const folder = mkdtempSync(join(tmpdir(), "portcullis-build-"));
  const options = { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, XDG_CACHE_HOME: folder } };
  try {
    for (const each of Object.keys(jobs)) {
      if (each === "portcullis") execFileSync(resolve("bin/portcullis"), runTrue, options);
      // What starts a command does so through the front, as bin/portcullis has it (native/launcher/front.c).
      if (each === "run" || each === "portcullis") {
        const launcher = resolve("dist/native", process.arch, "launcher");
        execFileSync(launcher, ["supervise", process.execPath, __filename, each, ...runTrue], options);
      } else execFileSync(process.execPath, [__filename, each], options);
    }
    // Last, so that it speaks of caches that are there. The build has removed an old one.
    write(identityFile, identity);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
