// `make install`: copies what `make build` made below PREFIX, for every user of the machine, or below DESTDIR/PREFIX for
// whoever packages it. Modes do not depend on the umask. Usage: node tools/install.mjs PREFIX [DESTDIR]
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

/** A folder that everybody can search. Those that are there keep their modes. */
function makeFolder(folder) {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder);
  chmodSync(folder, 0o755);
}

/** Makes everything below readable by everybody, and executable what its owner may execute. */
function open(path) {
  const status = lstatSync(path);
  if (status.isSymbolicLink()) return;
  chmodSync(path, status.isDirectory() || (status.mode & 0o100) !== 0 ? 0o755 : 0o644);
  if (status.isDirectory()) for (const name of readdirSync(path)) open(join(path, name));
}

function write(file, text) {
  makeFolder(dirname(file));
  writeFileSync(file, text);
  chmodSync(file, 0o644);
}

/** The files of package.json's "files"; an entry with ! leaves some out. */
function copyPackage() {
  rmSync(target, { recursive: true, force: true });
  makeFolder(target);
  const isLeftOut = (file) => manifest.files.some((each) => each.startsWith("!") && matches(file, each.slice(1)));
  const always = ["package.json", "README.md", "LICENSE"];
  for (const entry of [...always, ...manifest.files.filter((each) => !each.startsWith("!"))]) {
    makeFolder(dirname(join(target, entry)));
    cpSync(entry, join(target, entry), { recursive: true, filter: (file) => !isLeftOut(file) });
  }
  for (const name of Object.keys(manifest.dependencies)) copyDependency(name, true);
  open(target);
}

/** The patterns that package.json has: a path, or a folder with all files of an ending below it. */
function matches(file, pattern) {
  const [folder, ending] = pattern.split("/**/*");
  return ending === undefined ? file === pattern : file.startsWith(`${folder}/`) && file.endsWith(ending);
}

/** With its own dependencies; optional ones (bindings for other machines) as far as npm has installed them. */
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

const program = join(root, "bin/portcullis");
makeFolder(dirname(program));
rmSync(program, { force: true });
symlinkSync("../lib/portcullis/bin/portcullis", program);

for (const page of manifest.man) write(join(root, "share/man/man1", basename(page)), readFileSync(page));

/** Where each shell looks, below PREFIX. */
const completions = {
  bash: "share/bash-completion/completions/portcullis",
  zsh: "share/zsh/site-functions/_portcullis",
  fish: "share/fish/vendor_completions.d/portcullis.fish",
};
for (const [shell, file] of Object.entries(completions)) {
  write(join(root, file), execFileSync(process.execPath, ["bin/portcullis.cjs", "completion", shell]));
}
