/** Declarations about objects: what a policy can write, and what the compiler says about mistakes. */
import { describe, expect, it } from "vitest";
import type { PathRule } from "../../../ir/objects.ts";
import { compiledModule, faultsOf, judge } from "../../testing/compiled.ts";

const module = (settings: string, head = "") =>
  compiledModule(`import { allow, parameter, policy } from "portcullis";\n${head}
export default policy({ ${settings} }, () => allow);
`);

const layersOf = (settings: string, head?: string) => module(settings, head).program!.objects;
const paths = (rules: readonly PathRule[] | undefined) => rules?.map(({ path }) => path);

describe("files", () => {
  it("have a list for each right", () => {
    const [layer] = layersOf('files: { read: ["/usr", "/etc//ssl/"], write: [], except: ["/usr/src"] }');
    expect(paths(layer!.files!.lists.read)).toEqual(["/usr", "/etc/ssl"]);
    expect(layer!.files!.lists.write).toEqual([]);
    expect(layer!.files!.lists.execute).toBeUndefined();
    expect(paths(layer!.files!.except)).toEqual(["/usr/src"]);
    expect(layer!.at).toMatchObject({ line: 3, column: 25 });
  });

  it("take parameters", () => {
    const head = 'const below = parameter.paths("below", { default: ["/srv", "/tmp"] });';
    const [layer] = layersOf('files: { write: [...below, "/dev/null"] }', head);
    expect(paths(layer!.files!.lists.write)).toEqual(["/srv", "/tmp", "/dev/null"]);
  });

  it("know the parameters that extend a list, and the items from which protected paths come", () => {
    const head = `const more = parameter.paths("more", { default: [] });
const other = parameter.paths("other", { default: ["/o"] });
const names = parameter.texts("names", { default: ["a/", "b"] });`;
    const lists = 'read: ["/usr", ...more, ...other], write: [...other], make: ["/x"]';
    const protect = "protect: [...names.map((one) => `/p/$" + '{one}`), "/p/c"]';
    const [layer] = layersOf(`files: { ${lists}, ${protect} }`, head);
    expect(layer!.files!.settings).toEqual({ read: ["more", "other"], write: ["other"] });
    expect(layer!.files!.protect.map(({ path, isDirectory, from }) => [path, isDirectory, from?.item])).toEqual([
      ["/p/a", true, "a/"],
      ["/p/b", false, "b"],
      ["/p/c", false, undefined],
    ]);
    expect(layersOf('files: { read: ["/usr"] }')[0]!.files).not.toHaveProperty("settings");
    const mapped = "files: { read: more.map((one) => `$" + "{one}/x`) }";
    expect(layersOf(mapped, head)[0]!.files).not.toHaveProperty("settings");
  });

  it("can be protected, directories and private, by themselves and beside lists", () => {
    const [layer] = layersOf('files: { protect: ["/p/.git/hooks/", "/p/.git/config"], private: ["/tmp/"] }');
    expect(layer!.files!.protect.map(({ path, isDirectory }) => [path, isDirectory])).toEqual([
      ["/p/.git/hooks", true],
      ["/p/.git/config", false],
    ]);
    expect(paths(layer!.files!.private)).toEqual(["/tmp"]);
    expect(layer!.files!.lists).toEqual({});
  });

  it("of `optional` may be missing", () => {
    const [layer] = layersOf('files: { read: ["/a", "/b"], private: ["/b", "/c"], optional: ["/b/"] }');
    const optional = [...layer!.files!.lists.read!, ...layer!.files!.private].map((rule) => rule.optional);
    expect(optional).toEqual([false, true, true, false]);
  });

  it("with `runtime` have what programs need, in the lists that exist", () => {
    const [layer] = layersOf('files: { read: ["/srv"], runtime: true }');
    const { read, write } = layer!.files!.lists;
    expect(read!.filter(({ optional }) => !optional).map(({ path }) => path)).toEqual(["/srv"]);
    expect(read).toContainEqual({ path: "/usr", optional: true, at: undefined });
    expect(write).toBeUndefined();
    expect(layer!.files!.streams).toBe(true);
  });
});

it("ports and scopes are numbers and names", () => {
  const [layer] = layersOf('tcp: { bind: [0n], connect: [80n, 443n] }, udp: { bind: [] }, scope: ["signal"]');
  expect(layer).toMatchObject({
    files: undefined,
    tcp: { bind: [0], connect: [80, 443] },
    udp: { bind: [], connect: undefined },
    scopes: ["signal"],
  });
});

describe("policies that extend others", () => {
  const base = 'const base = policy({ files: { read: ["/usr"] } }, () => allow);';

  it("have a layer for each that declares objects", () => {
    const layers = layersOf("extends: [base], tcp: { connect: [443n] }", base);
    expect(layers.map(({ files, tcp }) => [paths(files?.lists.read), tcp?.connect])).toEqual([
      [["/usr"], undefined],
      [undefined, [443]],
    ]);
  });

  it("have equal layers once", () => {
    expect(layersOf('extends: [base], files: { read: ["/usr"] }', base)).toHaveLength(1);
  });

  it("have at most 8", () => {
    const bases = Array.from({ length: 9 }, (_, port) => `policy({ tcp: { bind: [${port}n] } }, () => allow)`);
    const { diagnostics } = module(`extends: [${bases.join(", ")}]`);
    expect(diagnostics.map(({ message }) => message)).toEqual([
      "9 of the combined policies declare `files`, `tcp`, `udp`, `unix` or `scope`, and at most 8 can",
    ]);
  });
});

it.each([
  ["files: 5n", "P0207 the settings of `files` are an object, not an integer"],
  ["files: {}", "P0213 `files` has no list, so it restricts nothing"],
  ['files: { except: ["/srv"] }', "P0213 `files` has no list, so it restricts nothing"],
  ['files: { red: ["/usr"] }', "P0106 the settings of `files` have no `red` → did you mean `read`?"],
  ['files: { read: "/usr" }', "P0310 `read` of the settings of `files` must be a list of paths"],
  ["files: { read: [5n] }", "P0310 `read` of the settings of `files` must be a list of paths"],
  ['files: { read: ["usr"] }', 'P0214 "usr" is no absolute path without "." and ".."'],
  ['files: { read: ["/usr/../etc"] }', 'P0214 "/usr/../etc" is no absolute path'],
  ['files: { write: ["/a\\0b"] }', 'P0214 "/a\\u0000b" is no absolute path'],
  ["tcp: { bind: [65_536n] }", "P0213 a port is 0 to 65535, and this is 65536"],
  ["tcp: { bind: [-1n] }", "P0213 a port is 0 to 65535, and this is -1"],
  ["tcp: {}", "P0213 `tcp` has no list, so it restricts nothing"],
  ["udp: { listen: [] }", "P0106 the settings of `udp` have no `listen`"],
  ['scope: ["signals"]', 'P0213 there is no scope "signals" → "abstract-socket", "signal"'],
  ["scope: []", "P0213 `scope` has no name, so it restricts nothing"],
])("a fault: %s", (settings, fault) => {
  const [first] = faultsOf(module(settings));
  expect(first?.replace(/^policy\.ts:\d+:\d+ /, "")).toContain(fault);
});

describe("what Landlock does not see, or not on this kernel, is decided by the step", () => {
  const verdictOf = (settings: string, name: string, registers: readonly bigint[], landlockAbi = 0) => {
    const { program } = compiledModule(
      `import { allow, policy } from "portcullis";\nexport default policy({ ${settings} }, () => allow);\n`,
      { landlockAbi },
    );
    return { program: program!, verdict: judge(program!, name)(registers) };
  };

  it.each([
    ["a socket of TCP", "socket", [2n, 1n, 0n], "allow"],
    ["MPTCP", "socket", [2n, 1n, 262n], "deny EPROTONOSUPPORT"],
    ["SMC over IPv6", "socket", [10n, 1n, 256n], "deny EPROTONOSUPPORT"],
    ["SMC", "socket", [43n, 1n, 0n], "deny EAFNOSUPPORT"],
    ["another family's protocol", "socket", [17n, 3n, 262n], "allow"],
    ["a send", "sendto", [3n, 0n, 0n, 0x4000n], "allow"],
    ["TCP Fast Open", "sendto", [3n, 0n, 0n, 0x2000_4000n], "deny EOPNOTSUPP"],
    ["TCP Fast Open of a message", "sendmsg", [3n, 0n, 0x2000_0000n], "deny EOPNOTSUPP"],
    ["TCP Fast Open of messages", "sendmmsg", [3n, 0n, 1n, 0x2000_0000n], "deny EOPNOTSUPP"],
  ] as const)("tcp: %s", (_, name, registers, verdict) => {
    expect(verdictOf("tcp: { connect: [443n] }", name, registers).verdict).toBe(verdict);
  });

  it("files: no file system is made, because overlayfs changes directories then", () => {
    expect(verdictOf('files: { read: ["/usr"] }', "fsopen", [0n, 0n]).verdict).toBe("deny EPERM");
    expect(verdictOf("tcp: { connect: [443n] }", "fsopen", [0n, 0n]).verdict).toBe("allow");
  });

  it("unix.connect: by the objects of addresses before Linux 7.1, by Landlock since", () => {
    const before = verdictOf('unix: { connect: ["/run/a"] }', "sendmmsg", [], 8);
    expect([before.verdict, before.program.objects]).toEqual(["deny ENOSYS", []]);
    expect(before.program.observations.length).toBeGreaterThan(0);
    const since = verdictOf('unix: { connect: ["/run/a"] }', "sendmmsg", [], 9);
    expect([since.verdict, since.program.observations]).toEqual(["allow", []]);
    expect(since.program.objects).toMatchObject([{ unix: { connect: [{ path: "/run/a" }] } }]);
  });

  it("has the place of the declaration", () => {
    const { program } = verdictOf("tcp: { connect: [443n] }", "socket", []);
    expect(program.verdicts.map(({ at }) => at?.column).slice(1)).toEqual(expect.arrayContaining([25]));
  });
});
