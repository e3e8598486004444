/**
 * The parts of declarations that the kernel does not enforce, and that a step can: policies that the declaring one has beside those
 * of `extends`.
 */

import { parseSync } from "oxc-parser";
import type { PathRule } from "../../../ir/objects.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { LexicalScope } from "../values/scope.ts";
import { type FunctionValue, type PolicyValue, text, type Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { treeObject } from "./processes.ts";
import { verdictExports } from "./verdicts.ts";

/**
 * `files`: Landlock refuses to mount, but not to make a file system that is never mounted, and overlayfs makes and removes
 * directories below it then (ovl_workdir_create(), fs/overlayfs/super.c of Linux 6.18).
 */
export function filesPolicy(c: Compilation, node: SourceRange): PolicyValue {
  const refusal = 'deny("EPERM", "`files` permits no mounts")';
  return stepPolicy(c, node, `(call) => call.name === "fsopen" ? ${refusal} : allow`);
}

/**
 * `tcp`: Landlock does not see a connection that a send makes (TCP Fast Open), nor sockets that only become TCP (MPTCP, SMC):
 * security/landlock/net.c of Linux 6.18. Programs take these errnos for a kernel without the feature, and use plain TCP.
 */
export function tcpPolicy(c: Compilation, node: SourceRange): PolicyValue {
  const fastOpen = '.has("MSG_FASTOPEN") ? deny("EOPNOTSUPP", "`tcp` permits no TCP Fast Open") : allow';
  return stepPolicy(
    c,
    node,
    `(call) => {
      switch (call.name) {
        case "socket":
          if (call.args.family.is("AF_SMC")) return deny("EAFNOSUPPORT", "\`tcp\` permits no SMC");
          return call.args.family.is("AF_INET", "AF_INET6") && [262n, 256n].includes(call.args.protocol)
            ? deny("EPROTONOSUPPORT", "\`tcp\` permits no MPTCP and no SMC") : allow;
        case "sendto":
          return call.args.flags${fastOpen};
        case "sendmsg":
          return call.args.flags${fastOpen};
        case "sendmmsg":
          return call.args.flags${fastOpen};
      }
      return allow;
    }`,
  );
}

/** `unix.connect` before Linux 7.1: the kernel resolves the address of a datagram at each send, and no engine holds it. */
export function unixPolicy(c: Compilation, node: SourceRange, connect: readonly PathRule[]): PolicyValue {
  const denied = 'deny("EACCES", "not a Unix socket of `unix.connect`")';
  const datagram = 'deny("EACCES", "a datagram to a Unix socket")';
  const path = "call.args.addr.path.resolved";
  const listed = `${path}.is(...paths) || ${path}.under(...paths) ? allow : ${denied}`;
  const paths: Value = {
    is: "list",
    elements: connect.map(({ path: one }) => ({ ...text(one), variable: true })),
  };
  return stepPolicy(
    c,
    node,
    `(call) => {
      switch (call.name) {
        case "connect":
          if (call.args.addr.kind !== "unix") return allow;
          return ${connect.length === 0 ? denied : listed};
        case "sendto":
          return call.args.addr.kind === "unix" ? ${datagram} : allow;
        case "sendmsg":
          return call.args.msg.name.kind === "unix" ? ${datagram} : allow;
        case "sendmmsg":
          return deny("ENOSYS", "carries many addresses");
      }
      return allow;
    }`,
    new Map([["paths", paths]]),
  );
}

/** `limits.processes` where the kernel does not count the tree's processes apart from others of the user. */
export function countingPolicy(
  c: Compilation,
  node: SourceRange,
  most: bigint,
  setting: string | undefined,
): PolicyValue {
  const reason = `\`limits.processes\` permits no more${setting === undefined ? "" : `: --set ${setting}=…`}`;
  const born = `tree.alive() < ${most}n ? allow : deny("EAGAIN", ${JSON.stringify(reason)})`;
  return stepPolicy(
    c,
    node,
    `(call) => {
      switch (call.name) {
        case "fork":
        case "vfork":
          return ${born};
        case "clone":
          return call.args.flags.has("CLONE_THREAD") ? allow : ${born};
        case "clone3":
          return deny("ENOSYS", "its flags lie behind a pointer; glibc falls back to clone");
      }
      return allow;
    }`,
    new Map([["tree", treeObject(c)]]),
  );
}

/** A policy of this step. `node`, the declaration, is the place of all its diagnostics and verdicts. */
function stepPolicy(
  c: Compilation,
  node: SourceRange,
  written: string,
  names: ReadonlyMap<string, Value> = new Map(),
): PolicyValue {
  const { file } = c;
  const scope = new LexicalScope<Value>(undefined, file);
  for (const [name, value] of [...verdictExports(c), ...names])
    scope.declare({ name, kind: "const", file, at: node, time: "constant", ofModule: true, value });
  const [statement] = parseSync("step.ts", written, { lang: "ts", sourceType: "module" }).program.body;
  if (statement?.type !== "ExpressionStatement" || statement.expression.type !== "ArrowFunctionExpression")
    throw new Error("a declaration's step is no function");
  moveTo(statement.expression, node);
  const step: FunctionValue = {
    is: "function",
    node: statement.expression,
    scope,
    file,
    name: "step",
    time: "constant",
  };
  c.findings.policySteps.add(step);
  c.findings.declarations.push(c.file.location(node));
  return {
    is: "policy",
    body: { is: "step", step },
    extended: [],
    readOnlyProc: false,
    objects: undefined,
    at: node,
    file,
  };
}

/** Gives a syntax tree the place of the declaration that it implements. */
function moveTo(tree: unknown, { start, end }: SourceRange): void {
  if (typeof tree !== "object" || tree === null) return;
  if ("start" in tree && "end" in tree) Object.assign(tree, { start, end });
  for (const child of Object.values(tree)) moveTo(child, { start, end });
}
