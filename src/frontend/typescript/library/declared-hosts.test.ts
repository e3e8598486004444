/** `hosts` of a policy's settings. */
import { expect, it } from "vitest";
import { loadPolicy } from "../../load.ts";

function load(text: string, set: ReadonlyMap<string, string> = new Map()) {
  const source = `import { allow, parameter, policy } from "portcullis";\n${text}`;
  const { program, diagnostics } = loadPolicy("p.ts", { architecture: "x86_64", set, readFile: () => source });
  return { hosts: program?.hosts, diagnostics: diagnostics.map(({ code, message }) => `${code} ${message}`) };
}

it("is a list, with the place of its declaration", () => {
  const { hosts } = load('export default policy({ hosts: ["a.org", "*.b.org:22"] }, () => allow);');
  expect(hosts).toEqual([
    {
      patterns: [
        { host: "a.org", below: false, ports: [80, 443] },
        { host: "b.org", below: true, ports: [22] },
      ],
      at: expect.objectContaining({ file: 0, line: 2 }),
    },
  ]);
});

it("has the values of parameters", () => {
  const text = 'export default policy({ hosts: parameter.texts("hosts", { default: ["c.org"] }) }, () => allow);';
  expect(load(text, new Map([["hosts", "a.org,b.org:22"]])).hosts?.[0]?.patterns.map(({ host }) => host)).toEqual([
    "a.org",
    "b.org",
  ]);
  expect(load(text).hosts?.[0]?.patterns[0]?.host).toBe("c.org");
});

it("of combined policies has one list for each", () => {
  const { hosts } = load(`const base = policy({ hosts: ["*.a.org"] }, () => allow);
export default policy({ extends: [base, policy(() => allow)], hosts: ["x.a.org"] }, () => allow);`);
  expect(hosts?.map(({ patterns }) => patterns[0]?.host)).toEqual(["a.org", "x.a.org"]);
});

it.each([
  ['"a.org"', "P0310"],
  ["[1n]", "P0310"],
  ['["http://a.org"]', "P0214"],
  ['["*.com"]', "P0214"],
  ['["a.org\\0"]', "P0214"],
])("%s is an error", (value, code) => {
  const { hosts, diagnostics } = load(`export default policy({ hosts: ${value} }, () => allow);`);
  expect(hosts).toBeUndefined();
  expect(diagnostics).toEqual([expect.stringContaining(code)]);
});

it("can be combined with the step that holds a tree to the proxy", () => {
  const own = 'import { allow, policy } from "portcullis";\nexport default policy({ hosts: ["a.org"] }, () => allow);';
  const also = 'import { deny, policy } from "portcullis";\nexport default policy(() => deny("EPERM"));';
  const { program } = loadPolicy("p.ts", {
    architecture: "x86_64",
    also: ["also.ts"],
    readFile: (path) => (path.endsWith("also.ts") ? also : own),
  });
  expect(program?.hosts).toHaveLength(1);
  expect(program?.verdicts.some(({ action }) => action === "deny")).toBe(true);
});
