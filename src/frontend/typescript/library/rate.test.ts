import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { durationUnits } from "../../../abi/durations.ts";
import { maximumSigned } from "../../../abi/word.ts";
import { property } from "../../../ir/testing/property.ts";
import { compiled, faults, faultsOf, judge, step } from "../../testing/compiled.ts";

const units = ["ns", "us", "ms", "s", "min", "h"] as const;
const amount = fc.oneof(fc.bigInt(1n, 100n), fc.bigInt(1n, 2n ** 32n), fc.bigInt(1n, 2n ** 62n));
const gap = fc.oneof(fc.bigInt(-5n, 100n), fc.bigInt(0n, 10n ** 10n), fc.bigInt(0n, 2n ** 60n));

property([amount, amount, fc.constantFrom(...units), fc.array(gap, { minLength: 12, maxLength: 12 })])(
  "a rate is an exact token bucket, or is refused because its numbers do not fit",
  (limit, burst, unit, gaps) => {
    const per = durationUnits[unit];
    const full = burst * per;
    const head = `const r = perTree.rate({ limit: ${limit}n, per: "1${unit}", burst: ${burst}n });`;
    const loaded = compiled("return r.take() ? trap() : kill(`thread`);", { head });
    if (2n * full + limit > maximumSigned) {
      expect(faultsOf(loaded)).toEqual([expect.stringContaining("P0408")]);
      return;
    }
    const ask = judge(loaded.program!);
    let [level, last, now] = [full, 0n, 0n];
    for (const passed of gaps) {
      // A clock that goes back gives nothing.
      now = now + passed < 0n || now + passed > maximumSigned ? now : now + passed;
      const refilled = level + (now > last ? now - last : 0n) * limit;
      level = refilled < full ? refilled : full;
      last = now;
      const takes = level >= per;
      if (takes) level -= per;
      expect(ask([], now)).toBe(takes ? "trap" : "kill-thread");
    }
  },
);

it("a rate of 20 a second lets 20 through at once, and one more after 50 ms", () => {
  const head = 'const r = perTree.rate({ limit: 20n, per: "1s" });';
  const ask = judge(compiled("return r.take() ? trap() : kill(`thread`);", { head }).program!);
  const start = 10n ** 12n;
  const passes = (now: bigint, count: number): number =>
    Array.from({ length: count }, () => ask([], now)).filter((verdict) => verdict === "trap").length;
  expect(passes(start, 30)).toBe(20);
  expect(passes(start + 49_999_999n, 5)).toBe(0);
  expect(passes(start + 50_000_000n, 5)).toBe(1);
  expect(passes(start + 10n ** 12n, 30)).toBe(20);
});

it("a take is two stores, and its outcome keeps although the state changes", () => {
  const head = 'const r = perTree.rate({ limit: 20n, per: "1s" });';
  expect(step("const first = r.take(); r.take(); return first ? trap() : kill(`thread`);", { head })).toEqual([
    "i0 = (now <u $r.last ? 0 : (now - $r.last))",
    "i1 = ($r.level + ((0x3b9aca00 <u i0 ? 0x3b9aca00 : i0) * 20))",
    "i1 = (0x4a817c800 <u i1 ? 0x4a817c800 : i1)",
    "b2 = 0x3b9aca00 <=u i1",
    "$r.level = (b2 ? (i1 - 0x3b9aca00) : i1)",
    "$r.last = now",
    "i3 = (now <u $r.last ? 0 : (now - $r.last))",
    "i4 = ($r.level + ((0x3b9aca00 <u i3 ? 0x3b9aca00 : i3) * 20))",
    "i4 = (0x4a817c800 <u i4 ? 0x4a817c800 : i4)",
    "b5 = 0x3b9aca00 <=u i4",
    "$r.level = (b5 ? (i4 - 0x3b9aca00) : i4)",
    "$r.last = now",
    "if b2",
    "  return 1 trap",
    "else",
    "  return 2 kill thread",
  ]);
});

describe("a fault of a rate", () => {
  const unit = 'a number and a unit: "50ms", "1s", "10min" (ns, us, ms, s, min, h)';
  it.each([
    ["", '2:11 P0212 a rate takes its settings → { limit: 20n, per: "1s" }'],
    [
      "5n",
      "2:24 P0207 the settings of a rate are an object, not an integer → write { limit: …, per: …, burst: …, onFork: … }",
    ],
    ['{ limit: 0n, per: "1s" }', '2:33 P0408 `limit` must be at least 1 → to refuse every call, return deny("EAGAIN")'],
    [
      '{ limit: 3n, per: "1s", burst: 0n }',
      '2:55 P0408 `burst` must be at least 1 → to refuse every call, return deny("EAGAIN")',
    ],
    ['{ limit: 3n, per: "0s" }', `2:42 P0214 "0s" is not a duration → ${unit}`],
    ["{ limit: 3n }", '2:24 P0408 a rate needs a period, `per` → per: "1s"'],
    ['{ per: "1s" }', "2:24 P0408 a rate needs a `limit` → limit: 20n"],
    [
      '{ limit: 3n, per: "1s", onFork: "copy" }',
      "2:56 P0213 the tree has one shared state: there is no inheritance → leave out onFork",
    ],
    [
      '{ limit: 9_000_000_000n, per: "1s" }',
      "2:33 P0408 9000000000 at once and 9000000000 per 1s do not fit in 64 bits, in nanoseconds → use a shorter time with a smaller limit, such as a tenth of both",
    ],
  ])("perTree.rate(%s)", (settings, fault) => {
    expect(faults("return r.take() ? allow : log;", { head: `const r = perTree.rate(${settings});` })).toEqual([
      `policy.ts:${fault}`,
    ]);
  });

  it("a child that starts with a full bucket is a warning", () => {
    const head = 'const r = perProcess.rate({ limit: 3n, per: "1s", onFork: "fresh" });';
    expect(faults("return r.take() ? allow : log;", { head })).toEqual([
      "policy.ts:2:51 P0404 `r` limits, and starts fresh in every child: forking resets the limit → leave out onFork (a copy), or limit in perTree",
    ]);
  });
});
