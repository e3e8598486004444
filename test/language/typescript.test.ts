/** tsc accepts what the compiler accepts: the whole corpus under the package's policy.json. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { corpus } from "./corpus.ts";

const root = join(import.meta.dirname, "../..");
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-typescript-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("tsc", () => {
  it("accepts every policy of the corpus", () => {
    for (const { name, text } of corpus) writeFileSync(join(folder, `${name}.ts`), text);
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({
        extends: join(root, "policy.json"),
        compilerOptions: {
          // A corpus policy may declare state that it does not use.
          noUnusedLocals: false,
          noUnusedParameters: false,
          paths: { portcullis: [join(root, "src/language/types/index.d.ts")] },
        },
        include: ["*.ts"],
      }),
    );
    const tsc = (...options: string[]) => {
      try {
        return execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", folder, ...options], { encoding: "utf8" });
      } catch (error) {
        return (error as { stdout: string }).stdout;
      }
    };
    expect(
      tsc("--listFilesOnly")
        .split("\n")
        .filter((file) => file.startsWith(folder)),
    ).toHaveLength(corpus.length);
    expect(tsc()).toBe("");
  });
});
