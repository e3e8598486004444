/** The code blocks of a document, for tests that compile them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * | fence | meaning |
 * | --- | --- |
 * | ```` ```ts ```` | a policy module, which compiles |
 * | ```` ```ts step ```` | the body of a step; its imports are added |
 * | ```` ```ts error ```` | a module with diagnostics, which the next `text` block shows |
 * | ```` ```ts file=a/b.ts ````, ```` ```json file=c.json ```` | a file that later modules import |
 */
export interface Example {
  /** The fence's line in the document, from 1. */
  readonly line: number;
  readonly is: "module" | "step" | "error" | "file";
  readonly text: string;
  /** Its file: "example-12.ts", or the file that the fence names. */
  readonly file: string;
  /** The diagnostics in the document. */
  readonly says: string | undefined;
}

interface Block {
  readonly line: number;
  readonly info: string;
  readonly text: string;
}

function blocksOf(document: string): Block[] {
  const blocks: Block[] = [];
  let open: { line: number; info: string; lines: string[] } | undefined;
  for (const [index, line] of document.split("\n").entries()) {
    if (open && line === "```") {
      blocks.push({ line: open.line, info: open.info, text: `${open.lines.join("\n")}\n` });
      open = undefined;
    } else if (open) open.lines.push(line);
    else if (line.startsWith("```")) open = { line: index + 1, info: line.slice(3), lines: [] };
  }
  if (open) throw new Error(`the block that begins in line ${open.line} does not end`);
  return blocks;
}

/** `exports` are the names that "portcullis" exports: a step imports those that it uses. */
export function examplesOf(document: string, exports: readonly string[]): Example[] {
  const examples: Example[] = [];
  const blocks = blocksOf(document);
  for (const [index, { line, info, text }] of blocks.entries()) {
    const [language = "", kind = ""] = info.split(" ");
    if (language !== "ts" && !kind.startsWith("file=")) continue;
    const next = blocks[index + 1];
    const says = kind === "error" && next?.info === "text" ? next.text : undefined;
    const is = kind === "" ? "module" : kind.startsWith("file=") ? "file" : kind;
    if (is !== "module" && is !== "step" && is !== "error" && is !== "file") {
      throw new Error(`line ${line}: no block is of the kind ${kind}`);
    }
    const file = is === "file" ? kind.slice("file=".length) : is === "error" ? "policy.ts" : `example-${line}.ts`;
    examples.push({ line, is, file, says, text: is === "step" ? moduleAround(text, exports) : text });
  }
  return examples;
}

function moduleAround(step: string, exports: readonly string[]): string {
  const names = exports.filter((name) => name === "policy" || new RegExp(`(?<![.\\w"])${name}\\b`).test(step));
  const body = step.replace(/^(?=.)/gm, "  ");
  return `import { ${names.sort().join(", ")} } from "portcullis";\n\nexport default policy((call) => {\n${body}});\n`;
}

/** Writes it below the folder, and returns its path. */
export function write(folder: string, example: Example): string {
  const path = join(folder, example.is === "error" ? `error-${example.line}` : "", example.file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, example.text);
  return path;
}
