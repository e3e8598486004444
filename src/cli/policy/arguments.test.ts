/** Finds the file or the ready policy of a name on the command line. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Failure } from "../verb.ts";
import { type PolicyFile, policyFile, readyPolicies } from "./arguments.ts";

function folderWith(...names: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-named-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of names) name.endsWith("/") ? mkdirSync(join(folder, name)) : writeFileSync(join(folder, name), "");
  return folder;
}

const checkout = process.cwd();

/** In that folder. */
function found(named: string, folder: string): PolicyFile {
  process.chdir(folder);
  try {
    return policyFile(named, folder);
  } finally {
    process.chdir(checkout);
  }
}

function refusal(policy: string, folder: string): string {
  try {
    return `accepted: ${found(policy, folder).name}`;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return error.diagnostics.map(({ code, message, help }) => `${code} ${message}; ${help}`).join();
  }
}

function named(policy: string, folder: string): string {
  const { name, openedAs } = found(policy, folder);
  expect(openedAs).toBe(name);
  return name;
}

const nginx = join(checkout, "policies/nginx.ts");

test("a ready policy by its name, also beside a folder of that name", () => {
  expect(named("nginx", folderWith())).toBe(nginx);
  expect(named("nginx", folderWith("nginx/"))).toBe(nginx);
  expect(named("nginx", join(checkout, "policies"))).toBe(nginx);
  expect(named("portcullis/policies/nginx.ts", folderWith())).toBe(nginx);
  const against = join(checkout, "policies/against/npm-worm.ts");
  expect(named("against/npm-worm", folderWith())).toBe(against);
  expect(named("against/npm-worm", folderWith("against/"))).toBe(against);
});

test("a file by its name", () => {
  expect(named("nginx", folderWith("nginx"))).toBe("nginx");
  expect(named("./nginx.ts", folderWith("nginx.ts"))).toBe("./nginx.ts");
});

test("a bare name beside a file that has it with an ending", () => {
  expect(refusal("mine", folderWith("mine.ts"))).toBe('P0901 no file is named "mine", and mine.ts is here; -p mine.ts');
  expect(refusal("mine", folderWith("mine.json"))).toContain("-p mine.json");
  expect(refusal("mine", folderWith("mine.pcl"))).toContain("-p mine.pcl");
  // `compile -p nginx -o nginx.pcl` can be repeated.
  expect(named("nginx", folderWith("nginx.pcl"))).toBe(join(checkout, "policies/nginx.ts"));
  // Either could be meant: neither is taken.
  expect(refusal("nginx", folderWith("nginx.ts"))).toBe(
    "P0901 nginx is a ready policy, and nginx.ts is here; -p ./nginx.ts is the file; -p portcullis/policies/nginx.ts is the ready policy",
  );
});

test("no file and no ready policy", () => {
  expect(refusal("ngimx", folderWith())).toContain("write nginx");
  expect(refusal("whatever", folderWith())).toContain("the ready ones are");
  expect(named("portcullis/policies/../../etc/passwd", folderWith())).toBe("portcullis/policies/../../etc/passwd");
});

test("the list of ready policies is the folder", () => {
  const files = ["", "against/", "agents/"].flatMap((folder) =>
    readdirSync(join("policies", folder))
      .filter((name) => /^[^.]+\.ts$/.test(name))
      .map((name) => folder + name.slice(0, -3)),
  );
  expect([...readyPolicies]).toEqual(files.sort());
});
