/** tsc needs only `portcullis tsconfig > tsconfig.json`, with policies and portcullis in any location. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { portcullis } from "../support/run.ts";

const folder = mkdtempSync(join(tmpdir(), "portcullis tsconfig ü-"));
const inCheckout = mkdtempSync("test/types/.tsconfig-");
afterAll(() => {
  rmSync(folder, { recursive: true });
  rmSync(inCheckout, { recursive: true });
});

const installed = join(folder, "installed");
beforeAll(() => {
  const name = execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], { encoding: "utf8" }).trim();
  const unpacked = join(installed, "node_modules/portcullis");
  mkdirSync(unpacked, { recursive: true });
  execFileSync("tar", ["-xzf", join(folder, name), "-C", unpacked, "--strip-components=1"]);
});

const rules = `import { calls } from "portcullis";
export const programs = calls("execve", "execveat");
`;
const good = `import { allow, deny, perProcess, policy } from "portcullis";
import nginx from "portcullis/policies/nginx.ts";
import { programs } from "./rules.ts";

const served = perProcess.flag();
export default policy({ extends: [nginx] }, (call) => {
  if (call.name === "accept4") served.set(true);
  return programs.has(call) && served.get() ? deny("EACCES") : allow;
});
`;
const bad = `import { allow, policy } from "portcullis";
export default policy((call) => (call.name === "opem" ? allow : allow));
`;
const tooMuch =
  'import { allow, policy } from "portcullis";\nexport default policy(() => (parseInt("1") > 0 ? allow : allow));\n';

interface Situation {
  readonly name: string;
  /** The project with the installed package; a checkout where absent. */
  readonly root?: string;
  /** Where the policies are, and the package.json there. */
  readonly place: string;
  readonly manifest?: string;
}

const commonjs = '{ "type": "commonjs" }';
const situations: readonly Situation[] = [
  { name: "a checkout, policies outside", place: join(folder, "apart") },
  { name: "a checkout, policies outside, commonjs", place: join(folder, "apart-commonjs"), manifest: commonjs },
  { name: "a checkout, policies inside", place: resolve(inCheckout) },
  { name: "an installed package, no package.json", root: installed, place: join(installed, "policies") },
  { name: "an installed package, commonjs", root: installed, place: join(installed, "a/commonjs"), manifest: commonjs },
  { name: "an installed package, no type", root: installed, place: join(installed, "a/plain"), manifest: "{}" },
  {
    name: "an installed package, module",
    root: installed,
    place: join(installed, "a/module"),
    manifest: '{ "type": "module" }',
  },
  { name: "an installed package elsewhere", root: installed, place: join(folder, "elsewhere"), manifest: commonjs },
];

function tsc(project: string): string {
  const { stdout, stderr } = spawnSync(resolve("node_modules/.bin/tsc"), ["-p", project], { encoding: "utf8" });
  return stdout + stderr;
}

describe.each(situations)("$name", ({ root, place, manifest }) => {
  const program = join(root === undefined ? resolve(".") : join(root, "node_modules/portcullis"), "bin/portcullis");
  const write = (name: string, text: string) => writeFileSync(join(place, name), text);

  it("is checked by tsc after one step", () => {
    mkdirSync(place, { recursive: true });
    if (manifest !== undefined) write("package.json", manifest);
    execFileSync("sh", ["-c", '"$1" tsconfig > tsconfig.json', "sh", program], { cwd: place });
    for (const [name, text] of Object.entries({ "rules.ts": rules, "good.ts": good })) write(name, text);
    expect(tsc(place)).toBe("");
    // The unpacked package has no parser beside it.
    if (root === undefined) expect(portcullis(["check", "-q", "good.ts"], { cwd: place })).toMatchObject({ status: 0 });
    write("bad.ts", bad);
    expect(tsc(place)).toContain('"opem"');
    write("bad.ts", tooMuch);
    expect(tsc(place)).toContain("parseInt");
  });
});

describe("portcullis tsconfig", () => {
  const extended = (cwd: string) => JSON.parse(portcullis(["tsconfig"], { cwd }).stdout).extends;

  it("names the package only if node_modules has this one", () => {
    const project = join(folder, "linked");
    mkdirSync(join(project, "node_modules"), { recursive: true });
    symlinkSync(resolve("."), join(project, "node_modules/portcullis"));
    mkdirSync(join(project, "deep"));
    expect(extended(join(project, "deep"))).toBe("portcullis/policy.json");
    expect(extended(installed)).toBe(resolve("policy.json"));
    expect(extended("policies")).toBe("../policy.json");
    expect(extended(".")).toBe("./policy.json");
  });

  it("accepts no arguments", () => {
    const ran = portcullis(["tsconfig", "tsconfig.json"]);
    expect(ran.status).toBe(125);
    expect(ran.stderr).toContain("P0909");
  });
});
