#!/usr/bin/env node
// Starts what `make build` made. CommonJS, as package.json beside it says: Node's loader of ES modules takes 15 ms.
"use strict";
const { closeSync, openSync, readFileSync, readSync } = require("node:fs");
const { dirname, join } = require("node:path");
const { Script } = require("node:vm");

const dist = join(__dirname, "../dist");
/** Says which Node the code caches in dist/ are of. */
const identityFile = join(dist, "code-cache-node");

/**
 * One file of dist/ as a module. `start` runs it and gives its exports; `script` has its code. `requireOf` gets the
 * `require` of this file, which finds the same packages.
 */
function moduleOf(name, cachedData, requireOf) {
  const filename = join(dist, name);
  // One function, in ASCII: the build sees to it (tools/build.mjs).
  const script = new Script(readFileSync(filename, "latin1"), {
    filename,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  const start = () => {
    const module = { exports: {} };
    const requireFrom = requireOf(require);
    script.runInThisContext().call(module.exports, module.exports, requireFrom, module, filename, dirname(filename));
    return module.exports;
  };
  return { script, start };
}

/**
 * Which program Node is: its version, and the first page of its file, where the build ID is. A code cache holds addresses
 * in Node's own snapshot. V8 compares its version and its flags only: two releases of Node, or two builds of one, can have
 * the same V8, and code of the other then fails at random (Node 20.19.0 with a cache of 20.20.2: SIGSEGV).
 * Undefined where most of Node is in a library, of which the program says nothing.
 */
function nodeIdentity() {
  if (process.config.variables.node_shared) return undefined;
  const page = Buffer.alloc(4096);
  const program = openSync("/proc/self/exe");
  try {
    readSync(program, page);
  } finally {
    closeSync(program);
  }
  return Buffer.concat([Buffer.from(`${process.version} ${process.arch}\n`), page]);
}

/** The files that others load, with the use that their code caches are of. */
const uses = { "./cli.cjs": "check", "./compiler.cjs": "run" };

function start(argv) {
  let isOurs;
  const cacheOf = (file) => {
    try {
      isOurs ??= nodeIdentity()?.equals(readFileSync(identityFile)) ?? false;
      return isOurs ? readFileSync(file) : undefined;
    } catch {
      return undefined;
    }
  };
  // As `require` does it, and with the code cache that the build left for this use of the file, which halves the time to
  // start.
  const load = (name, use) =>
    moduleOf(name, cacheOf(join(dist, `${name}.${use}.cache`)), (ordinary) =>
      Object.assign((id) => (id in uses ? load(id.slice(2), uses[id]) : ordinary(id)), ordinary),
    ).start();
  try {
    // `run` needs no compiler where the cache has its policy, and `check` no engine.
    if (argv[0] === "run") load("portcullis.cjs", "run");
    else load(argv[0] === "check" ? "check.cjs" : "cli.cjs", "check").main(argv);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    process.stderr.write("portcullis: this checkout is not built\n  help: run `make build` in its folder\n");
    process.exitCode = 125;
  }
}

// tools/code-cache.cjs makes the caches by the same means.
if (require.main === module) start(process.argv.slice(2));
else module.exports = { identityFile, moduleOf, nodeIdentity };
