// Leaves V8's code cache beside the command line's bundles (bin/portcullis reads it): what a run and a check need is
// compiled once, here. Each bundle is loaded exactly as bin/portcullis does it, used, and asked for its code.
"use strict";
const { execFileSync } = require("node:child_process");
const { readFileSync, renameSync, writeFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { dirname, resolve } = require("node:path");
const { Script } = require("node:vm");

const warmUp = ["run", "-q", "-p", "policies/exec-once.ts", "--", "/bin/true"];

function load(name) {
  const file = resolve("dist", name);
  const source = readFileSync(file, "utf8");
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${source}\n})`;
  const script = new Script(wrapped, { filename: file });
  const module = { exports: {} };
  const run = () => {
    script.runInThisContext().call(module.exports, module.exports, createRequire(file), module, file, dirname(file));
    return module.exports;
  };
  const keep = () => {
    writeFileSync(`${file}.cache.new`, script.createCachedData());
    renameSync(`${file}.cache.new`, `${file}.cache`);
  };
  return { run, keep };
}

async function cli() {
  const { run, keep } = load("cli.cjs");
  const { runCommand, processContext } = run();
  const silent = { ...processContext(), out() {}, err() {}, environment: {}, colour: { out: false, err: false } };
  await runCommand(["check", "policies/nginx.ts"], silent);
  await runCommand(warmUp, silent);
  keep();
  process.exit(0);
}

function portcullis() {
  const { run, keep } = load("portcullis.cjs");
  process.argv.splice(2, process.argv.length, ...warmUp);
  process.once("exit", keep);
  run();
}

if (process.argv[2] === "cli") cli();
else if (process.argv[2] === "portcullis") portcullis();
else {
  for (const which of ["cli", "portcullis"]) {
    execFileSync(process.execPath, [__filename, which], { stdio: ["ignore", "ignore", "inherit"] });
  }
}
