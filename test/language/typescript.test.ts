/** tsc accepts what the compiler accepts: the whole corpus under the package's policy.json. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { corpus } from "./corpus.ts";
import { policyProject } from "./policy-project.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-typescript-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("tsc", () => {
  it("accepts every policy of the corpus", () => {
    const policies = corpus.map(({ name, text }) => [name, text] as const);
    // A corpus policy may declare state that it does not use.
    const tsc = policyProject(folder, policies, { noUnusedLocals: false, noUnusedParameters: false });
    expect(
      tsc("--listFilesOnly")
        .split("\n")
        .filter((file) => file.startsWith(folder)),
    ).toHaveLength(corpus.length);
    expect(tsc()).toBe("");
  });
});
