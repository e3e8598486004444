import { describe, expect, it } from "vitest";
import type { ArchitectureName } from "../../abi/architecture.ts";
import { loadPolicy } from "../../frontend/load.ts";
import { refusedObjects } from "./refused-objects.ts";

function refused(body: string, architecture: ArchitectureName = "x86_64"): string[] {
  const text = `import { allow, calls, deny, perTree, policy } from "portcullis";
const seen = perTree.flag();
const opens = calls("open", "openat");
const moves = calls("@file-system").without("open", "openat");
export default policy((call) => {
  if (call.name === "openat") {
    const { resolved } = call.args.path;
    ${body}
  }
  return allow;
});
`;
  const loaded = loadPolicy("/policy.ts", { architecture, readFile: () => text });
  expect(loaded.diagnostics.filter((one) => one.severity === "error")).toEqual([]);
  return refusedObjects(loaded.program!).map(({ path, shown, calls }) => `${shown} ${path}: ${calls.join(" ")}`);
}

const renames = "rename renameat renameat2";
const under = 'return resolved.under("/a") ? deny("EPERM") : allow;';
const outside = (rule: string) => `${under}\n}\n${rule}\nif (call.name === "creat") {`;

describe("the objects that a policy refuses", () => {
  it.each<[string, string, string[]]>([
    ["in a directory", under, [`resolved.under "/a" /a: ${renames} link linkat`]],
    [
      "itself, which a hard link is as well",
      'return resolved.is("/a") ? deny("EPERM") : allow;',
      [`resolved.is "/a" /a: ${renames}`],
    ],
    [
      "each of several",
      'return resolved.is("/a", "/b") ? deny("EPERM") : allow;',
      [`resolved.is "/a" /a: ${renames}`, `resolved.is "/b" /b: ${renames}`],
    ],
    [
      "in a phase",
      'if (resolved.is("/b")) seen.set(true); return seen.get() && resolved.is("/a") ? deny("EPERM") : allow;',
      [`resolved.is "/b" /b: ${renames}`, `resolved.is "/a" /a: ${renames}`],
    ],
    ["not those that it permits", 'return resolved.under("/a") ? allow : deny("EPERM");', []],
    ["none by a text", 'return call.args.path.text.under("/a") ? deny("EPERM") : allow;', []],
    [
      "if all renames are refused: by hard links",
      outside('if (calls.rename.has(call)) return deny("EPERM");'),
      ['resolved.under "/a" /a: link linkat'],
    ],
    [
      "not if hard links are refused as well",
      outside('if (calls.rename.has(call) || calls.link.has(call)) return deny("EPERM");'),
      [],
    ],
    [
      "if renames are refused by their strings",
      outside(
        'if (call.name === "rename" && call.args.oldpath.text.under("/a")) return deny("EPERM");\nif (calls("renameat", "renameat2", "link", "linkat").has(call)) return deny("EPERM");',
      ),
      ['resolved.under "/a" /a: rename'],
    ],
  ])("%s", (_, body, expected) => {
    expect(refused(body)).toEqual(expected);
  });

  it("by the calls of the architecture", () => {
    expect(refused(under, "aarch64")).toEqual(['resolved.under "/a" /a: renameat renameat2 linkat']);
  });
});
