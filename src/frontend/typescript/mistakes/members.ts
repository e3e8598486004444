/**
 * Remedies for unknown members, by their likely meaning: names from other libraries, other filters, other languages.
 */
import type { Value } from "../values/values.ts";

/** Words with one meaning (in lower case), and the remedy for them. */
type Meanings = readonly (readonly [words: string, write: string])[];

const behindPointer = "a policy cannot read this memory: no engine pins it";

const meanings: Readonly<Record<string, Meanings>> = {
  Phases: [
    [
      "set go goto advance next transition to move change start begin update push",
      '`.enter("…")` moves to a later phase',
    ],
    ["value current name phase state now", "`.get()` is the phase's name"],
    ["has in equals eq at", '`.is("…")` tests the phase'],
    ["reset back leave exit", "phases only move forward; a flag can go back: perProcess.flag()"],
  ],
  Flag: [
    ["raise enable on mark put", "`.set(true)`"],
    ["clear reset off unset disable lower delete", "`.set(false)`"],
    ["value is isset has test read", "`.get()`"],
    ["toggle flip", "`.set(…)` with true or false"],
  ],
  Counter: [
    ["increment inc increase up plus count bump", "`.add()` adds 1, `.add(n)` n; both give the new count"],
    ["decrement dec decrease down minus sub", "`.subtract()` subtracts 1, `.subtract(n)` n"],
    ["value read current", "`.get()`"],
    ["set reset clear", "a counter only counts; perProcess.value() can be set"],
  ],
  Value: [
    ["value read current", "`.get()`"],
    ["put store write update assign", "`.set(…)`"],
    ["add increment inc subtract decrement dec", "a value is set: `.set(…)`; perProcess.counter() counts"],
  ],
  Rate: [
    [
      "allow allows try trytake check hit consume acquire use spend get limit exceeded",
      "`.take()` takes one, if any is left",
    ],
  ],
  Table: [
    ["put store insert add update", "`.set(key, value)`"],
    ["contains includes exists", "`.has(key)`"],
    ["remove clear unset", "`.delete(key)`"],
    ["value read", "`.get(key, otherwise)`"],
  ],
  KeySet: [
    ["put insert set push", "`.add(key)`"],
    ["contains includes get exists", "`.has(key)`"],
    ["remove clear", "`.delete(key)`"],
  ],
  Flow: [["next check allows allow take step may has", "`.follow(call)`"]],
  Flags: [
    ["is includes contains test all equals", '`.has("…")` tests a flag'],
    ["any some hassome", '`.hasAny("…", "…")` tests for at least one of several'],
    ["only exactly", '`.hasOnly("…")` tests that no other is set'],
    ["value raw number", "`.bits` is the integer"],
  ],
  Choice: [
    ["has includes equals eq contains in hasany", '`.is("…")` tests a value'],
    ["bits raw number", "`.value` is the integer"],
  ],
  Pointer: [
    ["null", "`.isNull` tests for null"],
    [
      "ip host sin_addr sin_port sa_family startswith endswith includes match matches test string tostring equals length indexof slice value content resolved",
      `${behindPointer}; decide by state, or by arguments that are not pointers`,
    ],
  ],
  Path: [
    [
      "startswith endswith matches is under test match equals",
      '`.text.startsWith("…")` tests the caller\'s bytes, `.resolved.under("…")` the object',
    ],
    ["value string content tostring", '`.text` is the caller\'s bytes; `.text.is("…")`'],
    ["realpath canonical object inode real", "`.resolved` is the object"],
    ["includes contains indexof", '`.text.matches("**/name/**")`'],
  ],
  PathText: [
    ["equals eq test", '`.is("…")`'],
    ["includes contains indexof search", '`.matches("*…*")`; `**` also matches /'],
    ["match glob regex regexp", '`.matches("…")` takes a glob'],
    ["below within inside in parent", '`.under("/directory")`'],
  ],
  SocketAddress: [
    ["family type sa_family is", '`.kind` is "ip", "unix", …'],
    ["ip host sin_addr addr", '`.address`, and cidr("10.0.0.0/8").has(…)'],
    ["sin_port sin6_port", "`.port`"],
    ["sun_path file socket", "`.path`"],
  ],
  IpAddress: [["is in equals within startswith", 'cidr("10.0.0.0/8").has(address)']],
  ArgumentList: [
    ["get item first nth", "`.at(0n)` is the first entry"],
    ["contains some_of any", '`.includes("…")`'],
    ["count size len argc", "`.length`"],
    ["get env getenv variable", '`.has("NAME")`'],
  ],
  parameter: [
    ["number int bigint", '`parameter.integer("name", { default: 1n })`'],
    ["string str", '`parameter.text("name", { default: "…" })`'],
    ["bool boolean switch", '`parameter.flag("name", { default: false })`'],
    ["file folder directory", '`parameter.path("name")`'],
  ],
  tree: [
    [
      "count size length processes children living living_processes number",
      "`tree.alive()` is the number of living processes",
    ],
  ],
  caller: [
    ["euid user", "`uid` is the effective user"],
    ["egid group", "`gid` is the effective group"],
    ["id process", "`pid` is the process, `tid` the thread"],
    [
      "comm exe name command path program cmdline ppid parent",
      "a policy does not know the program or the parent of a caller: record what the process has done in state",
    ],
  ],
  call: [
    ["uid euid user", "`call.caller.uid`"],
    ["gid egid group", "`call.caller.gid`"],
    ["pid process", "`call.caller.pid`"],
    ["tid thread", "`call.caller.tid`"],
    ["nr num no id sysno syscallnumber", "`call.number`"],
    ["syscall call sysname syscallname", "`call.name`"],
    ["arg arguments argument params parameters", "`call.args` has the arguments by name"],
    ["arch abi machine", "`call.architecture`"],
    ["ip pc rip instruction_pointer", "`call.instructionPointer`"],
    ["is equals in", '`call.name === "…"`, or calls("…", "…").has(call)'],
    ["comm exe ppid parent", "a policy does not know the program or the parent of a caller"],
    ["ret result return errno error", "a policy decides before the call is made: there is no result yet"],
    ["time timestamp now", "now() is the monotonic clock"],
  ],
  "call-set": [
    ["includes contains test match matches is", "`.has(call)`"],
    ["except minus not exclude remove delete subtract difference filter", '`.without("…")` leaves calls out'],
    ["add with union plus concat and or include", 'calls("…", "…") takes all names at once'],
  ],
  text: [
    [
      "startswith endswith includes match matches test indexof",
      'strings are compared as a whole: `===`, or a list: ["…", "…"].includes(…)',
    ],
    ["tolowercase touppercase trim", "names are written as they are: no conversion is needed"],
  ],
};

/** The type of a value, as a key of the table above. */
function typeOf(value: Value): string | undefined {
  switch (value.is) {
    case "object":
      return value.type.replace(/<.*/, "");
    case "call":
    case "call-set":
    case "string":
      return value.is;
    default:
      return undefined;
  }
}

/** The remedy for an unknown member; undefined if the word is not in the table. */
export function meantMember(value: Value, name: string): string | undefined {
  const type = typeOf(value);
  const word = name.toLowerCase();
  if (type === "call") {
    const register = /^(?:arg|a)([0-5])$/.exec(word)?.[1];
    if (register !== undefined)
      return `\`call.args\` has the arguments by name; \`call.raw.arg${register}\` is the register`;
  }
  if (type === undefined || !Object.hasOwn(meanings, type)) return undefined;
  return meanings[type]!.find(([words]) => words.split(" ").includes(word))?.[1];
}
