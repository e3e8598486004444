/** Extended ready policies, through every verb that takes a policy. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { verbs } from "../../src/cli/entry/verbs.ts";
import { readyPolicies } from "../support/policy-files.ts";
import { folderOf, portcullis } from "./harness.ts";

const against = readdirSync("policies/against")
  .filter((file) => file.endsWith(".ts"))
  .map((file) => `policies/against/${file}`);

/** The words of a verb for the policy p.ts of a folder; undefined if it takes no policy, or starts a command. */
type Words = ((of: (file: string) => string) => readonly string[]) | undefined;

const wordsOf: Readonly<Record<keyof typeof verbs, Words>> = {
  run: undefined,
  "script-shell": undefined,
  record: undefined,
  propose: undefined,
  amend: (of) => ["--list", of("p.ts"), of("strace")],
  check: (of) => [of("p.ts")],
  explain: (of) => [of("p.ts")],
  diff: (of) => [of("allow.ts"), of("p.ts")],
  why: (of) => [of("p.ts"), "getpid()"],
  simulate: (of) => [of("p.ts"), of("strace")],
  trace: undefined,
  test: (of) => ["-p", of("p.ts"), of("p.cases")],
  report: (of) => ["-o", of("report.html"), of("p.ts")],
  agent: undefined,
  top: undefined,
  approvals: undefined,
  compile: (of) => ["-p", of("p.ts"), "-o", of("p.pcl")],
  export: (of) => ["oci", "--best-effort", of("p.ts")],
  disasm: (of) => [of("p.ts")],
  flow: undefined,
  doctor: undefined,
  tsconfig: undefined,
  completion: undefined,
  help: undefined,
};

const others = {
  "allow.ts": 'import { allow, policy } from "portcullis";\nexport default policy(() => allow);\n',
  strace: "1700000000.000000 getpid() = 1\n",
  "p.cases": "m getpid() allow\n",
};

/** A refusal has another code: no bundle can express agent-socket. */
const bug = /internal error|P0399/;

/** A folder with p.ts, which extends these policies with this step. */
function extending(bases: readonly string[], step: string): (file: string) => string {
  const imports = bases.map((base, index) => `import base${index} from "portcullis/${base}";`);
  const names = bases.map((_, index) => `base${index}`).join(", ");
  const text = `import { allow, deny, policy } from "portcullis";\n${imports.join("\n")}\nexport default policy({ extends: [${names}] }, ${step});\n`;
  const folder = folderOf({ ...others, "p.ts": text });
  return (file) => join(folder, file);
}

describe("each ready policy as the only base of a policy", () => {
  for (const base of [...readyPolicies, ...against]) {
    it.each([
      ["names no call", "() => allow"],
      ["begins with a switch", '(call) => { switch (call.name) { case "acct": return deny("EPERM"); } return allow; }'],
    ])(`${base}, and a step that %s`, async (_, step) => {
      const of = extending([base], step);
      for (const [verb, words] of Object.entries(wordsOf)) {
        if (words === undefined) continue;
        const { status, err } = await portcullis(verb, ...words(of));
        expect(err, verb).not.toMatch(bug);
        if (verb === "check") expect(status, err).toBe(0);
      }
    });
  }
});

describe("each ready policy beside each other one", () => {
  readyPolicies.forEach((first, index) => {
    it(first, async () => {
      for (const second of readyPolicies.slice(index + 1)) {
        const of = extending([first, second], "() => allow");
        for (const verb of ["check", "explain"] as const) {
          const { status, err } = await portcullis(verb, ...wordsOf[verb]!(of));
          expect(err, `${verb}, beside ${second}`).not.toMatch(bug);
          expect(status, `${verb}, beside ${second}: ${err}`).toBe(0);
        }
      }
    });
  });
});
