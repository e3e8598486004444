/** `oci(profile)`: its rules in a policy, its capabilities, and mistakes. */
import { expect, it } from "vitest";
import { loadPolicy } from "../../load.ts";
import { faultsOf, judge, stepOf } from "../../testing/compiled.ts";

const profile = {
  defaultAction: "SCMP_ACT_ERRNO",
  syscalls: [
    { names: ["read", "write", "reboot"], action: "SCMP_ACT_ALLOW" },
    { names: ["mount"], action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_SYS_ADMIN"] } },
  ],
};

function load(value: string, content: object = profile, capabilities?: readonly string[]) {
  const module = `import { allow, deny, oci, policy } from "portcullis";
import profile from "./p.json" with { type: "json" };
export default ${value};
`;
  return loadPolicy("/d/policy.ts", {
    architecture: "x86_64",
    ...(capabilities === undefined ? {} : { host: { capabilities: new Set(capabilities) } }),
    readFile: (path) => (path.endsWith(".json") ? JSON.stringify(content) : module),
  });
}

const found = (...given: Parameters<typeof load>) => faultsOf(load(...given)).map((line) => line.replaceAll("/d/", ""));

it("is a policy, alone and as a part of another", () => {
  const alone = judge(load("oci(profile)").program!, "write");
  expect(alone([])).toBe("allow");
  const combined = load("policy({ extends: [oci(profile)] }, (call) => call.name === `write` ? deny(`EACCES`) : allow)")
    .program!;
  expect(judge(combined, "write")([])).toBe("deny EACCES");
  expect(judge(combined, "read")([])).toBe("allow");
  expect(judge(combined, "getpid")([])).toBe("deny EPERM");
  expect(stepOf(load("oci(profile)")).at(-1)).toBe("return v0");
});

it.each([
  ["oci(profile)", undefined, "deny EPERM"],
  ["oci(profile)", ["CAP_SYS_ADMIN"], "allow"],
  ['oci(profile, { capabilities: ["CAP_SYS_ADMIN"] })', undefined, "allow"],
  ["oci(profile, { capabilities: [] })", undefined, "deny EPERM"],
] as const)("%s with --cap %j: mount is %s", (value, capabilities, verdict) => {
  expect(judge(load(value, profile, capabilities).program!, "mount")([])).toBe(verdict);
});

it("warns of capabilities that neither the policy nor the command line gives", () => {
  const asks = (value: string) => found(value).filter((line) => line.includes("CAP_SYS_ADMIN"));
  expect(asks("oci(profile)")).toEqual([
    'p.json:1:109 P0701 rules of this profile test CAP_SYS_ADMIN: the command is assumed to have no capability (policy.ts:3:16 imported here) → --cap CAP_SYS_ADMIN on the command line, or capabilities: ["CAP_SYS_ADMIN"] in oci(), sets them',
  ]);
  expect(asks('oci(profile, { capabilities: ["CAP_SYS_ADMIN"] })')).toEqual([]);
});

it("refuses capabilities of the command line that no profile asks for, because the policy has them", () => {
  const { program, diagnostics } = load("oci(profile, { capabilities: [] })", profile, ["CAP_SYS_ADMIN"]);
  expect(program).toBeUndefined();
  expect(diagnostics.map(({ code }) => code)).toContain("P0909");
});

it("reports a profile's faults once, with the first import", () => {
  const wrong = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["reaad"], action: "SCMP_ACT_ERRNO" }] };
  const faults = found("policy({ extends: [oci(profile), oci(profile)] }, () => allow)", wrong);
  expect(faults.filter((line) => line.includes("P0704"))).toEqual([
    'p.json:1:57 P0704 no system call is named "reaad": it is ignored, as in container runtimes (policy.ts:3:35 imported here) → write "read"',
  ]);
});

const form = 'import profile from "./seccomp.json" with { type: "json" }';
const list = '→ capabilities: ["CAP_NET_ADMIN"]';
it.each([
  ["oci()", `3:16 P0207 \`oci\` takes a profile that is imported as JSON → ${form}`],
  ['oci("x")', `3:20 P0207 \`oci\` takes a profile that is imported as JSON → ${form}`],
  [
    "oci(profile, 3n)",
    "3:16 P0207 the settings of a profile are an object, not an integer → write { capabilities: … }",
  ],
  [
    "oci(profile, { capability: [] })",
    "3:31 P0106 the settings of a profile have no `capability` → did you mean `capabilities`?",
  ],
  [
    'oci(profile, { capabilities: ["SYS_ADMIN"] })',
    `3:45 P0214 \`capabilities\` is a list of names like "CAP_NET_ADMIN", not SYS_ADMIN ${list}`,
  ],
  [
    'oci(profile, { capabilities: "CAP_SYS_ADMIN" })',
    `3:45 P0214 \`capabilities\` is a list of names like "CAP_NET_ADMIN", not a string ${list}`,
  ],
])("a fault: %s", (value, fault) => {
  expect(found(value)).toEqual([`policy.ts:${fault}`]);
});
