/** What a command inherits, byte for byte, in situations in which its caller can be. */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { getPriority } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { asUser } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";
import { victim } from "./run.ts";

/** Only root can lower that of `nice make test`. */
const niceness = Math.min(19, getPriority() + 5);

interface Settings {
  readonly uid?: number | undefined;
  readonly environment?: NodeJS.ProcessEnv;
}

/** The output of the program, started by these words in this situation. It is written to the folder, which is its home. */
export function inherited(
  folder: string,
  situation: readonly string[],
  start: readonly string[],
  { uid, environment = {} }: Settings = {},
): string {
  const file = join(folder, "facts");
  rmSync(file, { force: true });
  const own = [victim("situation"), ...situation, "--", ...start, victim("inherited"), file, "a word", ""];
  const [program, ...words] = uid === undefined ? own : asUser(uid, ...own);
  const ran = spawnSync(program!, words, {
    encoding: "utf8",
    timeout: patience.command,
    env: { ...process.env, HOME: folder, ...environment },
    stdio: ["ignore", "ignore", "pipe"],
  });
  expect({ status: ran.status, stderr: ran.stderr }).toEqual({ status: 0, stderr: "" });
  // Each start has a separate pipe.
  return readFileSync(file, "utf8").replace(/^(descriptor 2 .*) inode \d+ .*$/m, "$1");
}

export const situations: Readonly<Record<string, readonly string[]>> = {
  "an ordinary start": [],
  "ignored, blocked and pending signals, as nohup leaves them": [
    ...["ignore=1", "ignore=2", "ignore=13", "ignore=17", "ignore=25"],
    ...["block=10", "block=34", "pending=12", "pending=35"],
  ],
  "standard streams that are closed": ["close=0", "close=1", "close=2", "open=5:5"],
  "fifty descriptors, with 3 to 20 and some beyond 1000": ["open=3:40", "open=1000:1012"],
  "low limits": ["limit=7:777", "limit=4:0", "limit=3:4000000", "limit=11:100"],
  "timers, a parent-death signal, scheduling": [
    ...["alarm=10000", "virtual=50000", "profile=70000", "death=15", "subreaper=1", "slack=77777", `nice=${niceness}`],
    ...["umask=7", "personality=0x40000", "processor=0", "ioprio=0x4003", "oom=300", "reset=3"],
  ],
  "words and an environment that are not UTF-8": [
    "word=ff00",
    "environment=413dff",
    "environment=622d633d31",
    "word=c3",
  ],
  "an empty environment, and no PATH": ["clear=0"],
  "a variable that portcullis uses itself": ["environment=504f525443554c4c49535f4c41554e434845523d39"],
};
