/**
 * On random recordings: the proposed policy compiles without warnings, has the layout of the formatter, and refuses nothing
 * of them; and its phases and roles are those that the search supposed.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callByNumber } from "../abi/calls.ts";
import { lintPolicy } from "../analysis/lint/lint.ts";
import { InterpreterEvaluator } from "../engines/simulate/interpreter-evaluator.ts";
import { loadPolicy } from "../frontend/load.ts";
import { SeededChoices } from "../ir/testing/choices.ts";
import { seeds } from "../ir/testing/seeds.ts";
import { Faults } from "../traces/faults.ts";
import { readJsonTrace } from "../traces/formats/json.ts";
import { printTraceCall } from "../traces/formats/words.ts";
import { replay } from "../traces/replay.ts";
import { type Ability, abilitiesOf } from "./abilities.ts";
import { type Detail, details } from "./aspects.ts";
import { HistoryBuilder } from "./history.ts";
import { type PhaseMode, phaseModes } from "./permissions.ts";
import { type Proposal, propose } from "./proposal.ts";
import { isSearch } from "./searches.ts";
import { randomRecording } from "./testing/recordings.ts";

const runs = 150;
const architecture = "x86_64";

function historyOf(recordings: readonly string[], detail: Detail): HistoryBuilder {
  const history = new HistoryBuilder(architecture, detail);
  recordings.forEach((text, index) => {
    const faults = new Faults(`${index}.trace`);
    history.open(`${index}.trace`, faults);
    const { runs: read, diagnostics } = readJsonTrace(text, `${index}.trace`, architecture);
    expect(diagnostics, text).toEqual([]);
    for (const run of read) for (const event of run.events) history.event(event, run);
    expect(faults.list(), text).toEqual([]);
  });
  return history;
}

/** Calls that no policy allows, and clone3, whose flags are unknown. */
function isRefusedAlways(name: string, verdict: string): boolean {
  return name.startsWith("io_uring_") || (name === "clone3" && verdict === "deny ENOSYS");
}

/** Calls, and what the head of a policy says of a process that cannot make them. */
const claims: readonly (readonly [calls: readonly string[], text: string])[] = [
  [["execve", "execveat"], "execute programs"],
  [["fork", "vfork"], "start processes"],
  [["socket"], "open sockets"],
  [["connect"], "connect"],
  [["setuid", "setgid", "setgroups"], "change its user or groups"],
  [["ptrace"], "trace or read other processes"],
  [["unlink", "unlinkat", "rename", "renameat", "renameat2"], "remove or rename files"],
];

function abilityOf(
  abilities: readonly Ability[],
  { roles, variables }: Proposal,
  before: Readonly<Record<string, string>>,
): Ability | undefined {
  const role = roles.list.find(({ name }) => name === (before["role"] ?? "main"))!;
  const variable = variables.get(role);
  return abilities.find(
    (one) => one.roles.includes(role.name) && one.phase === (variable === undefined ? undefined : before[variable]),
  );
}

describe("a proposal", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "portcullis-propose-"));
    copyFileSync("biome.json", join(folder, "biome.json"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("refuses nothing of its recordings, and has no warnings", () => {
    let [withPhases, withRoles, withBranches, withSearches, number] = [0, 0, 0, 0, 0];
    for (const seed of seeds(runs)) {
      const choices = new SeededChoices(seed);
      const recordings = Array.from({ length: 1 + choices.below(3) }, () => randomRecording(choices));
      const detail = details[choices.below(details.length)]!;
      const phases: PhaseMode = phaseModes[choices.below(phaseModes.length)]!;
      const label = `seed ${seed}, ${detail}, ${phases}`;
      const files = {
        isProtected: (directory: string) => directory.length % 2 === seed % 2,
        isMissing: (path: string) => path.length % 3 === seed % 3,
      };
      const proposal = propose(historyOf(recordings, detail), {
        phases,
        with: [],
        origin: "A test.",
        files,
      });
      const { policy, permissions, roles, searched } = proposal;
      if (permissions.triggers.size > 0) withPhases++;
      if (roles.list.length > 1) withRoles++;
      if (roles.branches.length > 0) withBranches++;
      if (searched.size > 0) withSearches++;
      const path = join(folder, `${number++}.ts`);
      writeFileSync(path, policy);
      const { program, diagnostics, promises } = loadPolicy(path, { architecture });
      expect(diagnostics, `${label}\n${policy}`).toEqual([]);
      // Of too many protocols no rule is made, and that is what P0508 says.
      const isOpen = proposal.open.get("socket")?.some(({ parameter }) => parameter === "protocol") === true;
      const warnings = lintPolicy(program!, { promises }).filter(({ code }) => code !== "P0508" || !isOpen);
      expect(warnings, `${label}\n${policy}`).toEqual([]);
      // It takes as long as all the rest.
      const abilities = number % 4 === 0 ? abilitiesOf(program!, proposal) : [];
      for (const [index, text] of recordings.entries()) {
        const [trace] = readJsonTrace(text, `${index}.trace`, architecture).runs;
        for (const { event, decision } of replay(new InterpreterEvaluator(program!), trace!, { file: "" }).calls()) {
          const cannot = abilityOf(abilities, proposal, decision.phases.before)?.cannot ?? [];
          const claim = claims.find(([calls]) => calls.includes(callByNumber(architecture, event.number)?.name ?? ""));
          if (decision.passes === true && claim !== undefined)
            expect(cannot, `${label}\n${policy}`).not.toContain(claim[1]);
          if (decision.passes === true || decision.action === "fails") continue;
          if (decision.verdict === "deny ENOENT" && isSearch(event, files)) continue;
          const shown = printTraceCall(event, { architecture });
          if (isRefusedAlways(shown.replace(/\(.*/s, ""), decision.verdict)) continue;
          expect.unreachable(
            `${label}: recording ${index}, line ${event.place.line}: ${shown}: ${decision.verdict} ${JSON.stringify(decision.phases)}\n${policy}\n${text}`,
          );
        }
      }
    }
    expect(withPhases).toBeGreaterThan(0);
    expect(withRoles).toBeGreaterThan(0);
    expect(withBranches).toBeGreaterThan(0);
    expect(withSearches).toBeGreaterThan(0);
    const formatter = join(process.cwd(), "node_modules/.bin/biome");
    execFileSync(formatter, ["format", "--vcs-enabled=false", "."], { cwd: folder, encoding: "utf8", stdio: "pipe" });
  });
});
