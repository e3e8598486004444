import { expect, it } from "vitest";
import { faults, step } from "../../testing/compiled.ts";

it("a member of an object may be named by a constant string", () => {
  expect(step('const o = { a: 5n }; const name = "a"; return call.raw.arg0 === o[name] ? trap() : allow;')[0]).toBe(
    "if argument0 == 5",
  );
});

it.each([
  ["call.nmae", "3:16 P0106 the call has no `nmae` → did you mean `name`?"],
  [
    "call.environment",
    "3:16 P0106 the call has no `environment` → it has name, args, caller, architecture, number, instructionPointer, raw",
  ],
  ["call.number.toString", "3:23 P0106 an integer has no `toString` → integers and strings have only operators"],
  ["[1n][0n]", "3:11 P0309 a list cannot be indexed → for (const one of list), or const [first, second] = list"],
  ["call?.number", "3:11 P0309 the language has no null → leave out `?`: `a.b`"],
  ['calls("read").wihtout', "3:25 P0106 a set of calls has no `wihtout` → did you mean `without`?"],
  ["{ most: 1n, least: 2n }.count", "3:35 P0106 an object has no `count` → it has most, least"],
])("a member that is not there: %s", (member, fault) => {
  expect(faults(`const x = ${member}; return allow;`)).toEqual([`policy.ts:${fault}`]);
});

it("a pattern gives the default of a member that is not there", () => {
  const limit = "const { first, limit = 10n } = ";
  expect(step(`${limit}{ first: 1n }; return call.raw.arg0 === limit + first ? trap() : allow;`)[0]).toBe(
    "if argument0 == 11",
  );
  expect(step(`${limit}{ first: 1n, limit: 2n }; return call.raw.arg0 === limit ? trap() : allow;`)[0]).toBe(
    "if argument0 == 2",
  );
  expect(faults("const { first, limit } = { first: 1n }; return allow;")).toEqual([
    "policy.ts:3:16 P0106 an object has no `limit` → it has first",
  ]);
});

const race = "cannot be read: another thread could change it after the check, so";
it.each([
  [
    "sendmmsg",
    "mmsg.name",
    '→ for sendmmsg return deny("ENOSYS"): it carries many messages, and sendmsg carries one, `call.args.msg`',
  ],
  ["read", "buf.text", "→ decide by state, or by arguments that are not pointers"],
])("memory that no engine pins: that of %s", (name, member, help) => {
  const [pointer, asked] = member.split(".");
  const [fault] = faults(`if (call.name === "${name}") {\nconst x = call.args.${member}; } return allow;`);
  expect(fault).toBe(
    `policy.ts:4:${22 + pointer!.length} P0601 the memory behind \`${pointer}\` ${race} \`.${asked}\` would be a race ${help}`,
  );
});

it("a pattern with the name and the arguments of a call: a test of the name narrows the arguments", () => {
  const parts = "const { name, args } = call;";
  const test = 'args.family.is("AF_UNIX")';
  expect(step(`${parts} if (name === "socket" && ${test}) return trap(); return allow;`)).toEqual(
    step(`if (call.name === "socket" && call.${test}) return trap(); return allow;`),
  );
  const others = [
    `${parts} if (${test}) return trap();`,
    `${parts} if (call.name === "socket" && ${test}) return trap();`,
    `const { args } = call; if (call.name === "socket" && ${test}) return trap();`,
    `let { name, args } = call; if (name === "socket" && ${test}) return trap();`,
    `${parts} if (name === "socket" && call.${test}) return trap();`,
  ];
  for (const text of others) expect(faults(`${text} return allow;`), text).toEqual([expect.stringContaining("P0211")]);
});
