import { describe, expect, it } from "vitest";
import { loadPolicy } from "../../frontend/load.ts";
import type { Statement } from "../../ir/program.ts";
import { smallProgram } from "../../ir/testing/parts.ts";
import { allowedPaths } from "./allowed-paths.ts";

function allowed(text: string): string[] {
  const loaded = loadPolicy("/policy.ts", { architecture: "x86_64", readFile: () => text });
  expect(loaded.diagnostics.filter((one) => one.severity === "error")).toEqual([]);
  return allowedPaths(loaded.program!).map(({ path, names, shown }) => `${shown}: ${names} ${path}`);
}

const source = { number: 2, register: 0, length: undefined };
const end = (verdict: number): Statement => ({ kind: "return", verdict: { kind: "verdict", verdict } });

const step = (body: string) =>
  `import { allow, calls, deny, kill, log, perTree, policy } from "portcullis";\nconst seen = perTree.flag();\nconst writers = perTree.rooms({ sides: ["one", "other"], timeout: "1s", late: deny("EAGAIN") });\nexport default policy((call) => {\n${body}\n  return allow;\n});\n`;
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

  describe("although the same verdict is possible in another way", () => {
    const out = ['is "/out": one /out'];
    it.each<[string, string, string[]]>([
      ["for other flags", 'if (writes && !text.is("/out")) return deny("EPERM");', out],
      [
        "for other flags, said first",
        'if (!writes) return allow; return text.is("/out") ? allow : deny("EPERM");',
        out,
      ],
      ["in another state", 'if (seen.get() && !text.is("/out")) return deny("EPERM");', out],
      ["for other texts", 'if (text.under("/") && !text.is("/out")) return deny("EPERM");', out],
      ["by one return", 'return !writes || text.is("/out") ? allow : deny("EPERM");', out],
      ["through a local", 'const no = writes && !text.is("/out"); if (no) return deny("EPERM");', out],
      [
        "by a count",
        'let n = 0n; if (writes) n += 1n; if (text.is("/out")) n += 1n; if (n === 1n) return deny("EPERM");',
        out,
      ],
      ["by the state after it", 'if (text.is("/out")) seen.set(true); return seen.get() ? allow : deny("EPERM");', out],
      [
        "each of several",
        'if (writes && !(text.is("/out") || text.under("/a") || text.startsWith("/b"))) return deny("EPERM");',
        [...out, 'under "/a": either /a', 'startsWith "/b": below /'],
      ],
      [
        "those that permit together",
        'if (writes && !(text.is("/out") && text.matches("/[o]*"))) return deny("EPERM");',
        [...out, 'matches "/[o]*": below /'],
      ],
      [
        "from a list",
        'if (writes && !["/out", "/a"].some((one) => text.is(one))) return deny("EPERM");',
        [...out, 'is "/a": one /a'],
      ],
      ["with a log, where others are refused", 'if (writes) return text.is("/out") ? log : deny("EPERM");', out],
      ["without the log of others", 'if (writes && !text.is("/out")) return log;', out],
      ["no wait for a room", 'if (!text.is("/out")) writers.enter("one");', out],
      ["not what refuses", 'if (writes && text.is("/out")) return deny("EPERM");', []],
      ["not what refuses in a state", 'if (seen.get() && text.under("/out")) return kill("process");', []],
      ["not a milder refusal", 'if (writes) return text.is("/out") ? deny("EPERM") : kill("process");', []],
      ["not another allow", 'if (writes && text.is("/out")) return allow;', []],
      [
        "not where another pattern permits it",
        'if (text.is("/a")) return allow; return text.is("/a", "/out") ? allow : allow;',
        [],
      ],
    ])("%s", (_, body, expected) => {
      const writes = 'const writes = call.args.flags.hasAny("O_WRONLY", "O_RDWR");';
      expect(allowed(opened(`${writes}\n${body}`))).toEqual(expected);
    });

    it("of one argument, not of the other", () => {
      const body =
        'if (call.name === "rename" && call.args.oldpath.text.is("/a") && !call.args.newpath.text.is("/b")) return deny("EPERM");';
      expect(allowed(step(body))).toEqual(['is "/b": one /b']);
    });

    it("in a later phase", () => {
      const body = `  if (calls.exec.has(call) && seen.get()) {
    if (!call.args.path.text.is("/tool")) return deny("EACCES");
  }`;
      expect(allowed(step(body))).toEqual(['is "/tool": one /tool']);
    });
  });

  it("among many that refuse, each for its own reason", () => {
    const refused = Array.from(
      { length: 70 },
      (_, index) => `if (text.is("/a${index}")) return deny("EPERM", "${index}");`,
    );
    expect(
      allowed(opened(`${refused.join("\n")}\nif (text.under("/") && !text.is("/out")) return deny("EACCES");`)),
    ).toEqual(['is "/out": one /out']);
  });

  it.each<[string, string[]]>([
    ["exec-only", ['is "/usr/bin/less"', 'is "/usr/bin/pager"', 'is "/usr/bin/git"']],
    ["no-secrets", []],
  ])("in %s", (name, expected) => {
    const path = new URL(`../../../policies/${name}.ts`, import.meta.url).pathname;
    const { program } = loadPolicy(path, { architecture: "x86_64" });
    expect(allowedPaths(program!).map(({ shown }) => shown)).toEqual(expected);
  });

  it("all of a word whose matches are counted, which the front end does not do", () => {
    const program = smallProgram([{ action: "deny", errno: 1 }], {
      observations: [{ name: "path", shape: { is: "path" }, sources: [source], at: undefined }],
      words: [
        { observation: 0, reads: { is: "matches", part: { is: "whole" }, patterns: [{ kind: "is", text: "/a" }] } },
      ],
      body: [
        {
          kind: "switch",
          value: { kind: "observed", word: 0 },
          arms: [{ intervals: [{ from: 1n, to: 1n }], body: [end(1)] }],
          otherwise: [end(0)],
        },
      ],
    });
    expect(allowedPaths(program).map(({ shown }) => shown)).toEqual(['is "/a"']);
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
