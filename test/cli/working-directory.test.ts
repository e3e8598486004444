/** Tests working directories that have no usable absolute path: processes can be in them and use relative names. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { patience } from "../support/patience.ts";
import { folderOf } from "./harness.ts";

/** Commands of bash that enter the folder "in" of a fresh folder. */
const ways: readonly (readonly [what: string, enter: string])[] = [
  ["a name that is not UTF-8", "A=$(printf 'd\\xff'); mkdir $A && mv in $A && cd $A/in"],
  [
    "a folder above that may not be searched",
    'mkdir shut && mv in shut && cd shut/in && trap "chmod 700 .." EXIT && chmod 0 ..',
  ],
];

/** Root has no need of permissions, unless it lacks these capabilities. */
const asOwner =
  process.getuid?.() === 0 ? "setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all" : "env";

const importing = (path: string) => `import { allow, deny, policy } from "portcullis";
import { refused } from ${JSON.stringify(path)};
export default policy((call) => (refused.has(call) ? deny("EPERM") : allow));
`;
const files = {
  "a.ts": importing("./b.ts"),
  "a.cases": "main acct(0) deny EPERM\n",
  "b.ts": 'import { calls } from "portcullis";\nexport const refused = calls("acct");\n',
  "sub/c.ts": importing("../b.ts"),
  "p.json": '{ "defaultAction": "SCMP_ACT_ERRNO" }',
  "order.ts": readFileSync("policies/order.ts"),
  "whole.ts": 'import base from "portcullis/policies/order.ts";\nexport { base as default };\n',
};

function within(enter: string, script: string) {
  const folder = folderOf({});
  mkdirSync(join(folder, "in/sub"), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, "in", name), text);
  const env = { ...process.env, P: `${asOwner} ${resolve("bin/portcullis")}`, XDG_CACHE_HOME: join(folder, "cache") };
  const ran = spawnSync("bash", ["-c", `${enter} && ${script}`], {
    cwd: folder,
    encoding: "utf8",
    env,
    timeout: patience.command,
  });
  return { status: ran.status, out: ran.stdout, err: ran.stderr };
}

describe.each(ways)("a working directory with %s", (_, enter) => {
  test("tsconfig prints settings", () => {
    const { status, out, err } = within(enter, "$P tsconfig");
    expect({ status, err }).toEqual({ status: 0, err: "" });
    expect(JSON.parse(out)).toEqual({ extends: resolve("policy.json"), include: ["**/*.ts"] });
  });

  test.each([
    ["check a.ts", /^a\.ts: compiles/],
    ["check sub/c.ts", /^sub\/c\.ts: compiles/],
    ["check p.json 2>/dev/null", /^p\.json: compiles/],
    ["check whole.ts", /^whole\.ts: compiles/],
    ["test .", /^a\.cases: 1 cases pass\n$/],
    ["test a.ts a.cases", /^a\.cases: 1 cases pass\n/],
    ["explain a.ts", /acct/],
    ["run -p a.ts -- echo first && $P run -p a.ts -- echo cached", /^first\ncached\n$/],
    ["run -p sub/c.ts -- echo started", /^started\n$/],
    ["compile a.ts -o a.pcl && ls a.pcl", /\na\.pcl\n$/],
    ["report -q -o r.html a.ts && ls r.html", /^r\.html\n$/],
  ])("%s", (words, expected) => {
    const { status, out, err } = within(enter, `$P ${words}`);
    expect({ status, out, err }).toEqual({ status: 0, out: expect.stringMatching(expected), err: "" });
  });

  test("files that are there are seen, and others are missing", () => {
    expect(within(enter, "$P run -p order -- true").err).toMatch(
      /P0901: order is a ready policy, and order\.ts is here/,
    );
    expect(within(enter, "$P check a").err).toMatch(/and a\.ts is here/);
    expect(within(enter, "rm b.ts && $P check a.ts").err).toMatch(/^a\.ts:2:25: error P0107: b\.ts does not exist/);
    expect(within(enter, "cd sub && $P check c.ts").err).toBe("");
    expect(within(enter, "cd sub && $P check ../a.ts").err).toBe("");
  });

  test("a changed module is compiled again", () => {
    const change = "sed -i s/acct/uname/ b.ts";
    expect(within(enter, `$P run -p a.ts -- uname && ${change} && $P run -q -p a.ts -- uname`)).toMatchObject({
      status: 1,
      out: "Linux\n",
    });
  });
});
