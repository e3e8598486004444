/**
 * Writes the lists at the end of docs/language-reference.md from the data that the compiler uses: groups, families, the kernel's
 * changes of arguments, and diagnostics.
 */

import { callFamilies } from "../../src/abi/families.ts";
import { callGroups } from "../../src/abi/groups.ts";
import { catalogue } from "../../src/diagnostics/catalogue.ts";
import { narrowings } from "./arguments.ts";
import { type Citation, rewriteRules } from "./rewrites.ts";
import { SourceError } from "./source.ts";
import { groupDifferences, ownGroups } from "./systemd.ts";

const begin = "<!-- from here on by npm run generate -->\n";

/**
 * Replaces the lists of the document.
 *
 * @param systemd the text of systemd-257.txt.
 * @throws {SourceError} if the mark is missing, or a difference from systemd's groups has no reason.
 */
export function renewLists(text: string, systemd: string): string {
  const at = text.indexOf(begin);
  if (at < 0) throw new SourceError(`docs/language-reference.md lacks the mark ${begin.trim()}`);
  return `${text.slice(0, at)}${begin}${lists(systemd)}`;
}

function lists(systemd: string): string {
  const words = (members: readonly string[]) => members.map((member) => member.replaceAll("_", "\\_")).join(" ");
  const groupRows = callGroups.map(({ name, about, members }) => `| \`${name}\` | ${about} | ${words(members)} |`);
  const familyRows = callFamilies.map(
    ({ name, does, members }) => `| \`calls.${name}\` | ${does} | ${words(members)} |`,
  );
  const differenceRows = groupDifferences(systemd).map(
    ({ group, more, less, reasons }) =>
      `| \`${group}\` | ${words(more)} | ${words(less)} | ${reasons.map((one) => words([one])).join("; ")} |`,
  );
  const codes = Object.entries(catalogue);
  const codeRows = codes.map(([code, { severity, title }]) => `| ${code} | ${severity} | ${title} |`);
  return `
# All groups

A group's name in another's list stands for all of its members.

| group | what its calls do | members |
| --- | --- | --- |
${groupRows.join("\n")}

# Differences from systemd's groups

The members of all other groups are those of systemd 257, as far as x86-64 and arm64 have these calls. systemd has no
${ownGroups.map((name) => `\`${name}\``).join(", ")}.

| group | has more | lacks | because |
| --- | --- | --- | --- |
${differenceRows.join("\n")}

# All families

| set | what its calls do | members |
| --- | --- | --- |
${familyRows.join("\n")}

# Changes of arguments by the kernel

A policy sees these arguments as the kernel changes them. The cited lines are in the kernel's source; the project's
tests look for them there.

| argument | the kernel … | cited |
| --- | --- | --- |
${argumentRows().join("\n")}

# All diagnostics

A published number keeps its meaning; the wording may change. P01xx names, P02xx types and numbers, P03xx the shape of the
language, P04xx state, P05xx meaning, P06xx engines, P07xx OCI profiles, P08xx traces and cases, P09xx the command line.

| number | | |
| --- | --- | --- |
${codeRows.join("\n")}
`;
}

function argumentRows(): string[] {
  const code = (text: string) => `\`${text.replaceAll("|", "\\|")}\``;
  const row = (calls: readonly string[], parameter: string, does: string, cited: readonly Citation[]) => {
    const lines = new Set(cited.map(({ file, line }) => `${file}: ${code(line.trim().replace(/\s+/g, " "))}`));
    return `| ${code(parameter)} of ${calls.map((call) => call.replaceAll("_", "\\_")).join(", ")} | ${does} | ${[...lines].join("<br>")} |`;
  };
  const byUse = new Map<string, (typeof narrowings)[number][]>();
  for (const narrowing of narrowings) {
    const key = `${narrowing.parameter} ${narrowing.width} ${narrowing.signed}`;
    byUse.set(key, [...(byUse.get(key) ?? []), narrowing]);
  }
  return [
    ...[...byUse.values()].map((alike) => {
      const [first] = alike;
      const does = `uses the low ${first?.width} bits${first?.signed ? ", signed" : ""}`;
      const name = (first?.parameter ?? "").replace(/^clone_/, "");
      return row(
        alike.map((one) => one.call),
        name,
        does,
        alike.flatMap((one) => one.cited),
      );
    }),
    ...rewriteRules.map((rule) => row(rule.calls, rule.parameter, rule.does, rule.cited)),
  ];
}
