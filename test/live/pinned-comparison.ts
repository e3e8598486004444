/** Runs a program without portcullis and under a policy that pins every possible call (pinned-policy.ts), and compares. */
import { spawnSync } from "node:child_process";
import { accessSync, chmodSync, constants, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { beforeAll, expect, type TestContext } from "vitest";
import type { DecisionEvent } from "../../src/events/event.ts";
import { asUser, ordinaryUser, reachableFolder } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";
import { statusInShell } from "../support/processes.ts";
import { guarded, type Ran } from "../support/run.ts";
import { pinEverything } from "./pinned-policy.ts";

/** The amount of work of each program. */
export const times = process.env["PORTCULLIS_FULL"] === "1" ? 10 : 1;

const settings = { encoding: "utf8", input: "", timeout: patience.command, killSignal: "SIGKILL" } as const;

function has(program: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export function needs(context: TestContext, ...programs: readonly string[]): void {
  for (const program of programs) if (!has(program)) context.skip(`${program} is not installed`);
}

type Files = Readonly<Record<string, string>>;

export interface PinnedPrograms {
  /**
   * Runs the command without and with the policy, each in a new folder with these files, and expects the same output and
   * status, and no event.
   */
  expectSame(command: readonly string[], files?: Files, settings?: SameSettings): Ran;
  inBash(script: string, files?: Files, settings?: SameSettings): Ran;
  /** Runs the script with the policy, by a portcullis without CAP_SYS_PTRACE. */
  inBashAsOrdinaryUser(script: string): { readonly stdout: string; readonly decisions: readonly DecisionEvent[] };
}

interface SameSettings {
  /** Default true. */
  readonly comparesErrors?: boolean;
}

/** To be called once in a test file. */
export function pinnedPrograms(): PinnedPrograms {
  const place = reachableFolder("pinned");
  const policy = join(place, "policy.ts");
  const work = join(place, "work");
  const environment = { ...process.env, HOME: work, LC_ALL: "C", TERM: "xterm" };

  beforeAll(() => writeFileSync(policy, pinEverything()));

  function inNewFolder<T>(files: Files, start: () => T): T {
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work);
    // Some programs run as an ordinary user.
    chmodSync(work, 0o777);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(work, name), text);
    return start();
  }

  function expectSame(
    command: readonly string[],
    files: Files = {},
    { comparesErrors = true }: SameSettings = {},
  ): Ran {
    const plain = inNewFolder(files, () =>
      spawnSync(command[0]!, command.slice(1), { ...settings, cwd: work, env: environment }),
    );
    const confined = inNewFolder(files, () => guarded(policy, command, [], { cwd: work, env: environment }));
    expect(confined.events).toEqual([]);
    const seen = ({
      status,
      signal,
      stdout,
      stderr,
    }: Pick<Ran, "signal" | "stdout" | "stderr"> & { status: number | null }) => ({
      ...{ status: statusInShell({ status, signal }), stdout },
      ...(comparesErrors && { stderr }),
    });
    expect(seen(confined)).toEqual(seen(plain));
    return confined;
  }

  return {
    expectSame,
    inBash: (script, files, settings) => expectSame(["bash", "-c", script], files, settings),
    inBashAsOrdinaryUser: (script) =>
      inNewFolder({}, () => {
        const events = join(work, "events");
        const own = ["run", "--engine", "notify", "-p", policy, "--events", events, "--", "bash", "-c", script];
        const words = [join(process.cwd(), "bin/portcullis"), ...own];
        const [file, ...rest] = process.getuid?.() === 0 ? asUser(ordinaryUser, ...words) : words;
        const { stdout } = spawnSync(file!, rest, { ...settings, cwd: work, env: environment });
        const lines = existsSync(events) ? readFileSync(events, "utf8").split("\n").filter(Boolean) : [];
        return { stdout, decisions: lines.map((line) => JSON.parse(line) as DecisionEvent) };
      }),
  };
}
