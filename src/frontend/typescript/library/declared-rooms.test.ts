/** Rooms: what a declaration and an entry become, and mistakes in both. */
import { describe, expect, it } from "vitest";
import { printProgram } from "../../../ir/print.ts";
import { faults, programOf, step } from "../../testing/compiled.ts";

const rooms = (settings: string) => `const room = perTree.rooms(${settings});`;
const late = 'late: deny("EDEADLK")';
const two = rooms(`{ sides: ["discard", "write"], exclusive: ["write"], timeout: "1500ms", ${late} }`);

it("have their sides, their timeout and their verdict for late calls", () => {
  const body = 'if (call.name === "fsync") room.enter("write"); return allow;';
  expect(printProgram(programOf(body, { head: two }))).toContain(
    "\ntree room &room {discard, write (exclusive)}, after 1500000000 ns verdict 1 (policy.ts:2:7)\n",
  );
  expect(step(body, { head: two })).toEqual(["if number == fsync", "  &room enter write", "return 2 allow"]);
});

it("with one exclusive side let one call at a time pass", () => {
  const head = rooms(`{ sides: ["a"], exclusive: ["a"], timeout: "1ms", ${late} }`);
  expect(programOf("return allow;", { head }).rooms).toMatchObject([
    { sides: ["a"], exclusive: 1, timeout: 1_000_000n },
  ]);
});

it("have at most 32 sides, each of which can be exclusive", () => {
  const names = (count: number) => JSON.stringify(Array.from({ length: count }, (_, index) => `s${index}`));
  const of = (count: number) =>
    rooms(`{ sides: ${names(count)}, exclusive: ${names(count)}, timeout: "60s", ${late} }`);
  expect(programOf("return allow;", { head: of(32) }).rooms).toMatchObject([{ exclusive: 0xffff_ffff }]);
  expect(faults("return allow;", { head: of(33) })).toEqual([
    "policy.ts:2:37 P0411 33 sides, where 1 … 32 are allowed → use a second room",
  ]);
});

const form = '{ sides: ["discard", "write"], timeout: "1s", late: deny("EDEADLK") }';
const sides = 'sides: ["a", "b"]';
const ends = 'late: deny("EDEADLK"), or kill("process")';

describe("a fault of a declaration", () => {
  it.each([
    ["", `2:14 P0212 rooms take their settings → ${form}`],
    [
      "5n",
      "2:28 P0207 the settings of rooms are an object, not an integer → write { sides: …, exclusive: …, timeout: …, late: … }",
    ],
    ["{}", `2:28 P0411 rooms need \`sides\` → ${form}`],
    [
      `{ side: ["a"], timeout: "1s", ${late} }`,
      "2:30 P0106 the settings of rooms have no `side` → did you mean `sides`?",
    ],
    [
      `{ sides: "a", timeout: "1s", ${late} }`,
      '2:37 P0207 `sides` is a list of names, not a string → ["discard", "write"]',
    ],
    [
      `{ sides: [1n], timeout: "1s", ${late} }`,
      '2:37 P0207 `sides` is a list of names, not a list → ["discard", "write"]',
    ],
    [`{ sides: [], timeout: "1s", ${late} }`, '2:37 P0411 0 sides, where 1 … 32 are allowed → ["discard", "write"]'],
    [
      `{ sides: ["a", "a"], timeout: "1s", ${late} }`,
      '2:37 P0411 the side "a" is listed twice → a side runs beside itself',
    ],
    [
      `{ sides: ["a"], timeout: "1s", ${late} }`,
      '2:37 P0411 calls of the only side run together: the room has no effect → a second side, or exclusive: ["a"] for one call at a time',
    ],
    [
      `{ ${sides}, exclusive: ["c"], timeout: "1s", ${late} }`,
      '2:60 P0412 there is no side "c" → did you mean "a"? they are a, b',
    ],
    [`{ ${sides}, ${late} }`, '2:28 P0411 rooms need a `timeout` → timeout: "1s"'],
    [
      `{ ${sides}, timeout: 3n, ${late} }`,
      "2:49 P0310 `timeout` of the settings of rooms must be a string that is known at compile time, not an integer",
    ],
    [
      `{ ${sides}, timeout: "1x", ${late} }`,
      '2:58 P0214 "1x" is not a duration → a number and a unit: "50ms", "1s", "10min" (ns, us, ms, s, min, h)',
    ],
    ...["999us", "61s"].map((time) => [
      `{ ${sides}, timeout: "${time}", ${late} }`,
      `2:58 P0411 a call can wait "1ms" … "60s" for a room, and not "${time}" → the time that the longest call of another side takes, and some more`,
    ]),
    [
      `{ ${sides}, timeout: "1s" }`,
      '2:28 P0411 rooms need the verdict for a call that waits too long → late: deny("EDEADLK")',
    ],
    [
      `{ ${sides}, timeout: "1s", late: 3n }`,
      "2:64 P0310 `late` of the settings of rooms must be a verdict that is known at compile time, not an integer",
    ],
    ...["allow", "log"].map((verdict) => [
      `{ ${sides}, timeout: "1s", late: ${verdict} }`,
      `2:70 P0413 a call that is late must not pass: one that delays the others would disable the room → ${ends}`,
    ]),
    [
      `{ ${sides}, timeout: "1s", late: trap() }`,
      `2:70 P0413 a call that is late is denied or killed: it has waited, and a handler of SIGSYS would make it again → ${ends}`,
    ],
  ])("%s", (settings, fault) => {
    expect(faults("return allow;", { head: rooms(settings!) })).toEqual([`policy.ts:${fault}`]);
  });
});

describe("a fault of an entry", () => {
  it.each([
    ["room.enter()", "1 P0212 `.enter` takes 1 argument, and gets 0"],
    ["room.enter(3n)", "12 P0207 `.enter` takes the name of a side, not an integer"],
    ['room.enter("wriet")', '12 P0412 there is no side "wriet" → did you mean "write"? they are discard, write'],
    ["room.leave()", "6 P0106 a Rooms has no `leave` → it has enter"],
  ])("%s", (call, fault) => {
    const body = `if (call.name === "fsync")\n${call};\nreturn allow;`;
    expect(faults(body, { head: two })).toEqual([`policy.ts:5:${fault}`]);
  });

  it("a call that no policy judges would hold the room for ever", () => {
    expect(faults('if (call.name === "exit_group") room.enter("write"); return allow;', { head: two })).toEqual([
      expect.stringMatching(/^policy\.ts:4:19 P0506 /),
      expect.stringMatching(/^policy\.ts:4:33 P0421 exit_group cannot be in a room: always allowed, never judged/),
    ]);
  });
});
