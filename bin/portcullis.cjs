#!/usr/bin/env node
// Starts what `make build` made. CommonJS, as package.json beside it says: Node's loader of ES modules takes 15 ms.
"use strict";
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { dirname, join } = require("node:path");
const { Script } = require("node:vm");

const dist = join(__dirname, "../dist");

// As `require` does it, and with the code cache that the build left for this use of the file (V8 refuses one of another
// version or with other flags, and compiles as ever), which halves the time to start.
function load(name, use) {
  const file = join(dist, name);
  // ASCII: the build sees to it (tools/build.mjs).
  const source = readFileSync(file, "latin1");
  const cachedData = readIfThere(`${file}.${use}.cache`);
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${source}\n})`;
  const script = new Script(wrapped, { filename: file, ...(cachedData === undefined ? {} : { cachedData }) });
  const ordinary = createRequire(file);
  const requireFrom = Object.assign((id) => (id === "./cli.cjs" ? load("run.cjs", use) : ordinary(id)), ordinary);
  const module = { exports: {} };
  script.runInThisContext().call(module.exports, module.exports, requireFrom, module, file, dirname(file));
  return module.exports;
}

function readIfThere(file) {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

const argv = process.argv.slice(2);
try {
  // A check runs most of its code once: what V8 would optimise meanwhile, and more threads to collect garbage, cost more
  // than they give, above all where processors are busy (a fifth of a check's time in all threads). What runs for long is
  // optimised all the same. The code cache is made with the same flags (tools/code-cache.cjs).
  if (argv[0] === "check" && /^v2[0-4]\./.test(process.version))
    require("node:v8").setFlagsFromString("--interrupt-budget=1000000 --no-parallel-scavenge");
  // `run` needs little where the cache has its policy, and `check` no engine.
  if (argv[0] === "run") load("portcullis.cjs", "run");
  else load(argv[0] === "check" ? "check.cjs" : "cli.cjs", "check").main(argv);
} catch (error) {
  if (error.code !== "ENOENT") throw error;
  process.stderr.write("portcullis: this checkout is not built\n  help: run `make build` in its folder\n");
  process.exitCode = 125;
}
