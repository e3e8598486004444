import { describe, expect, it } from "vitest";
import { loadPolicy } from "../../frontend/load.ts";
import { examinedPaths } from "./guarded-paths.ts";

const root = new URL("../../../", import.meta.url).pathname;

function examined(path: string, text?: string): string[] {
  const loaded = loadPolicy(path, { architecture: "x86_64", ...(text !== undefined && { readFile: () => text }) });
  expect(loaded.diagnostics.filter((one) => one.severity === "error")).toEqual([]);
  return examinedPaths(loaded.program!).map(({ isGuarded, shown }) => `${isGuarded ? "guarded" : "open"}: ${shown}`);
}

/** A policy that executes /a/b only, with more rules before that. */
const executes = (rules: string) => `import { allow, calls, deny, perTree, policy } from "portcullis";
const late = perTree.flag();
const names = calls("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir");
export default policy((call) => {
  if (calls("@mount", "chroot").has(call)) return deny("EPERM");
  ${rules}
  if (call.name === "execve") return call.args.path.text.is("/a/b") ? allow : deny("EACCES");
  return allow;
});
`;
const guardOf = (rules: string) => examined("/policy.ts", executes(rules)).join();
const paths = 'call.name === "rename" && ';

describe("a path is guarded", () => {
  it.each([
    ["if no name can change", 'if (names.has(call)) return deny("EPERM");', "guarded"],
    ["not without a rule", "", "open"],
    ["not if a removal is left", 'if (names.without("rmdir").has(call)) return deny("EPERM");', "open"],
    ["not if the rule holds in one state only", 'if (late.get() && names.has(call)) return deny("EPERM");', "open"],
    [
      "if its own names cannot",
      `if (names.without("rename").has(call)) return deny("EPERM");
       if (${paths}(call.args.oldpath.text.is("/a", "/a/b") || call.args.newpath.text.is("/a", "/a/b"))) return deny("EPERM");`,
      "guarded",
    ],
    [
      "not if a name above it can",
      `if (names.without("rename").has(call)) return deny("EPERM");
       if (${paths}(call.args.oldpath.text.is("/a/b") || call.args.newpath.text.is("/a/b"))) return deny("EPERM");`,
      "open",
    ],
    [
      "not if another file can be renamed to it",
      `if (names.without("rename").has(call)) return deny("EPERM");
       if (${paths}call.args.oldpath.text.is("/a", "/a/b")) return deny("EPERM");`,
      "open",
    ],
  ])("%s", (_, rules, expected) => {
    expect(guardOf(rules)).toBe(`${expected}: is "/a/b"`);
  });

  it("not if the tree can mount", () => {
    const text = executes('if (names.has(call)) return deny("EPERM");').replace('"@mount", "chroot"', '"chroot"');
    expect(examined("/policy.ts", text)).toEqual(['open: is "/a/b"']);
  });

  it("below a directory only if no link there leads elsewhere", () => {
    const text = (links: string) => `import { allow, calls, deny, policy } from "portcullis";
export default policy((call) => {
  if (calls("@mount", "chroot", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir").has(call)) return deny("EPERM");
  if (calls(${links}).has(call)) return deny("EPERM");
  if (call.name === "creat") return call.args.path.text.under("/a") ? allow : deny("EACCES");
  return allow;
});
`;
    expect(examined("/policy.ts", text('"link", "linkat", "symlink", "symlinkat"'))).toEqual(['guarded: under "/a"']);
    expect(examined("/policy.ts", text('"link", "linkat", "symlink"'))).toEqual(['open: under "/a"']);
  });

  it("below a directory if every name there that can change is judged", () => {
    const judged = `import { allow, calls, deny, type PathText, policy } from "portcullis";
const dots = ["..", "../**", "**/..", "**/../**"] as const;
const below = (path: PathText) => path.under("/a") && !path.is("/a") && !path.matches(...dots);
export default policy((call) => {
  if (calls("@mount", "chroot", "linkat", "symlinkat", "renameat", "renameat2", "unlinkat").has(call)) return deny("EPERM");
  if (calls("creat", "unlink", "rmdir").has(call)) return below(call.args.path.text) ? allow : deny("EACCES");
  if (call.name === "symlink") return call.args.oldpath.startsWith("/") || !below(call.args.newpath.text) ? deny("EACCES") : allow;
  if (calls("link", "rename").has(call)) return below(call.args.oldpath.text) && below(call.args.newpath.text) ? allow : deny("EACCES");
  return allow;
});
`;
    expect(examined("/policy.ts", judged)).toEqual(['guarded: under "/a"']);
  });

  it("not in exec-only", () => {
    expect(examined(`${root}policies/exec-only.ts`)).toEqual([
      'open: is "/usr/bin/less"',
      'open: is "/usr/bin/pager"',
      'open: is "/usr/bin/git"',
    ]);
  });
});
