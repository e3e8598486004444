/** Entries of a list, and names that programs ask for. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { property } from "../ir/testing/property.ts";
import { type HostPattern, matches, normalHost, parsePattern } from "./names.ts";

function pattern(text: string): HostPattern {
  const result = parsePattern(text);
  if ("error" in result) throw new Error(result.error);
  return result.pattern;
}

describe("an entry of a list of hosts", () => {
  it.each([
    ["registry.npmjs.org", { host: "registry.npmjs.org", below: false, ports: [80, 443] }],
    ["GitHub.com.:22", { host: "github.com", below: false, ports: [22] }],
    ["*.example.org", { host: "example.org", below: true, ports: [80, 443] }],
    ["tür.example", { host: "xn--tr-xka.example", below: false, ports: [80, 443] }],
    ["127.0.0.1:8080", { host: "127.0.0.1", below: false, ports: [8080] }],
    ["[2001:DB8::1]:443", { host: "2001:db8::1", below: false, ports: [443] }],
    ["::1", { host: "::1", below: false, ports: [80, 443] }],
    ["::ffff:127.0.0.1", { host: "127.0.0.1", below: false, ports: [80, 443] }],
    ["localhost:3000", { host: "localhost", below: false, ports: [3000] }],
    ["my_host", { host: "my_host", below: false, ports: [80, 443] }],
  ])("%s is read", (text, expected) => {
    expect(pattern(text)).toEqual(expected);
  });

  it.each([
    ...["", "*", "*.", "*.com", "a.*.org", "*a.org", "a..b", ".a", "a.org:", "a.org:0", "a.org:65536", "a.org:http"],
    ...[
      "http://a.org",
      "a.org/x",
      "u@a.org",
      "a%2e.org",
      "a b",
      "a\0.org",
      "a\n.org",
      "*.127.0.0.1",
      "[::1",
      "[a.org]:1",
    ],
    ...["fe80::1%eth0", `${"a".repeat(64)}.org`, `${"a.".repeat(127)}org`, "300.1.1.1", "a:b:c"],
  ])("%j is refused", (text) => {
    expect(parsePattern(text)).toHaveProperty("error");
  });
});

describe("a name that a program asks for", () => {
  it.each([
    ["EXAMPLE.org.", "example.org"],
    ["0x7f.1", "127.0.0.1"],
    ["2130706433", "127.0.0.1"],
    ["0177.0.0.1", "127.0.0.1"],
    ["127.1", "127.0.0.1"],
    ["::FFFF:169.254.169.254", "169.254.169.254"],
    ["0:0:0:0:0:0:0:1", "::1"],
  ])("%s is %s", (text, expected) => {
    expect(normalHost(text)).toBe(expected);
  });

  it.each([
    ...[
      "",
      ".",
      "a..",
      "a..b",
      "example.org\0.evil.org",
      "example.org%00",
      "a@b",
      "a b",
      "a/b",
      "a:1",
      "[::1]",
      "*.a.org",
    ],
    ...["tür.example", "ｅ.org", "a\u00ad.org", "fe80::1%1", "1.2.3.4.5", "256.1.1.1", "a".repeat(64)],
  ])("%j has no normal form", (text) => {
    expect(normalHost(text)).toBeUndefined();
  });

  it("is below a wildcard at any depth, and not the wildcard's own name", () => {
    const below = pattern("*.example.org");
    expect(["a.example.org", "b.a.example.org"].map((name) => matches(below, name))).toEqual([true, true]);
    expect(["example.org", "other-example.org", "example.org.evil.com"].map((name) => matches(below, name))).toEqual([
      false,
      false,
      false,
    ]);
  });
});

const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/).filter((one) => !one.startsWith("xn--"));
const names = fc.array(label, { minLength: 2, maxLength: 5 }).map((labels) => labels.join("."));

property([names, fc.integer({ min: 1, max: 65_535 })])("an entry matches its own name in every case", (name, port) => {
  const entry = pattern(`${name}:${port}`);
  expect(entry.ports).toEqual([port]);
  for (const spelled of [name, name.toUpperCase(), `${name}.`]) expect(matches(entry, normalHost(spelled)!)).toBe(true);
});

property([names, fc.string({ minLength: 1, maxLength: 12, unit: "binary" })])(
  "whatever is written around a name, it is the name, another, or refused",
  (name, text) => {
    for (const given of [`${name}${text}`, `${text}${name}`, `${name}.${text}`]) {
      const normal = normalHost(given);
      if (normal === name) expect(given.toLowerCase().replace(/\.$/, "")).toBe(name);
      if (normal !== undefined) expect(normalHost(normal)).toBe(normal);
    }
  },
);

property([fc.string({ unit: "binary" })])("any text is an entry or refused", (text) => {
  const result = parsePattern(text);
  if ("pattern" in result) expect(normalHost(result.pattern.host)).toBe(result.pattern.host);
});

property([fc.ipV4Extended()])("an IPv4 address in any notation is an address", (text) => {
  expect(normalHost(text)).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
});
