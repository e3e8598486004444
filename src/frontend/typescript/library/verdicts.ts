/** Verdicts: `allow`, `log`, `ask`, `deny`, `trap`, `kill`, `strictest`. */
import type { Expression } from "oxc-parser";
import { errnoByName, errnoName, errnoNames } from "../../../abi/errno.ts";
import { nearestName } from "../../../diagnostics/suggest.ts";
import type { VerdictExpression } from "../../../ir/program.ts";
import { type Action, returnsZero, strictness } from "../../../ir/verdicts.ts";
import { unplacedLog } from "../../program/builder.ts";
import * as ir from "../../program/ir.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import {
  type BuiltinCall,
  constantString,
  describe,
  type StringValue,
  unknown,
  type Value,
  verdict,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";

/** The export that gives each action. */
const exportOf = {
  allow: "allow",
  log: "log",
  ask: "ask",
  deny: "deny",
  trap: "trap",
  "kill-thread": "kill",
  "kill-process": "kill",
} as const satisfies Readonly<Record<Action, string>>;

/** The exports that give an action. `allow` and `log` have no place of their own: it is where their name is used. */
export function verdictExports(c: Compilation): ReadonlyMap<string, Value> {
  const values: { readonly [name in (typeof exportOf)[Action]]: Value } = {
    allow: verdict({ kind: "verdict", verdict: 0 }),
    log: verdict({ kind: "verdict", verdict: unplacedLog }),
    ask: askFunction(c),
    deny: denyFunction(c),
    trap: trapFunction(c),
    kill: killFunction(c),
  };
  return new Map(Object.entries(values));
}

function make(
  c: Compilation,
  action: Action,
  errno: number,
  reason: string | undefined,
  node: SourceRange,
): VerdictExpression {
  // In unreachable code the verdict gets no entry: `explain` would list it as never reached.
  if (c.flow.live !== "live") return { kind: "verdict", verdict: 0 };
  return c.builder.verdict(action, errno, reason, c.file.location(node));
}

/** An OCI profile can say it (oci/schema.ts). */
const noErrnoZero = [
  `with errno 0 the call ${returnsZero}, and the program would continue as if it had succeeded: the language has no such denial`,
  'name an error: deny("EPERM")',
] as const;

function denyFunction(c: Compilation): Value {
  return {
    is: "builtin",
    name: "deny",
    apply: (call) => {
      const number = writtenNumber(call.nodes[0]);
      if (number === 0) return c.error("P0207", call.nodes[0]!, ...noErrnoZero);
      if (number !== undefined) {
        const name = errnoName(Math.abs(number));
        return c.error(
          "P0207",
          call.nodes[0]!,
          `an errno is given by its name${name === undefined ? "" : `: ${Math.abs(number)} is ${name}`}`,
          `deny(${JSON.stringify(name ?? "EPERM")})`,
        );
      }
      const given = call.values();
      if (given === undefined) return unknown;
      const [errno, reason, ...rest] = given;
      if (errno === undefined || rest.length > 0) {
        return c.error("P0212", call.node, "`deny` takes an errno and an optional reason", 'deny("EPERM", "why")');
      }
      if (errno.value.is !== "string") {
        return c.error("P0207", errno.node, `the errno is a name, not ${describe(errno.value)}`, 'deny("EPERM")');
      }
      const because = reason === undefined ? undefined : reasonOf(c, reason.value, reason.node);
      if (because === null) return unknown;
      return denial(c, errno.value, because, call.node, errno.node);
    },
  };
}

/** The errno may depend on the call: makes one verdict for each possible name. */
function denial(
  c: Compilation,
  errno: StringValue,
  reason: string | undefined,
  node: SourceRange,
  errnoNode: SourceRange,
): Value {
  let chain: VerdictExpression | undefined;
  for (let index = errno.options.length - 1; index >= 0; index--) {
    const name = errno.options[index]!;
    const number = errnoByName(name);
    if (name === "0") return c.error("P0103", errnoNode, ...noErrnoZero);
    if (number === undefined) {
      const near = nearestName(name, errnoNames());
      return c.error(
        "P0103",
        errnoNode,
        `there is no errno ${JSON.stringify(name)}`,
        near !== undefined
          ? `write ${JSON.stringify(near)}`
          : /\s/.test(name)
            ? `the errno comes before the reason: deny("EPERM", ${JSON.stringify(name)})`
            : 'deny("EPERM"), deny("EACCES") …',
      );
    }
    const one = make(c, "deny", number, reason, node);
    const code = errno.codes[index];
    chain =
      chain === undefined || code === undefined
        ? (chain ?? one)
        : ir.selectVerdict(ir.compare("equal", errno.subject, ir.constant(code)), one, chain);
  }
  return chain === undefined ? unknown : verdict(chain);
}

/** The number of a literal `1`, `1n` or `-1`; undefined for other nodes. */
function writtenNumber(node: Expression | undefined): number | undefined {
  if (node?.type === "UnaryExpression" && node.operator === "-") return writtenNumber(node.argument);
  if (node?.type !== "Literal") return undefined;
  return typeof node.value === "number" || typeof node.value === "bigint" ? Number(node.value) : undefined;
}

const longestReason = 1000;

/** A constant string; null after reporting that it is something else. */
function reasonOf(c: Compilation, value: Value, node: SourceRange): string | null {
  const reason = constantString(value);
  if (reason === undefined) {
    c.error(
      "P0310",
      node,
      `a reason is a constant string, not ${describe(value)}`,
      "report(text, values) records values",
    );
    return null;
  }
  if (reason.length > longestReason) {
    c.error("P0213", node, `a reason of ${reason.length} characters`, `at most ${longestReason}`);
    return null;
  }
  return reason;
}

function trapFunction(c: Compilation): Value {
  return {
    is: "builtin",
    name: "trap",
    apply: (call) => withReason(c, call, 0, (reason) => verdict(make(c, "trap", 0, reason, call.node))),
  };
}

/** The reason is the question, so it is required. */
function askFunction(c: Compilation): Value {
  return {
    is: "builtin",
    name: "ask",
    apply: (call) => {
      const given = call.values();
      if (given === undefined) return unknown;
      const [reason, ...rest] = given;
      if (reason === undefined || rest.length > 0) {
        return c.error("P0212", call.node, "`ask` takes the reason that the question states", 'ask("it pushes")');
      }
      const because = reasonOf(c, reason.value, reason.node);
      if (because === "") return c.error("P0213", reason.node, "an empty question", 'ask("it pushes")');
      return because === null ? unknown : verdict(make(c, "ask", 0, because, call.node));
    },
  };
}

function killFunction(c: Compilation): Value {
  return {
    is: "builtin",
    name: "kill",
    apply: (call) =>
      withReason(c, call, 1, (reason, first) => {
        const what = first === undefined ? undefined : constantString(first.value);
        if (what !== "thread" && what !== "process") {
          return c.error(
            "P0207",
            first?.node ?? call.node,
            '`kill` takes "process" or "thread"',
            'kill("process") or kill("thread")',
          );
        }
        return verdict(make(c, what === "thread" ? "kill-thread" : "kill-process", 0, reason, call.node));
      }),
  };
}

function withReason(
  c: Compilation,
  call: BuiltinCall,
  at: number,
  then: (reason: string | undefined, first: { value: Value; node: SourceRange } | undefined) => Value,
): Value {
  const given = call.values();
  if (given === undefined) return unknown;
  if (given.length < at || given.length > at + 1) {
    return c.error(
      "P0212",
      call.node,
      at === 0 ? "`trap` takes an optional reason" : '`kill` takes "process" or "thread" and an optional reason',
      at === 0 ? "trap()" : 'kill("process") or kill("thread")',
    );
  }
  const reason = given[at];
  const because = reason === undefined ? undefined : reasonOf(c, reason.value, reason.node);
  return because === null ? unknown : then(because, given[0]);
}

export function strictestFunction(c: Compilation): Value {
  return {
    is: "builtin",
    name: "strictest",
    apply: (call) => {
      const given = call.values();
      if (given === undefined) return unknown;
      if (given.length === 0) return c.error("P0212", call.node, "`strictest` takes at least one verdict");
      const of: VerdictExpression[] = [];
      for (const { value, node } of given) {
        if (value.is !== "verdict") {
          return c.error("P0207", node, `\`strictest\` takes verdicts, not ${describe(value)}`);
        }
        of.push(value.expression);
      }
      return verdict(strictest(c, of));
    },
  };
}

/** Known verdicts become one, so that a constant made of others stays small. */
function strictest(c: Compilation, of: readonly VerdictExpression[]): VerdictExpression {
  let winner = of[0]!;
  let winning = -1;
  for (const part of of) {
    if (part.kind !== "verdict") return of.length === 1 ? part : { kind: "strictest", of };
    const rank = strictness[c.builder.meaning(part.verdict).action];
    if (rank <= winning) continue;
    winner = part;
    winning = rank;
  }
  return winner;
}
