/** `oci(profile)` in a policy: the profile becomes a part of it. Its diagnostics have the import as a related place. */

import { isCreatingCall } from "../../../abi/process-calls.ts";
import type { Diagnostic } from "../../../diagnostics/diagnostic.ts";
import type { Statement } from "../../../ir/program.ts";
import { forEachStatement } from "../../../ir/traverse.ts";
import { lowerOciProfile, type OciPart, readOciProfile } from "../../oci/compile.ts";
import { uringCalls } from "../../program/call-names.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { constantString, describe, type JsonValue, unknown, type Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import type { ReturnTarget } from "../walk/flow.ts";
import { Options } from "./options.ts";

/** The value of `oci(profile, settings)`. */
export function importProfile(
  c: Compilation,
  profile: JsonValue,
  settings: Value | undefined,
  node: SourceRange,
): Value {
  const given = capabilitiesOf(c, settings, node);
  if (given === "wrong") return unknown;
  if (given === undefined) c.findings.asksForCapabilities = true;
  const host = { ...c.host, capabilities: given ?? c.host.capabilities };
  const { part, diagnostics } = readOciProfile(profile.file, host);
  addDiagnostics(c, diagnostics, node);
  if (part === undefined) return unknown;
  return {
    is: "policy",
    body: { is: "profile", part },
    extended: [],
    readOnlyProc: false,
    objects: undefined,
    at: node,
    file: c.file,
  };
}

/** Undefined if the settings have no capabilities. */
function capabilitiesOf(
  c: Compilation,
  settings: Value | undefined,
  node: SourceRange,
): ReadonlySet<string> | undefined | "wrong" {
  const options = new Options(c, settings, node, "the settings of a profile", ["capabilities"]);
  const list = options.get("capabilities");
  if (options.failed) return "wrong";
  if (list === undefined) return undefined;
  const names = list.is === "list" ? list.elements.map(constantString) : [undefined];
  const wrong = names.findIndex((name) => name === undefined || !/^CAP_[A-Z_]+$/.test(name));
  if (wrong === -1) return new Set(names.filter((name) => name !== undefined));
  const given = names[wrong] ?? describe(list);
  options.refuse(
    "capabilities",
    "P0214",
    `\`capabilities\` is a list of names like "CAP_NET_ADMIN", not ${given}`,
    'capabilities: ["CAP_NET_ADMIN"]',
  );
  return "wrong";
}

/** Reports a profile's diagnostics once, however often it is used. */
function addDiagnostics(c: Compilation, diagnostics: readonly Diagnostic[], node: SourceRange): void {
  const related = { span: c.file.span(node), message: "imported here" };
  for (const one of diagnostics) {
    const known = c.reporter.diagnostics.some(
      ({ code, span }) =>
        code === one.code &&
        span?.file === one.span?.file &&
        span?.line === one.span?.line &&
        span?.column === one.span?.column,
    );
    if (!known) c.reporter.diagnostics.push({ related, ...one });
  }
}

/** Lowers the profile to a block that leaves its verdict in a local, from which the combination continues. */
export function lowerImported(c: Compilation, part: OciPart, target: ReturnTarget, node: SourceRange): void {
  for (const { name, alternatives } of part.calls) {
    // A rule for clone counts as a test of its flags only if it compares arguments.
    const byArguments = alternatives.some(({ comparisons }) => comparisons.length > 0);
    if (uringCalls.includes(name) || (isCreatingCall(name) && byArguments)) c.findings.literalNames.add(name);
  }
  const local = c.builder.local("verdict");
  const label = c.builder.label();
  const body = lowerOciProfile(part, {
    verdict: (action, errno, reason, at) => c.builder.verdict(action, errno, reason, at),
    give: (verdict, at): readonly Statement[] => [
      { kind: "set-verdict", local, value: verdict, at },
      { kind: "leave", label, at },
    ],
  });
  forEachStatement(body, (statement) => c.builder.count(statement));
  c.emit({ kind: "block", label, body });
  const value = target.check({ is: "verdict", expression: { kind: "verdict-local", local } }, node);
  if (target.kind === "block") {
    target.ends.push({ flow: c.flow, out: c.out, value, node });
    c.emit({ kind: "leave", label: target.label });
  } else if (value.is === "verdict") {
    c.emitReturn(value.expression, node);
  }
  c.flow = { ...c.flow, live: "ended" };
}
