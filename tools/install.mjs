// `make install`: copies the output of `make build` to PREFIX, for every user of the machine, or to DESTDIR/PREFIX for
// a package. Modes do not depend on the umask. Usage: node tools/install.mjs PREFIX [DESTDIR]
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

process.chdir(join(dirname(fileURLToPath(import.meta.url)), ".."));
const [prefix, staging = ""] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync("package.json", "utf8"));

function refuse(message, help) {
  console.error(`portcullis cannot be installed: ${message}\n  help: ${help}`);
  process.exit(1);
}

if (prefix === undefined || !isAbsolute(prefix))
  refuse("PREFIX is not an absolute path", "make install PREFIX=/usr/local");
const native = `dist/native/${process.arch}`;
const needed = [...manifest.man, "dist/build-id", `${native}/launcher`, `${native}/portcullis.node`];
const missing = needed.find((file) => !existsSync(file));
if (missing !== undefined) refuse(`${missing} is missing`, "run `make build` first");

const root = join(staging, prefix);
const target = join(root, "lib/portcullis");

/** Creates a folder that every user can search. Existing folders keep their modes. */
function makeFolder(folder) {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder);
  chmodSync(folder, 0o755);
}

/** Makes a tree readable for every user, and its executable files executable. */
function makePublic(path) {
  const status = lstatSync(path);
  if (status.isSymbolicLink()) return;
  chmodSync(path, status.isDirectory() || (status.mode & 0o100) !== 0 ? 0o755 : 0o644);
  if (status.isDirectory()) for (const name of readdirSync(path)) makePublic(join(path, name));
}

function write(file, text) {
  makeFolder(dirname(file));
  writeFileSync(file, text);
  chmodSync(file, 0o644);
}

/** Copies the files of package.json's "files"; an entry with ! excludes some. */
function copyPackage() {
  rmSync(target, { recursive: true, force: true });
  makeFolder(target);
  const isExcluded = (file) => manifest.files.some((each) => each.startsWith("!") && matches(file, each.slice(1)));
  const always = ["package.json", "README.md", "LICENSE"];
  for (const entry of [...always, ...manifest.files.filter((each) => !each.startsWith("!"))]) {
    makeFolder(dirname(join(target, entry)));
    cpSync(entry, join(target, entry), { recursive: true, filter: (file) => !isExcluded(file) });
  }
  for (const name of Object.keys(manifest.dependencies)) copyDependency(name, true);
  makePublic(target);
}

/** Supports the patterns of package.json: a path, or a folder with all files of one extension below it. */
function matches(file, pattern) {
  const [folder, ending] = pattern.split("/**/*");
  return ending === undefined ? file === pattern : file.startsWith(`${folder}/`) && file.endsWith(ending);
}

/**
 * Copies a package with its dependencies; optional ones (bindings for other machines) only if npm has installed them.
 */
function copyDependency(name, isNeeded) {
  const from = join("node_modules", name);
  if (!existsSync(from)) {
    if (isNeeded) refuse(`the npm package ${name} is not in node_modules`, "run `make build` first");
    return;
  }
  const to = join(target, from);
  if (existsSync(to)) return;
  makeFolder(dirname(to));
  cpSync(from, to, { recursive: true });
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(join(from, "package.json"), "utf8"));
  for (const each of Object.keys(dependencies)) copyDependency(each, !(each in optionalDependencies));
  for (const each of Object.keys(optionalDependencies)) copyDependency(each, false);
}

copyPackage();

makeFolder(join(root, "bin"));
for (const [name, file] of Object.entries(manifest.bin)) {
  const program = join(root, "bin", name);
  rmSync(program, { force: true });
  symlinkSync(join("../lib/portcullis", file), program);
}

for (const page of manifest.man) write(join(root, "share/man/man1", basename(page)), readFileSync(page));

/** The paths of the shells' completions, below PREFIX. */
const completions = {
  bash: "share/bash-completion/completions/portcullis",
  zsh: "share/zsh/site-functions/_portcullis",
  fish: "share/fish/vendor_completions.d/portcullis.fish",
};
for (const [shell, file] of Object.entries(completions)) {
  write(join(root, file), execFileSync(process.execPath, ["bin/portcullis.cjs", "completion", shell]));
}
