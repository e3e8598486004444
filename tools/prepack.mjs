// `npm pack` and `npm publish` run this first. It fails if the native parts of an architecture or files of `make build`
// are missing. `make package` builds all parts.
import { existsSync, readFileSync, statSync } from "node:fs";

const { man } = JSON.parse(readFileSync("package.json", "utf8"));

/** e_machine of the ELF header (include/uapi/linux/elf-em.h), by Node's process.arch. */
const machines = { x64: 62, arm64: 183 };
const built = [
  ...["portcullis", "compiler", "check", "cli", "supervisor", "recorder"].map((name) => `dist/${name}.cjs`),
  ...man,
  ...["dist/build-id", "dist/inert.js", "dist/testing.js"],
  ...["dist/report.js", "dist/report-style.css", "dist/report-licences.txt"],
];

function* faults() {
  for (const file of built) if (!existsSync(file)) yield `${file} is missing`;
  for (const [architecture, machine] of Object.entries(machines)) {
    for (const name of ["launcher", "portcullis.node"]) {
      const file = `dist/native/${architecture}/${name}`;
      if (!existsSync(file)) yield `${file} is missing`;
      else if (machineOf(file) !== machine) yield `${file} is not an ELF file for ${architecture}`;
      else if (name === "launcher" && (statSync(file).mode & 0o111) === 0) yield `${file} is not executable`;
    }
  }
}

function machineOf(file) {
  const header = readFileSync(file).subarray(0, 20);
  return header.length === 20 && header.toString("latin1", 0, 4) === "\x7fELF" ? header.readUInt16LE(18) : undefined;
}

const found = [...faults()];
if (found.length > 0) {
  console.error(
    `portcullis cannot be packed: ${found.join("; ")}\n  help: \`make package\` builds all parts and packs them`,
  );
  process.exitCode = 1;
}
