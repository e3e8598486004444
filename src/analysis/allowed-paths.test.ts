import { describe, expect, it } from "vitest";
import { loadPolicy } from "../language/load.ts";
import { allowedPaths } from "./allowed-paths.ts";

function allowed(text: string): string[] {
  const loaded = loadPolicy("/policy.ts", { architecture: "x86_64", readFile: () => text });
  expect(loaded.diagnostics.filter((one) => one.severity === "error")).toEqual([]);
  return allowedPaths(loaded.program!).map(({ path, names, shown }) => `${shown}: ${names} ${path}`);
}

const step = (body: string) =>
  `import { allow, calls, deny, perTree, policy } from "portcullis";\nconst seen = perTree.flag();\nexport default policy((call) => {\n${body}\n  return allow;\n});\n`;
const opened = (body: string) => step(`  if (call.name === "open") {\n const { text } = call.args.path;\n${body}\n  }`);

describe("the paths that permit something", () => {
  it.each<[string, string, string[]]>([
    ["one", 'return text.is("/a/b") ? allow : deny("EPERM");', ['is "/a/b": one /a/b']],
    ["a directory", 'return text.under("/a") ? allow : deny("EPERM");', ['under "/a": either /a']],
    ["each of several", 'return text.is("/a", "/b") ? allow : deny("EPERM");', ['is "/a": one /a', 'is "/b": one /b']],
    [
      "what a glob begins with",
      'return text.matches("/a/b*/c") ? allow : deny("EPERM");',
      ['matches "/a/b*/c": below /a/'],
    ],
    ["a glob without stars", 'return text.matches("/a/b") ? allow : deny("EPERM");', ['matches "/a/b": one /a/b']],
    ["a beginning", 'return text.startsWith("/a/b") ? allow : deny("EPERM");', ['startsWith "/a/b": below /a/']],
    [
      "with others",
      'return text.under("/a") && text.endsWith("b") ? allow : deny("EPERM");',
      ['under "/a": either /a'],
    ],
    [
      "with an exception",
      'return text.under("/a") && !text.matches("/a/secret") ? allow : deny("EPERM");',
      ['under "/a": either /a'],
    ],
    ["nothing that refuses", 'return text.is("/a") ? deny("EPERM") : allow;', []],
    ["nothing of another kind", 'if (text.under("/a")) seen.set(true); return seen.get() ? deny("EPERM") : allow;', []],
    ["no ending", 'return text.endsWith("a") ? allow : deny("EPERM");', []],
  ])("%s", (_, body, expected) => {
    expect(allowed(opened(body))).toEqual(expected);
  });

  it("of objects, too: their paths are looked up at each judgement", () => {
    const body = (condition: string) =>
      step(`  if (call.name === "open") {\n const { resolved } = call.args.path;\n ${condition}\n  }`);
    expect(allowed(body('return resolved.is("/run/a") || resolved.under("/srv") ? allow : deny("EPERM");'))).toEqual([
      'resolved.is "/run/a": one /run/a',
      'resolved.under "/srv": one /srv',
    ]);
    expect(allowed(body('return resolved.is("/run/a") ? deny("EPERM") : allow;'))).toEqual([]);
  });

  it("of sockets, too, and none of a policy without paths", () => {
    const body =
      'if (call.name === "connect") return call.args.addr.kind === "unix" && call.args.addr.path.text.is("/run/a") ? allow : deny("EPERM");';
    expect(allowed(step(body))).toEqual(['is "/run/a": one /run/a']);
    expect(allowed(step('if (call.name === "getpid") return deny("EPERM");'))).toEqual([]);
  });
});
