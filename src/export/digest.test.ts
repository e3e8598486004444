import { expect, it } from "vitest";
import { loadPolicy } from "../frontend/load.ts";
import { policyDigest } from "./digest.ts";

const main = `import { policy } from "portcullis";\nimport { verdict } from "./verdict.ts";\nexport default policy(() => verdict);\n`;
const verdict = `import { allow } from "portcullis";\nexport const verdict = allow;\n`;

function digestOf(
  texts: Readonly<Record<string, string>>,
  folder = "/a",
  set: readonly [string, string][] = [],
): string {
  const { files } = loadPolicy(`${folder}/main.ts`, {
    architecture: "x86_64",
    readFile: (path) => texts[path.slice(folder.length + 1)]!,
  });
  return policyDigest({ files, parameters: new Map(set) }, "1.2.3");
}

it("depends on the policy's text and that of its imports, and not on their folder", () => {
  const digest = digestOf({ "main.ts": main, "verdict.ts": verdict });
  expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(digestOf({ "main.ts": main, "verdict.ts": verdict }, "/b/c")).toBe(digest);
  expect(digestOf({ "main.ts": main, "verdict.ts": `${verdict} ` })).not.toBe(digest);
  expect(digestOf({ "main.ts": `${main} `, "verdict.ts": verdict })).not.toBe(digest);
});

it("does not depend on policies of portcullis that the text is combined with", () => {
  const texts = { "main.ts": main, "verdict.ts": verdict, "also.ts": `import "./more.ts";\n${main}`, "more.ts": "" };
  const { files, ownFiles } = loadPolicy("/a/main.ts", {
    ...{ architecture: "x86_64", also: ["/a/also.ts"] },
    readFile: (path) => texts[path.slice("/a/".length) as keyof typeof texts],
  });
  expect(files).toHaveLength(4);
  expect(policyDigest({ files: ownFiles, parameters: new Map() }, "1.2.3")).toBe(digestOf(texts));
});

it("depends on parameters, in any order, and on the version", () => {
  const files = [{ hash: "00" }];
  const of = (parameters: readonly [string, string][], version = "1.2.3") =>
    policyDigest({ files, parameters: new Map(parameters) }, version);
  const two = of([
    ["a", "1"],
    ["b", "2"],
  ]);
  expect(
    of([
      ["b", "2"],
      ["a", "1"],
    ]),
  ).toBe(two);
  expect(new Set([two, of([]), of([["a", "1"]]), of([["a", "1\nb=2"]]), of([], "1.2.4")]).size).toBe(5);
});
