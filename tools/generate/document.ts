/** The lists at the end of docs/language.md: groups, families and diagnostics, from the data that the compiler uses. */
import { catalogue } from "../../src/diagnostics/catalogue.ts";
import { callFamilies } from "../../src/linux/families.ts";
import { callGroups } from "../../src/linux/groups.ts";
import { SourceError } from "./source.ts";

const begin = "<!-- from here on by npm run generate -->\n";

/** The document with its lists renewed. @throws {SourceError} where the mark is gone. */
export function renewLists(text: string): string {
  const at = text.indexOf(begin);
  if (at < 0) throw new SourceError(`docs/language.md has lost its mark: ${begin.trim()}`);
  return `${text.slice(0, at)}${begin}${lists()}`;
}

function lists(): string {
  const words = (members: readonly string[]) => members.map((member) => member.replaceAll("_", "\\_")).join(" ");
  const groupRows = callGroups.map(({ name, about, members }) => `| \`${name}\` | ${about} | ${words(members)} |`);
  const familyRows = callFamilies.map(
    ({ name, does, members }) => `| \`calls.${name}\` | ${does} | ${words(members)} |`,
  );
  const codes = Object.entries(catalogue);
  const codeRows = codes.map(([code, { severity, title }]) => `| ${code} | ${severity} | ${title} |`);
  return `
# All groups

A group's name in another's list stands for all of its members.

| group | what its calls do | members |
| --- | --- | --- |
${groupRows.join("\n")}

# All families

| set | what its calls do | members |
| --- | --- | --- |
${familyRows.join("\n")}

# All diagnostics

A published number keeps its meaning; wording may be bettered. P01xx names, P02xx types and numbers, P03xx the shape of the
language, P04xx state, P05xx meaning, P06xx engines, P07xx OCI profiles, P08xx traces and cases, P09xx the command line.

| number | | |
| --- | --- | --- |
${codeRows.join("\n")}
`;
}
