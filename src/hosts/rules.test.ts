/** Lists of hosts: each must permit. */
import { describe, expect, it } from "vitest";
import { parsePattern, printPattern } from "./names.ts";
import { type HostList, isKnown, isListedLiterally, localNameOn, namesOn, portsOf, refusingList } from "./rules.ts";

function list(rule: string, ...texts: readonly string[]): HostList {
  const patterns = texts.flatMap((text) => {
    const result = parsePattern(text);
    return "pattern" in result ? [result.pattern] : [];
  });
  return { patterns, rule };
}

const wide = list("wide", "*.a.org", "a.org:22", "localhost:3000", "x.localhost:3001", "10.0.0.1:80");
const narrow = list("narrow", "x.a.org:443", "a.org:22", "localhost:3000", "*.localhost.org");

describe("two lists", () => {
  it("permit what both permit", () => {
    const refusing = (host: string, port: number) => refusingList([wide, narrow], host, port)?.rule;
    expect(refusing("x.a.org", 443)).toBeUndefined();
    expect(refusing("x.a.org", 80)).toBe("narrow");
    expect(refusing("y.a.org", 443)).toBe("narrow");
    expect(refusing("a.org", 22)).toBeUndefined();
    expect(refusing("evil.org", 443)).toBe("wide");
    expect(refusingList([], "evil.org", 443)).toBeUndefined();
  });

  it("know the names that both have on any port", () => {
    expect(["x.a.org", "a.org", "y.a.org", "b.org"].map((name) => isKnown([wide, narrow], name))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it("have the ports of both", () => {
    expect(portsOf([wide, narrow])).toEqual([22, 80, 443, 3000]);
    expect(portsOf([list("none")])).toEqual([]);
  });

  it("permit an address, or this machine, only if both name it", () => {
    expect(isListedLiterally([wide], "10.0.0.1")).toBe(true);
    expect(isListedLiterally([wide, narrow], "10.0.0.1")).toBe(false);
    expect(isListedLiterally([wide, narrow], "localhost")).toBe(true);
    expect(isListedLiterally([wide], "a.org")).toBe(false);
  });

  it("have names for a port", () => {
    expect(namesOn([wide, narrow], 22)).toEqual(["a.org"]);
    expect(localNameOn([wide, narrow], 3000)).toBe("localhost");
    expect(localNameOn([wide, narrow], 3001)).toBeUndefined();
    expect(localNameOn([wide], 3001)).toBe("x.localhost");
  });
});

it("an entry is printed as it can be written", () => {
  const texts = ["a.org", "*.a.org:22", "[2001:db8::1]:443", "[::1]", "10.0.0.1"];
  expect(list("", ...texts).patterns.map(printPattern)).toEqual(texts);
});
