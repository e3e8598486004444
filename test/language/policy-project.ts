/** Policies in a folder that tsc checks with the package's policy.json. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** Writes `policies`, texts by name, to the folder. Returns a function that runs tsc there and returns its output. */
export function policyProject(
  folder: string,
  policies: Iterable<readonly [name: string, text: string]>,
  compilerOptions: Readonly<Record<string, boolean>>,
): (...options: readonly string[]) => string {
  for (const [name, text] of policies) writeFileSync(join(folder, `${name}.ts`), text);
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: resolve("policy.json"),
      compilerOptions: { ...compilerOptions, paths: { portcullis: [resolve("src/frontend/types/index.d.ts")] } },
      include: ["*.ts"],
    }),
  );
  return (...options) =>
    spawnSync(resolve("node_modules/.bin/tsc"), ["-p", folder, ...options], { encoding: "utf8" }).stdout;
}
