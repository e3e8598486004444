/** Runs a verb with a context of the test. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { runCommand } from "../../src/cli/entry/command.ts";

export interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export const portcullis = (...argv: readonly string[]): Promise<Outcome> => portcullisWith({}, ...argv);

export async function portcullisWith(environment: NodeJS.ProcessEnv, ...argv: readonly string[]): Promise<Outcome> {
  let out = "";
  let err = "";
  const status = await runCommand(argv, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    colour: { out: false, err: false },
    environment,
    workingDirectory: process.cwd(),
  });
  return { status, out, err };
}

/** A folder with these files, removed after the test. */
export function folderOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-cli-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}
