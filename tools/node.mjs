// Node's releases that the tests use: the oldest that package.json's "engines" admits, and the newest of each release
// line when tools/node-releases.json was written. They come from the npm registry and stay in build/node.
//   tools/node.mjs path VERSION    prints the program
//   tools/node.mjs test [WORDS]    builds and runs the suite (vitest run WORDS) with each release that is not this one's line
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";

const releases = JSON.parse(readFileSync(new URL("node-releases.json", import.meta.url), "utf8"));

function programOf(version) {
  const folder = resolve(`build/node/${version}`);
  const name = `node-linux-${process.arch}`;
  const program = join(folder, "node_modules", name, "bin/node");
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  const options = ["--no-save", "--no-package-lock", "--no-fund", "--no-audit", "--prefix", folder];
  const ran = spawnSync("npm", ["install", ...options, `${name}@${version}`], { encoding: "utf8" });
  if (ran.status !== 0) throw new Error(`npm install ${name}@${version}: ${ran.stderr}`);
  return program;
}

const lineOf = (version) => version.split(".")[0];

function run(program, ...words) {
  const env = { ...process.env, PATH: [dirname(program), process.env.PATH].join(delimiter) };
  return spawnSync(program, words, { stdio: "inherit", env }).status === 0;
}

/** The build keeps V8's code for the Node that made it, so each release gets its own, and this one's is the last. */
function test(words) {
  const failed = [];
  try {
    for (const version of releases.filter((one) => lineOf(one) !== lineOf(process.versions.node))) {
      console.log(`Node ${version}`);
      const program = programOf(version);
      if (!run(program, "tools/build.mjs") || !run(program, "node_modules/vitest/vitest.mjs", "run", ...words))
        failed.push(version);
    }
  } finally {
    run(process.execPath, "tools/build.mjs");
  }
  if (failed.length > 0) console.error(`failed with Node ${failed.join(", ")}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

const [verb, ...words] = process.argv.slice(2);
if (verb === "path" && words.length === 1) console.log(programOf(words[0]));
else if (verb === "test") test(words);
else {
  console.error("usage: tools/node.mjs path VERSION | test [WORDS]");
  process.exitCode = 125;
}
