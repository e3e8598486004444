/** `limits` of a policy's settings. */
import { expect, it } from "vitest";
import { printProgram } from "../../../ir/print.ts";
import { loadPolicy } from "../../load.ts";

function load(text: string, kernelCounts = false) {
  const source = `import { allow, parameter, policy } from "portcullis";\n${text}`;
  const { program, diagnostics } = loadPolicy("p.ts", { architecture: "x86_64", kernelCounts, readFile: () => source });
  return {
    program,
    layers: program?.objects.map(({ limits }) => limits),
    counts: program !== undefined && printProgram(program).includes("alive"),
    diagnostics: diagnostics.map(({ code, message }) => `${code} ${message}`),
  };
}
const settings = (text: string) => `export default policy({ ${text} }, () => allow);`;
const mounts = 'files: { private: ["/tmp"] }';

it("of processes becomes a counter in the step", () => {
  const { counts, layers, program } = load(settings(`${mounts}, limits: { processes: 8n }`));
  expect({ counts, layers }).toEqual({ counts: true, layers: [undefined] });
  expect(program?.verdicts.find(({ reason }) => reason?.includes("limits.processes") === true)).toMatchObject({
    action: "deny",
    at: { line: 2 },
  });
});

it("of processes is the kernel's if it counts, and the tree has mounts", () => {
  const { counts, layers } = load(settings(`${mounts}, limits: { processes: 8n }`), true);
  expect(counts).toBe(false);
  expect(layers).toEqual([
    { processes: { most: 8, at: expect.objectContaining({ line: 2 }) }, privateSize: undefined },
  ]);
});

it("know the parameter from which they come, also by arithmetic", () => {
  const head = `const most = parameter.integer("most", { default: 8n, to: 100n });
const size = parameter.integer("size", { default: 1n, from: 0n, to: 1000n });
`;
  const text = settings(`${mounts}, limits: { processes: most, privateSize: size * 4096n }`);
  const { layers, program } = load(head + text, true);
  expect(layers?.[0]).toMatchObject({ processes: { setting: "most" }, privateSize: { most: 4, setting: "size" } });
  expect(program?.settings).toEqual([
    { name: "most", kind: "integer", value: "8", most: "100" },
    { name: "size", kind: "integer", value: "1", most: "1000" },
  ]);
  const counted = load(head + text).program?.verdicts.find(({ reason }) => reason?.includes("limits.processes"));
  expect(counted?.reason).toMatch(/: --set most=…$/);
  const both = load(`${head}${settings(`${mounts}, limits: { processes: most + size }`)}`, true);
  expect(both.layers?.[0]?.processes).not.toHaveProperty("setting");
});

it.each([
  ["no mounts", "limits: { processes: 8n }"],
  ["lists of files only", 'files: { write: ["/srv"] }, limits: { processes: 8n }'],
])("of processes stays a counter with %s", (_, text) => {
  expect(load(settings(text), true).counts).toBe(true);
});

it("has the mounts of a policy that is extended, and the lowest of all limits", () => {
  const text = `const base = policy({ limits: { processes: 8n, privateSize: 4096n } }, () => allow);
export default policy({ extends: [base], ${mounts}, limits: { processes: 9n, privateSize: 2048n } }, () => allow);`;
  const { counts, layers } = load(text, true);
  expect(counts).toBe(false);
  expect(layers?.[0]).toMatchObject({
    processes: { most: 8, at: { line: 2 } },
    privateSize: { most: 2, at: { line: 3 } },
  });
  const counted = load(text);
  expect(counted.counts).toBe(true);
  expect(counted.layers?.[0]?.processes).toBeUndefined();
});

it("does not exist with 0", () => {
  expect(load(settings(`${mounts}, limits: { processes: 0n, privateSize: 0n }`))).toMatchObject({
    counts: false,
    layers: [undefined],
    diagnostics: [],
  });
});

it.each([
  ["8n", "P0207"],
  ["{ processes: true }", "P0310"],
  ["{ processes: -1n }", "P0213"],
  ["{ processes: 5_000_000n }", "P0213"],
  ["{ privateSize: 1000n }", "P0213"],
  ["{ memory: 1n }", "P0106"],
])("%s is an error", (value, code) => {
  expect(load(settings(`limits: ${value}`)).diagnostics).toEqual([expect.stringContaining(code)]);
});
