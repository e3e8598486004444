/**
 * The split of a policy into a part for a classic filter and a part that needs state.
 *
 * For each call number and each condition on its arguments it finds the weakest verdict that any state could give, and
 * whether the stateful part must see the call (decision.ts). The algorithm is in `explore.ts`.
 */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { callNumber } from "../../abi/call-numbers.ts";
import { cloneFlag, creatingCalls, executingCalls, numbersOf } from "../../abi/process-calls.ts";
import { credentialNumbers, rootNumbers } from "../../abi/rights-calls.ts";
import type { Program } from "../../ir/program.ts";
import { asks, mayPass } from "../../ir/verdicts.ts";
import type { SplitPolicy } from "../decision.ts";
import { type DecisionNode, Decisions } from "./decisions.ts";
import { type Environment, Environments } from "./environment.ts";
import { Explorer } from "./explore.ts";
import { reachableVerdicts } from "./give-up.ts";
import { buildGraph } from "./graph.ts";
import { KnowledgeBase } from "./knowledge.ts";
import { TermPool } from "./terms.ts";

export interface SplitOptions {
  /** The engine must see every new process: calls that create one, and may be allowed, become stateful. */
  readonly superviseProcessCreation: boolean;
  /** The engine must see every execution of a program: execve and execveat become stateful if they may be allowed. */
  readonly superviseExecution?: boolean;
  /** The engine must see every thread that restricts itself by Landlock: landlock_restrict_self becomes stateful. */
  readonly superviseRestriction?: boolean;
  /** The engine must see every thread that changes its users, groups, capabilities, root or namespaces. */
  readonly superviseRights?: boolean;
  /**
   * Known words of cells before the call, to ask about one phase. Not for enforcement, which must cover every state.
   */
  readonly cells?: ReadonlyMap<number, bigint>;
}

/** Limits of exploration steps for one class of calls, and for all; only generated policies reach them. */
const mostStepsOfClass = 20_000;
const mostSteps = 200_000;
/** Limits of steps of joining decisions, and of simplifying each. */
const mostJoins = 100_000;
const mostSimplifications = 20_000;
/**
 * Limit of work on decisions in each exploration: n rules that each have their own verdict or counter make n leaves
 * with up to n entries.
 */
const mostWork = 6_000_000;

interface SupervisedCalls {
  /** fork, vfork, clone3 */
  readonly creations: readonly number[];
  readonly clone: number;
  /** execve, execveat */
  readonly executions: readonly number[];
  readonly restriction: number;
  readonly rights: readonly number[];
}

const supervisedCalls = new Map<ArchitectureName, SupervisedCalls>();

/** Calls that an engine may have to see. */
function supervisedCallsOf(architecture: ArchitectureName): SupervisedCalls {
  let calls = supervisedCalls.get(architecture);
  if (calls === undefined) {
    calls = makeSupervisedCalls(architecture);
    supervisedCalls.set(architecture, calls);
  }
  return calls;
}

function makeSupervisedCalls(architecture: ArchitectureName): SupervisedCalls {
  const clone = callNumber("clone", architecture);
  const creations = numbersOf(creatingCalls, architecture).filter((number) => number !== clone);
  return {
    creations,
    clone,
    executions: numbersOf(executingCalls, architecture),
    restriction: callNumber("landlock_restrict_self", architecture),
    rights: [...credentialNumbers(architecture), ...rootNumbers(architecture)],
  };
}

export function splitPolicy(program: Program, options: SplitOptions): SplitPolicy {
  const pool = new TermPool(program);
  const graph = buildGraph(program);
  const environments = new Environments(pool, new KnowledgeBase(), graph);
  const decisions = new Decisions(environments, mostJoins, mostSimplifications);
  const initial = initialEnvironment(environments, options.cells ?? new Map());

  const judged = judgedNumbers(program);
  const found = new Map<number, DecisionNode>();
  const explore = (explorer: Explorer, classes: readonly (readonly number[])[]) => {
    const enough = explorer.work + mostWork;
    return classes.flatMap((numbers) => {
      const set = explorer.numbers.set(numbers);
      if (set === undefined) return [];
      const result = explorer.explore(set, initial, mostStepsOfClass, mostSteps, enough);
      for (const [number, decision] of result.found) found.set(number, decision);
      return result.left;
    });
  };
  const costly = explore(new Explorer(environments, graph, decisions, true), [judged]);
  if (costly.length > 0) {
    // Without learning from arguments there are fewer distinct states; impossible paths are dropped at the end.
    const other = new Explorer(environments, graph, decisions, false);
    // A call that is still too costly must not affect the others of its class.
    const still = explore(other, costly).filter((numbers) => numbers.length > 1);
    explore(
      other,
      still.flatMap((numbers) => numbers.map((number) => [number])),
    );
  }

  const asksSomewhere = program.verdicts.some(asks);
  const split = new Map<number, ReturnType<typeof decisions.export>>();
  const finished = new Map<DecisionNode, DecisionNode>();
  for (const number of judged) {
    const explored =
      found.get(number) ??
      decisions.leaf(
        reachableVerdicts(program, graph, BigInt(number)),
        decisions.reasons([{ because: "too-complex" }]),
      );
    let decision = finished.get(explored);
    if (decision === undefined) {
      decision = decisions.finish(explored);
      finished.set(explored, decision);
    }
    decision = supervised(program, number, decision, options, decisions, pool);
    if (asksSomewhere) decision = reportingAsks(program, decision, decisions);
    split.set(number, decisions.export(decision));
  }
  return split;
}

function judgedNumbers(program: Program): number[] {
  const numbers: number[] = [];
  for (const { from, to } of program.admission.judged)
    for (let number = Number(from); number <= Number(to); number++) numbers.push(number);
  return numbers;
}

function initialEnvironment(environments: Environments, cells: ReadonlyMap<number, bigint>): Environment {
  let environment = Environments.empty;
  for (const [cell, value] of cells) {
    const { pool } = environments;
    const { shape } = pool.test(pool.cell(cell), pool.cell(cell).bits, [{ from: value, to: value }]);
    if (shape.kind !== "test") continue;
    environment = environments.learn(environment, shape.test, !shape.negated) ?? environment;
  }
  return environment;
}

/** The stateful part asks the person, also where the verdict is known. */
function reportingAsks(program: Program, decision: DecisionNode, decisions: Decisions): DecisionNode {
  const reasons = decisions.reasons([{ because: "asks" }]);
  const seen = decisions.replaceLeaves(decision, (leaf) =>
    leaf.possible.some((verdict) => asks(program.verdicts[verdict]!)) ? decisions.addReasons(leaf, reasons) : leaf,
  );
  return decisions.finish(seen);
}

function supervised(
  program: Program,
  number: number,
  decision: DecisionNode,
  options: SplitOptions,
  decisions: Decisions,
  pool: TermPool,
): DecisionNode {
  const { creations, clone, executions, restriction, rights } = supervisedCallsOf(program.architecture);
  const isCreation = options.superviseProcessCreation && (number === clone || creations.includes(number));
  const isExecution = options.superviseExecution === true && executions.includes(number);
  const isRestriction = options.superviseRestriction === true && number === restriction;
  const isOfRights = options.superviseRights === true && rights.includes(number);
  if (!isCreation && !isExecution && !isRestriction && !isOfRights) return decision;
  const because = isCreation
    ? "process-creation"
    : isExecution
      ? "execution"
      : isRestriction
        ? "restriction"
        : "rights";
  const reasons = decisions.reasons([{ because }]);
  const threads = pool.test(pool.input("argument0"), cloneFlag.thread, [
    { from: cloneFlag.thread, to: cloneFlag.thread },
  ]);
  const seen = decisions.replaceLeaves(decision, (leaf) => {
    // A call that no state allows creates no process and executes no program.
    if (!leaf.possible.some((verdict) => mayPass(program.verdicts[verdict]!))) return leaf;
    const supervisedLeaf = decisions.addReasons(leaf, reasons);
    return number === clone ? decisions.test(threads.first!, leaf, supervisedLeaf) : supervisedLeaf;
  });
  return decisions.finish(seen);
}
