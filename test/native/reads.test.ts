/** The addon's pool of reads (native/addon/pin/reads.c), as its loop uses it. */
import { spawnSync } from "node:child_process";
import { beforeAll, expect, it } from "vitest";
import { patience } from "../support/patience.ts";
import { compiled } from "../support/run.ts";

let program = "";
beforeAll(() => {
  program = compiled(
    "test/native/reads.c",
    [],
    ["native/addon/pin/reads.c", "native/addon/pin/reads.h", "native/addon/base/detached.h"],
  );
});

/** -EINPROGRESS. */
const late = ["first: -115", "second: -115"] as const;
const read = ["first: 0", "second: 0"] as const;
const [comesBack, stays] = ["comes back: 1", "comes back: 0"] as const;

it.each<readonly [what: string, scenario: string, said: readonly string[]]>([
  ["a call comes back once if both of its reads have ended", "both", [...late, comesBack, ...read, stays]],
  ["a call that waits for its judgement does not come back", "deferred", [...late, comesBack, stays, ...read]],
  [
    "a call comes back again if one of its reads has not ended",
    "in-turn",
    [...late, comesBack, "first: 0", "second: -115", stays, comesBack, ...read, stays],
  ],
  [
    "a call comes back although its read has ended for a second argument",
    "same",
    ["first: -115", "second: 0", comesBack, ...read, stays],
  ],
  ["two reads do not wait for one idle thread", "one-idle", ["threads: 2", "read: 0"]],
])("%s", (_, scenario, said) => {
  const { status, stdout } = spawnSync(program, [scenario], { encoding: "utf8", timeout: patience.command });
  expect({ status, said: stdout.trim().split("\n") }).toEqual({ status: 0, said });
});
