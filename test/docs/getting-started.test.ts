/** docs/getting-started.md, from its first command to its last: the files that it shows, and what each command prints. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { afterAll, expect, it } from "vitest";
import { freePort } from "../../bench/support/port.ts";
import { patience } from "../support/patience.ts";

const folder = mkdtempSync(join(tmpdir(), "portcullis-getting-started-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const port = await freePort();
const page = readFileSync("docs/getting-started.md", "utf8").replaceAll("8080", String(port));

interface Block {
  readonly kind: string;
  readonly text: string;
}

const blocks = [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(
  ([, kind, text]): Block => ({ kind: kind!, text: text! }),
);

const cases = "shop.cases";
const file = (name: string): string => join(folder, name);

/** Waits after the start of the server, which the reader does by typing. */
const untilServing = `until curl -s 127.0.0.1:${port} >/dev/null; do sleep 0.1; done`;

const PATH = [resolve("bin"), process.env["PATH"]].join(delimiter);

function run(commands: readonly string[]) {
  const script = commands.flatMap((line) => (line.endsWith("&") ? [line, untilServing] : [line])).join("\n");
  return spawnSync("bash", ["-c", `${script}\nwait`], {
    cwd: folder,
    env: { ...process.env, PATH },
    encoding: "utf8",
    timeout: patience.command,
  });
}

const repair = /return allow; \/\/ the stock list/;

/** Writes the file that the block shows, or changes it. */
function write({ kind, text }: Block): void {
  if (kind === "js") writeFileSync(file("shop.mjs"), text);
  else if (kind === "ts" && repair.test(text)) {
    const policy = readFileSync(file("shop.ts"), "utf8");
    writeFileSync(
      file("shop.ts"),
      policy.replace("  if (calls.exec", () => `${text}  if (calls.exec`),
    );
  } else if (kind === "ts" && text.includes("perProcess")) writeFileSync(file("shop.ts"), text);
  else if (text.startsWith("start")) writeFileSync(file(cases), text);
  else if (text.startsWith("other")) writeFileSync(file(cases), readFileSync(file(cases), "utf8") + text);
}

it("shows what its commands print", () => {
  let errors = "";
  for (const block of blocks) {
    if (block.kind !== "console") {
      if (block.text.startsWith("denied")) expect(errors).toContain(block.text.trim());
      write(block);
      continue;
    }
    const lines = block.text.split("\n").slice(0, -1);
    const ran = run(lines.flatMap((line) => (line.startsWith("$ ") ? [line.slice(2)] : [])));
    errors = ran.stderr;
    const shown = lines.filter((line) => !line.startsWith("$ "));
    expect(ran.stdout, `${block.text}${errors}`).toBe(shown.map((line) => `${line}\n`).join(""));
  }
});
