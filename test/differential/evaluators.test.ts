/** Random programs and random process trees: the interpreter and the compiled form agree after every step. */
import { expect } from "vitest";
import type { Birth, SimulatedTask } from "../../src/engines/simulate/model.ts";
import { printProgram } from "../../src/ir/print.ts";
import { generateEvent, generateProgram, generateTrace, SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { arbitraryObserved } from "../../src/ir/testing/values.ts";
import { bothTrees, expectAgreement, withoutBirth } from "./agreement.ts";
import { campaign, runCampaign } from "./campaign.ts";
import { treeState } from "./state.ts";

function runOf(seed: number) {
  const choices = new SeededChoices(seed);
  const program = generateProgram(choices, {
    asks: seed % 4 === 0,
    observations: seed % 2 === 0,
    rooms: seed % 3 === 0,
  });
  return { program, trace: generateTrace(choices, program, 40) };
}

runCampaign("random programs, random traces", {
  runs: 600,
  runOf,
  check: ({ program, trace }) => expectAgreement(program, trace),
});

/** Forks that complete at once, late or never; execs; reused task ids. */
campaign("random lives of processes, in which the judged calls create the tasks", {
  runs: 400,
  check(seed) {
    const choices = new SeededChoices(seed);
    const program = generateProgram(choices, {
      asks: seed % 4 === 0,
      observations: seed % 2 === 0,
      rooms: seed % 3 === 0,
    });
    const trees = bothTrees(program, { pid: 10, highestPid: 14 });
    const births: [Birth, Birth][] = [];
    for (let step = 0; step < 60; step++) {
      const place = choices.below(trees[0].livingTasks.length);
      const act = <T>(action: (task: SimulatedTask) => T) => trees.map((tree) => action(tree.livingTasks[place]!));
      const what = choices.below(20);
      if (what < 12) {
        const event = generateEvent(choices, program);
        const observed = arbitraryObserved(choices, program);
        const [wanted, found] = act((task) => task.call({ ...event, observed }));
        expect(withoutBirth(found!)).toEqual(withoutBirth(wanted!));
        if (wanted!.birth !== undefined) births.push([wanted!.birth, found!.birth!]);
      } else if (what < 16 && births.length > 0) {
        const [pair] = births.splice(choices.below(births.length), 1);
        const outcome = choices.below(3);
        const results = pair!.map((birth) => outcomeOf(() => settle(birth, outcome)));
        expect(results[1]).toEqual(results[0]);
      } else if (what === 16) {
        act((task) => task.execute());
      } else if (what === 17 && trees[0].livingTasks.length > 1) {
        act((task) => task.exit());
      } else if (what === 18 && trees[0].livingTasks[place]!.process.tasks.length > 1 && trees[0].alive > 1n) {
        act((task) => task.exitGroup());
        if (trees[0].livingTasks.length === 0) return;
      } else {
        const nanoseconds = BigInt(choices.below(1000));
        for (const tree of trees) tree.advance(nanoseconds);
      }
      expect(treeState(trees[1])).toEqual(treeState(trees[0]));
    }
  },
  explain: (seed) =>
    printProgram(
      generateProgram(new SeededChoices(seed), {
        asks: seed % 4 === 0,
        observations: seed % 2 === 0,
        rooms: seed % 3 === 0,
      }),
    ),
});

function settle(birth: Birth, outcome: number): number | undefined {
  if (outcome === 0) return birth.process().tid;
  if (outcome === 1) return birth.thread().tid;
  birth.fail();
  return undefined;
}

function outcomeOf(action: () => number | undefined): number | string | undefined {
  try {
    return action();
  } catch (fault) {
    return (fault as Error).message;
  }
}
