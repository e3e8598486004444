/**
 * On random servers: the kernel decides every call that they make for each request, unless it is sensitive. The test
 * runs the engine's filter on each recorded call.
 */
import { expect, it } from "vitest";
import { allCalls, callByName } from "../abi/calls.ts";
import { creatingCalls, executingCalls } from "../abi/process-calls.ts";
import { returnWord } from "../abi/return-word.ts";
import { runClassic } from "../backend/classic/interpreter.ts";
import { notifyFilter } from "../engines/notify/filter.ts";
import { loadPolicy } from "../frontend/load.ts";
import { type Choices, chance, pick, SeededChoices } from "../ir/testing/choices.ts";
import { casesOf, seeds } from "../ir/testing/seeds.ts";
import { unseenCalls } from "./history.ts";
import { phaseModes } from "./permissions.ts";
import { propose } from "./proposal.ts";
import { sensitiveCalls } from "./sensitive.ts";
import { historyOf, type Line, traceOf } from "./testing/lines.ts";
import { refusedBy } from "./testing/policies.ts";

const runs = 60;
const special: readonly string[] = [...creatingCalls, ...executingCalls, ...unseenCalls, "exit"];
const sensitive = new Set(sensitiveCalls.flatMap(({ calls, only }) => (only === undefined ? calls : [])));
const names = allCalls
  .filter(({ name, number }) => number.x86_64 !== undefined && !special.includes(name) && !name.startsWith("io_uring_"))
  .map(({ name }) => name);

interface Server {
  readonly lines: readonly Line[];
  /** The names of the calls that each request makes. */
  readonly served: ReadonlySet<string>;
}

/** Random protections would be executable. */
const mayExecute = (name: string): boolean => name === "mmap" || name.endsWith("mprotect");

/** A server with workers that serve in a loop, or with a process for each connection. */
function randomServer(choices: Choices): Server {
  const some = (most: number): string[] => Array.from({ length: choices.below(most) }, () => pick(choices, names));
  const call = (tid: number, name: string, ...registers: number[]): Line => [tid, name, ...registers];
  const all = (tid: number, list: readonly string[]): Line[] =>
    list.map((name) => call(tid, name, ...registersOf(name)));
  // Equal requests have equal arguments.
  const registersOf = (name: string): readonly number[] => {
    const found =
      registers.get(name) ?? callByName(name)!.parameters.map(() => (mayExecute(name) ? 1 : choices.below(4)));
    registers.set(name, found);
    return found;
  };
  const registers = new Map<string, readonly number[]>();
  const forks = (from: number, to: number): Line[] => [[from, "clone", 0x1200011], { fork: [from, to] }];
  const lines = all(1, some(40));
  const body = some(12);
  const requests = 3 + choices.below(5);
  if (chance(choices, 2)) {
    const last = 2 + choices.below(3);
    const begin = some(20);
    for (let worker = 2; worker <= last; worker++) {
      lines.push(...forks(1, worker), ...all(worker, begin));
      for (let at = 0; at < requests; at++) {
        lines.push(call(worker, "epoll_wait"), call(worker, "accept4"), ...all(worker, body), ...all(worker, some(2)));
      }
    }
    return { lines: [...lines, ...all(1, some(6))], served: new Set([...body, "epoll_wait", "accept4"]) };
  }
  for (let at = 0; at < requests; at++) {
    const own = at % 3 === 0 ? all(2 + at, some(20)) : [];
    lines.push(call(1, "accept"), ...forks(1, 2 + at), ...own, ...all(2 + at, body), { exit: 2 + at });
  }
  return { lines, served: new Set([...body, "accept"]) };
}

it("the kernel decides what a random server makes for each request, and nothing of its recording is refused", () => {
  const notify = returnWord("USER_NOTIF");
  let withState = 0;
  for (const seed of seeds(runs)) {
    const choices = new SeededChoices(seed);
    const { lines, served } = randomServer(choices);
    const phases = pick(choices, phaseModes);
    const { policy, permissions } = propose(historyOf([lines]), { phases, with: [], origin: "A test." });
    if (permissions.states.length > 1) withState++;
    const { program, diagnostics } = loadPolicy("/a.ts", { architecture: "x86_64", readFile: () => policy });
    expect(diagnostics, `seed ${seed}`).toEqual([]);
    const { classic } = notifyFilter(program!, { mode: "quiet", armed: false });
    const judged = traceOf(lines).events.flatMap((event) => {
      if (event.kind !== "call") return [];
      const values = event.arguments.map(({ value }) => value);
      const input = {
        number: event.number,
        architecture: event.architecture,
        arguments: values,
        instructionPointer: 0n,
      };
      const { name } = allCalls.find(({ number }) => number.x86_64 === event.number)!;
      return runClassic(classic.instructions, input).word === notify ? [name] : [];
    });
    const wrong = judged.filter((name) => served.has(name) && !sensitive.has(name));
    expect([...new Set(wrong)], `seed ${seed}, ${phases}\n${policy}`).toEqual([]);
    expect(refusedBy(policy, lines), `seed ${seed}, ${phases}`).toEqual([]);
  }
  expect(withState).toBeGreaterThan(casesOf(runs) / 4);
}, 120_000);
