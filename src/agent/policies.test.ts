import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { encodeLayout, type PolicyArtifact } from "../backend/bundle/oci-layout.ts";
import { policyDigest } from "../export/digest.ts";
import { packageVersion } from "../machine/package.ts";
import { sha256 } from "../machine/sha256.ts";
import { Policies } from "./policies.ts";

const denying = (call: string) =>
  `import { allow, deny, policy } from "portcullis";
export default policy((call) => (call.name === "${call}" ? deny("EPERM") : allow));
`;
const withParameter = `import { allow, deny, parameter, perTree, policy } from "portcullis";
const most = parameter.integer("most", { from: 1n, to: 9n });
const made = perTree.counter();
export default policy((call) => (call.name === "mkdir" && made.add() > most ? deny("EDQUOT") : allow));
`;

let folder = "";
let said: string[] = [];
let policies: Policies;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-policies-"));
  said = [];
  policies = new Policies({ folder, architecture: "x86_64", log: (line) => said.push(line) });
});
afterEach(() => {
  policies.close();
  rmSync(folder, { recursive: true, force: true });
});
const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
const digest = (name: string) => policies.list.find((one) => one.name === name)?.digest;

describe("the agent's policies", () => {
  test("are those of the folder, and a file that does not compile is reported with its place", () => {
    write("a.ts", denying("mkdir"));
    write("b.json", JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [] }));
    write("broken.ts", "export default 1 +");
    write("c.pcl", "");
    write("tsconfig.json", "{}");
    write(".hidden.ts", "");
    policies.examine();
    expect(policies.list.map(({ name, fault }) => [name, fault === undefined])).toEqual([
      ["a", true],
      ["b", true],
      ["broken", false],
    ]);
    expect(said.find((line) => line.includes("broken"))).toMatch(/broken\.ts:\d+:\d+: error P0300: /);
    expect(said.find((line) => line.includes("c.pcl"))).toMatch(/a bundle/);
    expect(() => policies.byName("broken", new Map())).toThrow(/does not compile: .*broken\.ts:/);
  });

  test("are compiled again when a file, or what it imports, changes, and keep what compiled last", () => {
    mkdirSync(join(folder, "shared"));
    write("shared/name.ts", 'export const refused = "mkdir";\n');
    write(
      "a.ts",
      `import { allow, deny, policy } from "portcullis";
import { refused } from "./shared/name.ts";
export default policy((call) => (call.name === refused ? deny("EPERM") : allow));
`,
    );
    policies.examine();
    const first = policies.byName("a", new Map());
    write("shared/name.ts", 'export const refused = "rmdir";\n');
    policies.examine();
    const second = policies.byName("a", new Map());
    expect(second.digest).not.toBe(first.digest);
    for (const one of [first, second]) expect(one.compiled.description.digest).toBe(one.digest);
    write("shared/name.ts", "export const refused = ;\n");
    policies.examine();
    expect(said.at(-1)).toMatch(/name\.ts:1:\d+: error .*; the version before is used on/);
    expect(policies.byName("a", new Map())).toBe(second);
    expect(() => policies.byName("a", new Map([["most", "1"]]))).toThrow(/does not compile/);
    write("shared/name.ts", 'export const refused = "mkdir";\n');
    policies.examine();
    expect(digest("a")).toBe(first.digest);
    rmSync(join(folder, "a.ts"));
    policies.examine();
    expect(() => policies.byName("a", new Map())).toThrow(/no policy is named "a"/);
  });

  test("follow the link that Kubernetes swaps for a ConfigMap", () => {
    const version = (name: string, call: string) => {
      mkdirSync(join(folder, name));
      write(`${name}/a.ts`, denying(call));
      symlinkSync(name, join(folder, "..data.new"));
      renameSync(join(folder, "..data.new"), join(folder, "..data"));
    };
    version("..2026_1", "mkdir");
    symlinkSync("..data/a.ts", join(folder, "a.ts"));
    policies.examine();
    const first = digest("a");
    version("..2026_2", "rmdir");
    rmSync(join(folder, "..2026_1"), { recursive: true });
    policies.examine();
    expect(digest("a")).toMatch(/^sha256:/);
    expect(digest("a")).not.toBe(first);
  });

  test("are seen within a moment when a file replaces another", async () => {
    write("a.ts", denying("mkdir"));
    policies.start();
    const first = digest("a");
    write("a.new", denying("rmdir"));
    renameSync(join(folder, "a.new"), join(folder, "a.ts"));
    while (digest("a") === first) await new Promise((wake) => setTimeout(wake, 10));
  });

  test("with parameters have a version for each of their values", () => {
    write("a.ts", withParameter);
    policies.examine();
    expect(policies.list).toMatchObject([{ name: "a", digest: undefined, fault: undefined }]);
    const one = policies.byName("a", new Map([["most", "1"]]));
    const two = policies.byName("a", new Map([["most", "2"]]));
    expect(one.digest).not.toBe(two.digest);
    expect(policies.select({ policy: "a", digest: one.digest, parameters: { most: "1" } })).toBe(one);
    expect(() => policies.select({ policy: "a", digest: one.digest, parameters: { most: "2" } })).toThrow(
      /another digest/,
    );
    expect(() => policies.byName("a", new Map([["least", "1"]]))).toThrow(/does not compile/);
  });

  test("of one name are not guessed", () => {
    write("a.json", JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [] }));
    write("a.ts", denying("mkdir"));
    policies.examine();
    expect(said.find((line) => line.includes("has the same name"))).toMatch(/a\.ts is not used/);
  });

  test("can be ready ones, which the folder's replace", () => {
    policies.examine();
    const ready = policies.byName("exec-once", new Map());
    expect(ready.digest).toMatch(/^sha256:/);
    expect(policies.byName("against/cve-2016-0728", new Map()).name).toBe("against/cve-2016-0728");
    write("exec-once.ts", denying("mkdir"));
    policies.examine();
    expect(policies.byName("exec-once", new Map()).digest).not.toBe(ready.digest);
    for (const name of ["../x", "shared/through-proxy", "/etc/passwd", ""])
      expect(() => policies.byName(name, new Map())).toThrow(/no policy is named/);
  });

  describe("an OCI image layout", () => {
    const parameters = new Map([["most", "2"]]);
    /** Writes it below the folder. */
    const writeLayout = (path: string, changes: Partial<PolicyArtifact> = {}): string => {
      const content = changes.content ?? Buffer.from(withParameter);
      const hash = sha256(content).toString("hex");
      const own = policyDigest({ files: [{ hash }], parameters });
      const policy: PolicyArtifact = {
        ...{ name: "few", version: packageVersion(), digest: own, parameters, ending: "ts", content, ...changes },
      };
      for (const { path: file, content: bytes } of encodeLayout(policy)) {
        mkdirSync(join(folder, path, dirname(file)), { recursive: true });
        writeFileSync(join(folder, path, file), bytes);
      }
      return policy.digest;
    };

    test("has a policy with its parameters, by the name that it says", () => {
      const own = writeLayout("pulled.oci");
      policies.examine();
      expect(policies.list).toEqual([{ name: "few", digest: own, fault: undefined }]);
      for (const given of [{}, { most: "2" }])
        expect(policies.select({ policy: "few", digest: own, parameters: given }).parameters).toEqual(parameters);
      expect(policies.byName("few", new Map([["most", "3"]])).digest).not.toBe(own);
    });

    test.each<[what: string, why: RegExp, change: () => void]>([
      ["with another digest", /its digest is sha256:/, () => writeLayout("x", { digest: `sha256:${"0".repeat(64)}` })],
      ["of a bundle", /a bundle has/, () => writeLayout("x", { ending: "pcl", content: Buffer.from("bytes") })],
      [
        "that does not compile",
        /x\/few\.ts:1:\d+: error/,
        () => writeLayout("x", { content: Buffer.from("export default 1 +") }),
      ],
      [
        "that imports a file beside it",
        /error P0107/,
        () => {
          write("secret.ts", "export const one = 1n;\n");
          writeLayout("x", { content: Buffer.from('import { one } from "../secret.ts";\nexport default one;\n') });
        },
      ],
      [
        "whose content was changed",
        /the content has another digest/,
        () => {
          writeLayout("x");
          const layer = sha256(Buffer.from(withParameter)).toString("hex");
          writeFileSync(join(folder, "x/blobs/sha256", layer), withParameter.replace("9n", "8n"));
        },
      ],
    ])("%s is reported and not used", (_, why, change) => {
      change();
      policies.examine();
      policies.examine();
      expect(said.filter((line) => why.test(line))).toHaveLength(1);
      for (const name of ["few", "x"])
        expect(() => policies.byName(name, new Map())).toThrow(/does not compile|no policy/);
    });

    test("that is replaced by one that cannot be read leaves the policy before", () => {
      const own = writeLayout("x");
      policies.examine();
      writeFileSync(join(folder, "x/index.json"), "{}");
      policies.examine();
      expect(policies.byName("few", new Map()).digest).toBe(own);
      expect(policies.list[0]!.fault).toMatch(/x: index\.json/);
    });
  });
});
