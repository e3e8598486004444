/** Every relative link of the documents leads to a file, every anchor and every section that a comment cites to a heading. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";

const documents = [
  "README.md",
  "CONTRIBUTING.md",
  "kernel/README.md",
  "SECURITY.md",
  ...readdirSync("docs", { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => `docs/${file}`),
];

/** The anchor that GitHub gives a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replace(/\s/g, "-");

function anchorsOf(file: string): ReadonlySet<string> {
  const headings = readFileSync(file, "utf8").matchAll(/^#{1,6} (.*)$/gm);
  return new Set([...headings].map((match) => anchorOf(match[1]!)));
}

describe("the links of", () => {
  it.each(documents)("%s", (document) => {
    const text = readFileSync(document, "utf8").replace(/^```[\s\S]*?^```/gm, "");
    const broken: string[] = [];
    for (const [, link = ""] of text.matchAll(/\]\((?![a-z]+:)([^)\s]+)\)/g)) {
      const [path = "", anchor] = link.split("#");
      const file = path === "" ? document : join(dirname(document), path);
      if (!existsSync(file)) broken.push(link);
      else if (anchor !== undefined && file.endsWith(".md") && !anchorsOf(file).has(anchor)) broken.push(link);
    }
    expect(broken).toEqual([]);
  });
});

/** Headings, and the words in bold that begin a paragraph. */
function sectionsOf(file: string): ReadonlySet<string> {
  const text = readFileSync(file, "utf8").replaceAll("`", "");
  const found = [...text.matchAll(/^#{1,6} (.*)$|\*\*([^*]+?)\.?\*\*/gm)];
  return new Set(found.map(([, heading, bold]) => (heading ?? bold)!.toLowerCase()));
}

const cited = new RegExp(`(${documents.join("|").replaceAll(".", "\\.")}), "([^"]+)"`, "g");

it("the sections that comments cite exist", () => {
  const folders = ["src", "native", "bench", "tools", "test", "kernel/machine", "kernel/criu"];
  const sources = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => /\.(?:ts|mjs|c|h)$/.test(file))
      .map((file) => join(folder, file)),
  );
  const missing: string[] = [];
  for (const source of sources) {
    // A citation may be broken between the lines of a comment.
    const text = readFileSync(source, "utf8").replace(/\n\s*(?:\*|\/\/) ?/g, " ");
    for (const [citation, file = "", section = ""] of text.matchAll(cited)) {
      if (!sectionsOf(file).has(section.toLowerCase())) missing.push(`${source}: ${citation}`);
    }
  }
  expect(missing).toEqual([]);
});
