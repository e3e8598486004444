/**
 * An argument that several calls share can be signed in one and unsigned in another (`len`, `size`, `flags`). No 64-bit
 * type holds both, so the policy must test the call's name before it uses the value.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { allCallNames, callByName } from "../../src/abi/calls.ts";
import { maximumSigned } from "../../src/abi/word.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { alwaysAllowed } from "../../src/frontend/program/call-names.ts";
import { Argument } from "../../src/frontend/typescript/library/arguments/argument.ts";
import { firstDifference } from "./agreement.ts";
import { policyModule } from "./corpus.ts";
import { Host } from "./host.ts";

interface Sharers {
  readonly name: string;
  readonly signed: string[];
  readonly unsigned: string[];
}

/** The integer arguments of which some calls can be negative, and others above 2^63 − 1. */
function disputed(): readonly Sharers[] {
  const byName = new Map<string, Sharers>();
  for (const call of allCallNames()) {
    const description = callByName(call)!;
    if (description.number.x86_64 === undefined || alwaysAllowed.includes(call)) continue;
    for (const { name, kind } of description.parameters) {
      if (kind.is !== "integer") continue;
      const { range } = Argument.of(description, name, "x86_64");
      const sharers = byName.get(name) ?? { name, signed: [], unsigned: [] };
      byName.set(name, sharers);
      if (range.from < 0n) sharers.signed.push(call);
      else if (range.to > maximumSigned) sharers.unsigned.push(call);
    }
  }
  return [...byName.values()].filter(({ signed, unsigned }) => signed.length > 0 && unsigned.length > 0);
}

function diagnosticsOf(body: string) {
  const text = policyModule("", body);
  return loadPolicy("/p/main.ts", { architecture: "x86_64", readFile: () => text }).diagnostics;
}

const codesOf = (body: string) => diagnosticsOf(body).map((one) => one.code);

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-signedness-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function expectAgreement(name: string, body: string): void {
  const path = join(folder, `${name}.ts`);
  writeFileSync(path, policyModule("", body));
  const { program, diagnostics } = loadPolicy(path, { architecture: "x86_64" });
  expect(diagnostics.map((one) => one.message)).toEqual([]);
  const host = new Host(path, "x86_64");
  for (let seed = 1; seed <= 10; seed++) expect(firstDifference(program!, host, seed, 120)).toBeUndefined();
}

const quoted = (names: readonly string[]) => names.map((name) => JSON.stringify(name)).join(", ");

describe("an argument that is signed in one call and unsigned in another", () => {
  it("is found in the tables", () => {
    expect(disputed().map(({ name }) => name)).toEqual(expect.arrayContaining(["flags", "len", "size"]));
  });

  it.each(disputed())("`$name` has no value that all calls share", ({ name, signed, unsigned }) => {
    for (const one of signed) {
      for (const other of unsigned) {
        for (const set of [`"${one}", "${other}"`, `"${other}", "${one}"`]) {
          const body = `if (calls(${set}).has(call) && call.args.${name} > 4096n) return deny("EPERM"); return allow;`;
          expect(codesOf(body), set).toEqual(["P0211"]);
        }
      }
    }
  });

  it.each(disputed())("`$name` has bits that all calls share", ({ name, signed, unsigned }) => {
    const body = `if (!calls(${quoted([...signed, ...unsigned])}).has(call)) return allow;
const u = BigInt.asUintN(64, call.args.${name}); const i = BigInt.asIntN(64, call.args.${name} + 1n);
report("bits", { u, i, low: BigInt.asUintN(16, call.args.${name} & 0xfffn) });
return u > 4096n ? (i < 0n ? deny("EIO") : deny("EPERM")) : log;`;
    expectAgreement(`bits-${name}`, body);
  });

  it.each(disputed())("`$name` has a value after a test of the name", ({ name, signed, unsigned }) => {
    const body = `if (calls(${quoted(signed)}).has(call)) return call.args.${name} < -1n ? deny("EIO") : log;
if (calls(${quoted(unsigned)}).has(call) && call.args.${name} > 4096n) return deny("EPERM");
return allow;`;
    expectAgreement(`tested-${name}`, body);
  });

  it("is refused wherever its value is used", () => {
    const uses = [
      "return call.args.len < 9n ? log : allow;",
      "return call.args.len === -1n ? log : allow;",
      "return call.args.len !== 0xffff_ffff_ffff_ffffn ? log : allow;",
      "return call.args.len >> 3n === 1n ? log : allow;",
      "return (call.args.len & 7n) === 1n ? log : allow;",
      "switch (call.args.len) { case -1n: return log; } return allow;",
      "return [-1n].includes(call.args.len) ? log : allow;",
      'report("len", { len: call.args.len }); return allow;',
      "const { len } = call.args; return BigInt.asUintN(64, len) > 9n ? log : allow;",
      "return BigInt.asUintN(64, call.args.len >> 1n) > 9n ? log : allow;",
      "return BigInt.asUintN(64, call.args.len) > 9n && call.args.len > 9n ? log : allow;",
      "const f = (n: bigint): bigint => n; return BigInt.asUintN(64, f(call.args.len)) > 9n ? log : allow;",
    ];
    for (const use of uses) {
      expect(codesOf(`if (!calls("sendto", "fallocate").has(call)) return allow; ${use}`), use).toEqual(["P0211"]);
    }
  });

  it("is refused with the names and types of two calls", () => {
    const [error] = diagnosticsOf(
      'if (calls("sendto", "splice", "fallocate").has(call) && call.args.len > 4096n) return deny("EMSGSIZE"); return allow;',
    );
    expect(error!.message).toBe(
      "`len` is signed in fallocate (loff_t) and unsigned in sendto (size_t): no 64-bit type holds both",
    );
    expect(error!.help).toMatch(/^test the call's name first/);
  });

  it("is not refused where no call of one kind comes", () => {
    const body = `if (call.name === "fallocate") return allow;
if (calls("sendto", "fallocate").has(call) && call.args.len > 4096n) return deny("EMSGSIZE");
return allow;`;
    expect(codesOf(body)).toEqual([]);
  });
});

it("an argument of several types has all of them in messages", () => {
  const message = (set: string) =>
    diagnosticsOf(`if (calls(${set}).has(call) && call.args.fd > 0x1_0000_0000n) return log; return allow;`)[0]!
      .message;
  const rest = "−2147483648 … 4294967295, and 4294967296 lies outside";
  expect(message('"bind", "close"')).toBe(`never true: \`fd\` is an int or an unsigned int, ${rest}`);
  expect(message('"close", "bind", "listen", "fchdir"')).toBe(
    `never true: \`fd\` is an int or an unsigned int, ${rest}`,
  );
  expect(message('"bind", "listen"')).toMatch(/^never true: `fd` is an int, −2147483648 … 2147483647,/);
});
