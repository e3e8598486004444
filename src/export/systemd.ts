/**
 * Exports the part of a policy that systemd's SystemCallFilter= can express, as a drop-in of a service: the calls that the
 * policy may allow in some state and with some arguments. systemd has one action for all others.
 */

import { callByNumber } from "../abi/calls.ts";
import { errnoName } from "../abi/errno.ts";
import type { DecisionLeaf } from "../analysis/decision.ts";
import { isStateful } from "../analysis/decision.ts";
import { leavesOf } from "../analysis/explain/paths.ts";
import { staticFilter } from "../engines/engine/static-filter.ts";
import { notifyProfile } from "../engines/notify/filter.ts";
import { isExpectedRefusal } from "../events/expected.ts";
import type { Program } from "../ir/program.ts";
import { asks, kills, strictness, type Verdict } from "../ir/verdicts.ts";
import type { PolicyName } from "./metadata.ts";

interface Call {
  readonly name: string;
  /** The most lenient that some state and arguments give. */
  readonly verdict: Verdict;
  readonly depends: { readonly onState: boolean; readonly onArguments: boolean };
}

/** Throws a FilterTooLargeError. */
export function systemdText(program: Program, { policy, digest, parameters }: PolicyName): string {
  const calls = callsOf(program);
  const passes = calls.filter(({ verdict }) => isPassed(verdict));
  const refused = calls.filter(({ verdict }) => !isPassed(verdict));
  // systemd itself executes the service's command under the filter.
  const executing = refused.filter(({ name }) => name === "execve");
  const removed = refused.filter(({ name }) => name !== "execve");
  const usual = usualErrno(refused);
  const isUsual = ({ verdict }: Call) =>
    usual === undefined ? verdict.action === "kill-process" : errnoOf(verdict) === usual;
  const set = Object.entries(parameters).map(([name, value]) => ` --set ${name}=${value}`);
  return [
    `# The policy ${oneLine(policy)}${oneLine(set.join(""))} (${digest}), as far as systemd can express it.`,
    "#",
    "# Lost: a call is allowed if the policy allows it in some state or with some arguments.",
    ...list(
      "Rules that depend on state or memory",
      passes.filter(({ depends }) => depends.onState),
    ),
    ...list(
      "Rules that depend on arguments",
      passes.filter(({ depends }) => depends.onArguments && !depends.onState),
    ),
    ...list(
      "Calls that the policy logs",
      passes.filter(({ verdict }) => verdict.action === "log"),
    ),
    ...list("Calls that the policy refuses, but systemd itself makes", executing),
    ...list(
      `Calls that the policy refuses otherwise than ${usual === undefined ? "by a kill" : `with ${errnoText(usual)}`}`,
      removed.filter((call) => !isUsual(call)),
    ),
    ...beyondCalls(program).map((what) => `# ${what}`),
    "[Service]",
    "NoNewPrivileges=yes",
    "SystemCallArchitectures=native",
    ...(usual === undefined ? [] : [`SystemCallErrorNumber=${errnoText(usual)}`]),
    `SystemCallFilter=${passes.map(({ name }) => name).join(" ")}`,
    // An allow-list of systemd has some calls that are not listed (@default).
    ...(removed.length === 0 ? [] : [`SystemCallFilter=~${removed.map(({ name }) => name).join(" ")}`]),
    "",
  ].join("\n");
}

function callsOf(program: Program): readonly Call[] {
  const { split } = staticFilter(notifyProfile, program, { armed: false, alone: true });
  const judged = [...split].flatMap(([number, decision]) => {
    const name = callByNumber(program.architecture, number)?.name;
    if (name === undefined) return [];
    const leaves = leavesOf(decision);
    const verdicts = leaves.map(({ weakest }) => program.verdicts[weakest]!);
    const verdict = verdicts.reduce((a, b) => (rankOf(b) < rankOf(a) ? b : a));
    const onState = leaves.some((leaf) => isStateful(leaf) && isOpen(leaf));
    return [{ name, verdict, depends: { onState, onArguments: decision.kind === "test" } }];
  });
  const always = program.admission.always.flatMap(({ from, to }) =>
    Array.from({ length: Number(to - from) + 1 }, (_, index) =>
      callByNumber(program.architecture, Number(from) + index),
    ),
  );
  const unconditional = always.flatMap((call) =>
    call === undefined
      ? []
      : [{ name: call.name, verdict: program.verdicts[0]!, depends: { onState: false, onArguments: false } }],
  );
  return [...judged, ...unconditional].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether the state decides, and not only changes. */
const isOpen = ({ possible }: DecisionLeaf): boolean => possible.length > 1;

/** Without a supervisor a call that asks fails. */
const rankOf = (verdict: Verdict): number => strictness[asks(verdict) ? "deny" : verdict.action];
const isPassed = ({ action }: Verdict): boolean => action === "allow" || action === "log";
const errnoOf = (verdict: Verdict): number | undefined => (verdict.action === "deny" ? verdict.errno : undefined);

/** The errno of most refused calls; undefined if all are killed. C libraries replace clone3 by clone at ENOSYS only. */
function usualErrno(refused: readonly Call[]): number | undefined {
  if (refused.length > 0 && refused.every(({ verdict }) => kills(verdict))) return undefined;
  const clone3 = refused.find(({ name }) => name === "clone3");
  if (clone3 !== undefined && isExpectedRefusal("clone3", clone3.verdict)) return clone3.verdict.errno;
  const counts = new Map<number, number>();
  for (const { verdict } of refused) {
    const errno = errnoOf(verdict);
    if (errno !== undefined && errno !== 0) counts.set(errno, (counts.get(errno) ?? 0) + 1);
  }
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  return most?.[0] ?? 1;
}

const errnoText = (errno: number): string => errnoName(errno) ?? `${errno}`;

function list(title: string, calls: readonly Call[]): readonly string[] {
  if (calls.length === 0) return [];
  return [`# ${title}: ${calls.map(({ name }) => name).join(" ")}`];
}

function beyondCalls({ readOnlyProc, objects, hosts }: Program): readonly string[] {
  return [
    ...(readOnlyProc ? ["readOnlyProc; ProtectProc= and ProtectKernelTunables= are near to it"] : []),
    ...(objects.length > 0 ? ["files, tcp, udp, unix and scope; ReadOnlyPaths= and the like are near to them"] : []),
    ...(hosts.length > 0 ? ["hosts"] : []),
  ];
}

/** A comment must not continue in the next line. */
const oneLine = (text: string): string => text.replaceAll(/[^\x20-\x7e]|\\$/g, "?");
