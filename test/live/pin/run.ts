/** Starts the pinning harness with a victim, as root and as an ordinary user, and returns the outcome. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { hostArchitecture } from "../../../src/abi/architecture.ts";
import { numberOf } from "../../../src/abi/calls.ts";
import { returnWord } from "../../../src/abi/return-word.ts";
import { type ClassicInstruction, encodeInstructions, opcode } from "../../../src/backend/classic/instruction.ts";
import { asUser, copyFor, isReachable, reachableFolder } from "../../support/ordinary-user.ts";
import { patience } from "../../support/patience.ts";
import type { PinCounts, PinHarnessOptions } from "./options.ts";

const place = reachableFolder("pin");
const harness = join(place, "harness.mjs");
let node = process.execPath;

export const isFull = process.env["PORTCULLIS_FULL"] === "1";
/** How often each call is made: PORTCULLIS_FULL=1 takes as many as it needs to trust the result. */
export const tries = isFull ? 30_000 : 300;

export async function preparePinning(): Promise<void> {
  execFileSync("make", ["-s", "-C", "native"], { stdio: "inherit" });
  copyFor(place, "package.json");
  copyFor(place, "dist/native", "dist/native");
  copyFor(place, "build/native/victims");
  if (!isReachable(node)) node = copyFor(place, node);
  await build({
    bundle: true,
    platform: "node",
    target: "node20",
    packages: "external",
    logLevel: "warning",
    entryPoints: ["test/live/pin/harness.ts"],
    outfile: harness,
    format: "esm",
  });
}

/** A filter that asks about these calls and allows all others, behind the instructions of `before`. */
function askAbout(calls: readonly string[], before: readonly ClassicInstruction[] = []): string {
  const statement = (code: number, k: number): ClassicInstruction => ({ code, jt: 0, jf: 0, k });
  const filter = [
    ...before,
    statement(opcode.load, 0),
    ...calls.flatMap((call) => [
      { code: opcode.jumpEqual, jt: 0, jf: 1, k: numberOf(call, hostArchitecture()!)! },
      statement(opcode.return, returnWord("USER_NOTIF")),
    ]),
    statement(opcode.return, returnWord("ALLOW")),
  ];
  return Buffer.from(encodeInstructions(filter)).toString("hex");
}

export interface PinRun {
  readonly status: number | null;
  /** The victim's output, `name: number` each. */
  readonly victim: Readonly<Record<string, number>>;
  readonly counts: PinCounts;
  /** The number of windows that the supervisor has at the end. */
  readonly windows: number;
  readonly out: string;
  readonly error: string;
}

export interface PinSettings extends Omit<PinHarnessOptions, "filter" | "answer"> {
  readonly answer?: PinHarnessOptions["answer"];
  readonly uid?: number | undefined;
  readonly calls: readonly string[];
  readonly before?: readonly ClassicInstruction[];
}

/** Runs a victim in a new folder that is its own. */
export function runPinned(settings: PinSettings, scenario: string, ...words: readonly (string | number)[]): PinRun {
  const { uid, calls, before, ...rest } = settings;
  const options: PinHarnessOptions = { answer: "pin", ...rest, filter: askAbout(calls, before) };
  const folder = mkdtempSync(join(place, "run-"));
  chmodSync(folder, 0o777);
  mkdirSync(join(folder, "work"));
  if (uid !== undefined) execFileSync("chown", ["-R", `${uid}:${uid}`, folder]);
  const own = [node, harness, JSON.stringify(options), join(place, "victims/pinned"), scenario, ...words.map(String)];
  const command = ["setsid", ...(uid === undefined ? own : asUser(uid, ...own))];
  const done = spawnSync(command[0]!, command.slice(1), {
    encoding: "utf8",
    cwd: join(folder, "work"),
    timeout: patience.command,
    killSignal: "SIGKILL",
  });
  const victim: Record<string, number> = {};
  for (const [, name, value] of done.stdout.matchAll(/^([\w ]+): (-?\d+)$/gm)) victim[name!] = Number(value);
  const last = done.stderr.trim().split("\n").at(-1) ?? "";
  const counts = last.startsWith("{") ? (JSON.parse(last) as PinCounts) : {};
  const windows = Number(/^windows: (\d+)$/m.exec(done.stderr)?.[1]);
  return { status: done.status, victim, counts, windows, out: done.stdout, error: done.stderr };
}
