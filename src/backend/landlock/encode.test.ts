/** Rulesets of declarations, as values and as the bytes that the launcher reads. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scopeRights } from "../../abi/landlock.ts";
import { fileLists, type ObjectLayer, type PathRule } from "../../ir/objects.ts";
import { property } from "../../ir/testing/property.ts";
import { decodeRulesets, encodeRulesets, RulesetError } from "./encode.ts";
import { rulesetsOf } from "./rulesets.ts";

const at = { file: 0, line: 1, column: 1, length: 1 };
const nothing = { files: undefined, tcp: undefined, udp: undefined, unix: undefined, scopes: [], at } as const;
const rule = (path: string): PathRule => ({ path, optional: false, at });
const files = (lists: object, except: readonly string[] = []): ObjectLayer => ({
  ...nothing,
  files: { lists, except: except.map(rule), protect: [], private: [], names: false, streams: false },
});

describe("a ruleset", () => {
  it("has the limits of the tree, as rules without a path", () => {
    const limits = { processes: { most: 1024, at }, privateSize: { most: 0xffff_ffff, at } };
    const layer = files({ read: [rule("/srv")] });
    const rulesets = rulesetsOf([layer, { ...layer, limits }]);
    const own = [
      { is: "processes", most: 1024 },
      { is: "private-size", most: 0xffff_ffff },
    ];
    expect(rulesets[0]!.rules).toEqual(expect.arrayContaining(own));
    expect(decodeRulesets(encodeRulesets(rulesets))).toEqual(rulesets);
    const [none] = rulesetsOf([layer]);
    const zero = encodeRulesets([{ ...none!, rules: [{ is: "processes", most: 0 }] }]);
    expect(() => decodeRulesets(zero)).toThrow(RulesetError);
  });

  it("of writes restricts what changes directories, too, and permits it where files can be written", () => {
    const [ruleset] = rulesetsOf([files({ write: [rule("/srv")] })]);
    expect(ruleset!.files).toContain("make-dir");
    expect(ruleset!.rules).toEqual([
      { is: "beneath", path: "/srv", access: ruleset!.files, optional: false, whole: false },
    ]);
  });

  it("has a list of its own for a right if the policy has", () => {
    const [ruleset] = rulesetsOf([files({ write: [rule("/srv")], remove: [] })]);
    expect(ruleset!.files).toContain("remove-file");
    expect(ruleset!.rules[0]).toMatchObject({ path: "/srv" });
    expect(ruleset!.rules[0]).not.toMatchObject({ access: expect.arrayContaining(["remove-file"]) });
  });

  it("permits moves everywhere if the policy does not restrict them, because the kernel denies them otherwise", () => {
    const [ruleset] = rulesetsOf([files({ read: [rule("/srv")] })]);
    expect(ruleset!.files).toEqual(["read-file", "read-dir", "refer"]);
    expect(ruleset!.rules[0]).toEqual({ is: "beneath", path: "/", access: ["refer"], optional: false, whole: true });
  });

  it("about ports permits moves if another ruleset is about files", () => {
    const tcp = { bind: [], connect: undefined };
    const [ports] = rulesetsOf([{ ...nothing, tcp }, files({ read: [] })]);
    expect(ports).toEqual({
      files: ["refer"],
      ports: ["bind-tcp"],
      scopes: [],
      rules: [{ is: "beneath", path: "/", access: ["refer"], optional: false, whole: true }],
    });
  });

  it("has one rule for a path in several lists, which is optional only if it is in all", () => {
    const optional = { path: "/usr", optional: true, at: undefined };
    const [ruleset] = rulesetsOf([files({ read: [optional], execute: [rule("/usr")], refer: [optional] })]);
    expect(ruleset!.rules).toEqual([
      {
        is: "beneath",
        path: "/usr",
        access: ["execute", "read-file", "read-dir", "refer"],
        optional: false,
        whole: false,
      },
    ]);
  });

  it("lets directories be listed on the way to exceptions if the policy permits the names", () => {
    const layer = files({ read: [rule("/home")] }, ["/home/.ssh"]);
    const [ruleset] = rulesetsOf([{ ...layer, files: { ...layer.files!, names: true } }]);
    expect(ruleset!.rules).toContainEqual({
      is: "beneath",
      path: "/home",
      access: ["read-file"],
      optional: false,
      whole: false,
    });
    expect(ruleset!.rules).toContainEqual({
      is: "beneath",
      path: "/home",
      access: ["read-dir"],
      optional: false,
      whole: true,
    });
  });

  it("of ports has one rule for each port", () => {
    const tcp = { bind: [80, 80], connect: [80, 443] };
    const [ruleset] = rulesetsOf([{ ...nothing, tcp }]);
    expect(ruleset).toEqual({
      files: [],
      ports: ["bind-tcp", "connect-tcp"],
      scopes: [],
      rules: [
        { is: "port", port: 80, access: ["bind-tcp", "connect-tcp"] },
        { is: "port", port: 443, access: ["connect-tcp"] },
      ],
    });
  });
});

const paths = fc.array(
  fc.record({
    path: fc.stringMatching(/^(\/[a-zé.-]{1,9}){1,5}$/),
    optional: fc.boolean(),
    at: fc.constant(undefined),
  }),
  { maxLength: 4 },
);
const ports = fc.option(fc.uniqueArray(fc.integer({ min: 0, max: 65_535 }), { maxLength: 4 }), { nil: undefined });
const layers = fc.array(
  fc.record({
    files: fc
      .record(
        {
          lists: fc.dictionary(fc.constantFrom(...fileLists), paths, { minKeys: 1 }),
          except: paths,
          protect: fc.array(
            paths.chain((some) => fc.boolean().map((isDirectory) => ({ ...(some[0] ?? rule("/srv")), isDirectory }))),
          ),
          private: paths,
          names: fc.boolean(),
          streams: fc.boolean(),
        },
        { requiredKeys: ["lists", "except", "protect", "private", "names", "streams"] },
      )
      .map((rules) => rules as ObjectLayer["files"]),
    tcp: fc.record({ bind: ports, connect: ports }),
    udp: fc.record({ bind: ports, connect: ports }),
    unix: fc.option(fc.record({ connect: paths }), { nil: undefined }),
    scopes: fc.uniqueArray(fc.constantFrom(...(Object.keys(scopeRights) as (keyof typeof scopeRights)[]))),
    at: fc.constant(at),
  }),
  { maxLength: 8 },
);

property([layers])("rulesets survive encoding", (given) => {
  const rulesets = rulesetsOf(given);
  expect(decodeRulesets(encodeRulesets(rulesets))).toEqual(rulesets);
});

property([layers, fc.nat(), fc.integer({ min: 0, max: 255 })])(
  "changed bytes are decoded or refused",
  (given, place, byte) => {
    const bytes = encodeRulesets(rulesetsOf(given));
    if (bytes.length > 0) bytes[place % bytes.length] = byte;
    try {
      decodeRulesets(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(RulesetError);
    }
  },
);

it("more than a MiB of rules is refused", () => {
  const many = Array.from({ length: 5000 }, (_, index) => rule(`/${"a".repeat(250)}${index}`));
  expect(() => encodeRulesets(rulesetsOf([files({ read: many })]))).toThrow(RulesetError);
});
