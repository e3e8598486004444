/** policies/shared/events.ts: where the event of a rule has to happen, by the verdicts of cases. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { folderOf, portcullis } from "../cli/harness.ts";

const policyOf = (rule: string, scope: string) => `import { allow, deny, policy } from "portcullis";
import { connects, opens, ${rule.split("(")[0]} } from "portcullis/policies/shared/events.ts";
export default policy({ extends: [${rule.replace("SCOPE", scope)}] }, () => allow);
`;
const rules = {
  refuse: `refuse({ event: connects, unlessAfter: opens(["/ok"]), since: opens(["/new"]), SCOPE verdict: deny("EACCES") })`,
  refuseAfter: `refuseAfter({ event: connects, after: opens(["/secret"]), until: opens(["/new"]), SCOPE verdict: deny("EACCES") })`,
} as const;

/** Who opens the file, and whether each may connect afterwards: the one that opens, its parent, a child from before, and a later one. */
const casesOf = (file: string, connecting: Readonly<Record<string, boolean>>) =>
  [
    'parent openat(AT_FDCWD, "/else", O_RDONLY) allow',
    "self = parent.fork()",
    "before = self.fork()",
    `self openat(AT_FDCWD, "${file}", O_RDONLY) allow`,
    "after = self.fork()",
    ...Object.entries(connecting).map(
      ([who, may]) => `${who} connect(3, 192.0.2.1:80, 16) ${may ? "allow" : "deny EACCES"}`,
    ),
    'self openat(AT_FDCWD, "/new", O_RDONLY) allow',
  ].join("\n");

describe.each([
  ["", { self: true, parent: true, before: true, after: true }],
  ['scope: "tree",', { self: true, parent: true, before: true, after: true }],
  ['scope: "lineage",', { self: true, parent: false, before: false, after: true }],
  ['scope: "process",', { self: true, parent: false, before: false, after: false }],
])("with %j", (scope, reached) => {
  test.each([
    ["refuse", "/ok", reached],
    ["refuseAfter", "/secret", Object.fromEntries(Object.entries(reached).map(([who, is]) => [who, !is]))],
  ] as const)("%s", async (rule, file, connecting) => {
    const folder = folderOf({ "p.ts": policyOf(rules[rule], scope), "p.cases": casesOf(file, connecting) });
    const { status, out, err } = await portcullis("test", resolve(folder, "p.ts"));
    expect({ status, out, err }).toMatchObject({ status: 0 });
  });
});
