/**
 * Policies for the live tests, as IR programs: each tests one feature of the engine. They judge calls that no C library
 * makes by itself, like getppid.
 */

import { addressKinds, type Reading } from "../../src/ir/observation.ts";
import type { Cell, IntegerExpression, OnFork, Program, Room, Scope, Statement } from "../../src/ir/program.ts";
import { emptyLists } from "../../src/ir/testing/parts.ts";
import type { Verdict } from "../../src/ir/verdicts.ts";

/** Numbers on x86-64 (asm/unistd_64.h). */
export const number = {
  getppid: 110,
  sync: 162,
  landlockCreateRuleset: 444,
  getpgrp: 111,
  getuid: 102,
  getgid: 104,
  clone: 56,
  fork: 57,
  vfork: 58,
  execve: 59,
  openat: 257,
  execveat: 322,
  exit: 60,
  exitGroup: 231,
  sigreturn: 15,
  restart: 219,
  clone3: 435,
} as const;

const highest = 461n;
const always = [number.sigreturn, number.exit, number.restart, number.exitGroup].map(BigInt);
const ioUring = { from: 425n, to: 427n };

const verdict = (action: Verdict["action"], errno = 0, line = 1): Verdict => ({
  action,
  errno,
  reason: `for the test, line ${line}`,
  at: { file: 0, line, column: 1, length: 1 },
});

/** Errnos that the judged calls never return. */
const errno = { EDOM: 33, ERANGE: 34, ENOSYS: 38, EPERM: 1, EAGAIN: 11, EXFULL: 54 } as const;

export const verdicts = {
  allow: 0,
  log: 1,
  deny: 2,
  denyOther: 3,
  kill: 4,
  killThread: 5,
  again: 6,
  trap: 7,
  missing: 8,
} as const;

const verdictList: readonly Verdict[] = [
  { action: "allow", errno: 0, reason: undefined, at: undefined },
  verdict("log", 0, 2),
  verdict("deny", errno.EDOM, 3),
  verdict("deny", errno.ERANGE, 4),
  verdict("kill-process", 0, 5),
  verdict("kill-thread", 0, 6),
  verdict("deny", errno.EAGAIN, 7),
  verdict("trap", 0, 8),
  verdict("deny", errno.ENOSYS, 9),
];

export function programOf(name: string, parts: Partial<Program>): Program {
  return {
    architecture: "x86_64",
    name,
    files: [`${name}.ts`],
    admission: { always: always.map((at) => ({ from: at, to: at })), judged: judgedNumbers() },
    verdicts: verdictList,
    ...emptyLists,
    body: [give(verdicts.allow)],
    ...parts,
  };
}

function judgedNumbers() {
  const intervals: { from: bigint; to: bigint }[] = [];
  let from = 0n;
  for (const hole of [...always.map((at) => ({ from: at, to: at })), { from: 335n, to: 423n }, ioUring]) {
    if (from < hole.from) intervals.push({ from, to: hole.from - 1n });
    from = hole.to + 1n;
  }
  intervals.push({ from, to: highest });
  return intervals;
}

export const give = (index: number): Statement => ({ kind: "return", verdict: { kind: "verdict", verdict: index } });
export const constant = (value: number | bigint): IntegerExpression => ({ kind: "constant", value: BigInt(value) });
export const cellOf = (cell: number): IntegerExpression => ({ kind: "cell", cell });
export const input = (name: "alive" | "uid" | "pid" | "tid" | "now" | "argument0"): IntegerExpression => ({
  kind: "input",
  input: name,
});
const plus = (left: IntegerExpression, right: IntegerExpression): IntegerExpression => ({
  kind: "binary",
  operator: "add",
  left,
  right,
});

export function cell(name: string, scope: Scope, onFork: OnFork = "copy"): Cell {
  return {
    name,
    scope,
    kind: { is: "counter" },
    initial: 0n,
    onFork: scope === "tree" ? "fresh" : onFork,
    at: undefined,
  };
}

export const onCall = (which: number, body: readonly Statement[]): Statement => ({
  kind: "if",
  condition: {
    kind: "within",
    value: { kind: "input", input: "number" },
    intervals: [{ from: BigInt(which), to: BigInt(which) }],
  },
  then: body,
  otherwise: [],
});

const add = (index: number, amount: IntegerExpression = constant(1)): Statement => ({
  kind: "store",
  cell: index,
  value: plus(cellOf(index), amount),
});

export const when = (
  left: IntegerExpression,
  operator: "equal" | "not-equal" | "less-unsigned" | "less-or-equal-unsigned",
  right: IntegerExpression,
  then: readonly Statement[],
  otherwise: readonly Statement[] = [],
): Statement => ({ kind: "if", condition: { kind: "compare", operator, left, right }, then, otherwise });

/**
 * A value that a program can read: getpgrp is denied with errno 100 plus the cell, with one verdict for each value.
 */
const readable = 32;
const readers = Array.from({ length: readable }, (_, value) => verdict("deny", 100 + value, 100 + value));
/** The verdict for a tally of 0. */
export const firstReader = verdictList.length;

function readCell(index: number): readonly Statement[] {
  const arms = readers.map((_, value) => ({
    intervals: [{ from: BigInt(value), to: BigInt(value) }],
    body: [give(firstReader + value)],
  }));
  return [{ kind: "switch", value: cellOf(index), arms, otherwise: [give(verdicts.denyOther)] }];
}

/** getppid increments the cell, getpgrp returns it (errno 100 + value). */
function tally(name: string, scope: Scope, onFork: OnFork = "copy"): Program {
  return programOf(name, {
    verdicts: [...verdictList, ...readers],
    cells: [cell("tally", scope, onFork)],
    body: [
      onCall(number.getppid, [add(0), give(verdicts.allow)]),
      onCall(number.getpgrp, readCell(0)),
      give(verdicts.allow),
    ],
  });
}

/** A tally of the tree's clone3, whose structure is read. Children copy state, so they are followed. */
function countedClone3(): Program {
  const at = { file: 0, line: 1, column: 1, length: 1 };
  const shape = { is: "structure", name: "clone_args", minimum: 64, size: 88 } as const;
  const source = { number: number.clone3, register: 0, length: 1 };
  return programOf("counted-clone3", {
    verdicts: [...verdictList, ...readers],
    cells: [cell("tally", "tree"), cell("own", "process")],
    observations: [{ name: "uargs", shape, sources: [source], at }],
    words: [{ observation: 0, reads: { is: "field", offset: 0, bytes: 8 } }],
    body: [
      onCall(number.clone3, [
        when({ kind: "observed", word: 0 }, "equal", constant(0), [add(0), give(verdicts.allow)]),
        give(verdicts.deny),
      ]),
      onCall(number.getpgrp, readCell(0)),
      give(verdicts.allow),
    ],
  });
}

/** The tally of a process, in which clone3 is permitted, because its structure is read. */
function tallyWithClone3(): Program {
  const { observations, words } = countedClone3();
  return {
    ...tally("process-clone3", "process"),
    observations,
    words,
    body: [
      onCall(number.clone3, [
        when({ kind: "observed", word: 0 }, "equal", constant(0), [give(verdicts.allow)]),
        give(verdicts.deny),
      ]),
      onCall(number.getppid, [add(0), give(verdicts.allow)]),
      onCall(number.getpgrp, readCell(0)),
      give(verdicts.allow),
    ],
  };
}

function most(limit: number): Program {
  const birth = when(input("alive"), "less-unsigned", constant(limit), [give(verdicts.allow)], [give(verdicts.again)]);
  return programOf("alive", {
    body: [
      onCall(number.fork, [birth]),
      onCall(number.vfork, [birth]),
      onCall(number.clone, [
        when(
          { kind: "binary", operator: "and", left: input("argument0"), right: constant(0x10000) },
          "equal",
          constant(0x10000),
          [give(verdicts.allow)],
        ),
        birth,
      ]),
      onCall(number.clone3, [give(verdicts.missing)]),
      give(verdicts.allow),
    ],
  });
}

/** Calls of test/live/victims/rooms.c, by room and side. */
const roomCalls: readonly (readonly [room: number, side: number, call: number])[] = [
  [0, 0, 311], // process_vm_writev
  [0, 1, 310], // process_vm_readv
  [1, 0, 230], // clock_nanosleep
  [1, 0, 73], // flock
  [1, 1, number.getppid],
  [1, 2, number.getpgrp],
];

const roomStatements = roomCalls.map(([room, side, call]) => onCall(call, [{ kind: "enter", room, side }]));

/** For waits that a test lets pass, in ms: a supervisor on a busy machine sees the end of a call within this time. */
const brief = 2000;

/** `patience` of the gate: in ms. */
function rooms(patience: number, late: number = verdicts.deny, scope: Room["scope"] = "tree"): Program {
  const at = { file: 0, line: 1, column: 1, length: 1 };
  const memory: Room = {
    name: "memory",
    scope: "memory",
    sides: ["write", "read"],
    exclusive: 1,
    timeout: 60_000_000_000n,
    late: verdicts.denyOther,
    at,
  };
  const gate: Room = {
    name: "gate",
    scope,
    sides: ["sleep", "ask", "alone"],
    exclusive: 4,
    timeout: BigInt(patience) * 1_000_000n,
    late,
    at,
  };
  return programOf("rooms", {
    rooms: [memory, gate],
    body: [...roomStatements, give(verdicts.allow)],
  });
}

const statically = (which: number, index: number): Program =>
  programOf("static", { body: [onCall(which, [give(index)]), give(verdicts.allow)] });

/** These rooms, and an open(2) whose path word 0 reads. */
function roomsAndOpen(reads: Reading, onOpen: Parameters<typeof onCall>[1]): Program {
  const gated = rooms(60_000);
  const at = { file: 0, line: 1, column: 1, length: 1 };
  const source = { number: 2, register: 0, length: undefined };
  return {
    ...gated,
    observations: [{ name: "path", shape: { is: "path" }, sources: [source], at }],
    words: [{ observation: 0, reads }],
    body: [onCall(2, onOpen), ...gated.body],
  };
}

/** open(2) enters no room, and opens no object under /proc. */
const roomsBesideObjects = (): Program =>
  roomsAndOpen({ is: "resolved", objects: [{ is: "under", path: "/proc" }] }, [
    when({ kind: "observed", word: 0 }, "not-equal", constant(0), [give(verdicts.deny)]),
  ]);

/** open(2) enters the gate as well. */
const roomsAbout = (reads: Reading): Program =>
  roomsAndOpen(reads, [
    { kind: "enter", room: 1, side: 1 },
    when({ kind: "observed", word: 0 }, "equal", constant(1), [give(verdicts.deny)]),
  ]);

/** openat of "forbidden" is denied. */
function paths(cells: readonly Cell[] = []): Program {
  const source = { number: number.openat, register: 1, length: undefined };
  const at = { file: 0, line: 1, column: 1, length: 1 };
  const patterns = [{ kind: "is", text: "forbidden" }] as const;
  return programOf("paths", {
    cells,
    observations: [{ name: "path", shape: { is: "path" }, sources: [source], at }],
    words: [{ observation: 0, reads: { is: "matches", part: { is: "whole" }, patterns } }],
    body: [
      onCall(number.openat, [when({ kind: "observed", word: 0 }, "not-equal", constant(0), [give(verdicts.deny)])]),
      give(verdicts.allow),
    ],
  });
}

/** By the name that the harness takes. */
export const programs: Readonly<Record<string, () => Program>> = {
  rooms: () => rooms(60_000),
  "rooms-followed": () => ({ ...most(24), rooms: rooms(60_000).rooms, body: [...roomStatements, ...most(24).body] }),
  "rooms-late": () => rooms(brief),
  /** prctl enters the gate as well. */
  "rooms-hiding": () => {
    const gated = rooms(60_000);
    return { ...gated, body: [onCall(157, [{ kind: "enter", room: 1, side: 0 }]), ...gated.body] };
  },
  "rooms-kill": () => rooms(brief, verdicts.kill),
  "rooms-of-memory": () => rooms(brief, verdicts.deny, "memory"),
  "rooms-of-process": () => rooms(brief, verdicts.deny, "process"),
  "rooms-of-patient-process": () => rooms(60_000, verdicts.deny, "process"),
  "rooms-pinned": () => roomsAbout({ is: "length" }),
  "rooms-beside-objects": roomsBesideObjects,
  "rooms-served": () => roomsAbout({ is: "resolved", objects: [{ is: "under", path: "/proc" }] }),
  /**
   * In the folder OBJECTS no file under forbidden/, nor `secret`, can be opened; among sockets with a path only agent.sock
   * can be connected to.
   */
  objects: () => {
    const folder = process.env["OBJECTS"] ?? "/nowhere";
    const at = { file: 0, line: 1, column: 1, length: 1 };
    const opens = [2, 85, 257, 437].map((which) => ({
      number: which,
      register: which > 100 ? 1 : 0,
      length: undefined,
    }));
    return programOf("objects", {
      observations: [
        { name: "path", shape: { is: "path" }, sources: opens, at },
        { name: "addr", shape: { is: "address" }, sources: [{ number: 42, register: 1, length: 2 }], at },
      ],
      words: [
        {
          observation: 0,
          reads: {
            is: "resolved",
            objects: [
              { is: "under", path: `${folder}/forbidden` },
              { is: "is", path: `${folder}/secret` },
            ],
          },
        },
        { observation: 1, reads: { is: "address", part: "kind" } },
        { observation: 1, reads: { is: "resolved", objects: [{ is: "is", path: `${folder}/agent.sock` }] } },
      ],
      body: [
        ...opens.map(({ number: which }) =>
          onCall(which, [when({ kind: "observed", word: 0 }, "not-equal", constant(0), [give(verdicts.deny)])]),
        ),
        onCall(42, [
          when({ kind: "observed", word: 1 }, "equal", constant(addressKinds.indexOf("unix")), [
            when({ kind: "observed", word: 2 }, "equal", constant(0), [give(verdicts.deny)]),
          ]),
        ]),
        give(verdicts.allow),
      ],
    });
  },
  "allow-all": () => programOf("allow-all", {}),
  paths: () => paths(),
  "paths-followed": () => paths([cell("of a process", "process")]),
  /** The same, and getppid is denied if the path of this call, which has none, matches. */
  "paths-elsewhere": () => {
    const program = paths();
    const matches = when({ kind: "observed", word: 0 }, "not-equal", constant(0), [give(verdicts.deny)]);
    return { ...program, body: [onCall(number.getppid, [matches]), ...program.body] };
  },
  /** The first 1,000 getppid of the tree pass. */
  "first-thousand": () =>
    programOf("first-thousand", {
      cells: [cell("count", "tree")],
      body: [
        onCall(number.getppid, [
          when(cellOf(0), "less-unsigned", constant(1000), [add(0), give(verdicts.allow)], [give(verdicts.deny)]),
        ]),
        give(verdicts.allow),
      ],
    }),
  /** Counts without a limit, for the benchmarks. */
  counting: () =>
    programOf("counting", {
      cells: [cell("count", "tree")],
      body: [
        onCall(number.getppid, [
          when(cellOf(0), "less-unsigned", constant(1n << 62n), [add(0), give(verdicts.allow)], [give(verdicts.deny)]),
        ]),
        give(verdicts.allow),
      ],
    }),
  "process-copied": () => tally("process-copied", "process"),
  "process-fresh": () => tally("process-fresh", "process", "fresh"),
  "thread-copied": () => tally("thread-copied", "thread"),
  "thread-fresh": () => tally("thread-fresh", "thread", "fresh"),
  tree: () => tally("tree", "tree"),
  "most-20": () => most(20),
  "counted-clone3": countedClone3,
  "process-clone3": tallyWithClone3,
  "exec-once": () =>
    programOf("exec-once", {
      body: [
        onCall(number.execve, [give(verdicts.deny)]),
        onCall(number.execveat, [give(verdicts.deny)]),
        give(verdicts.allow),
      ],
    }),
  "static-deny": () => statically(number.getppid, verdicts.deny),
  "static-log": () => statically(number.getppid, verdicts.log),
  "static-kill": () => statically(number.getppid, verdicts.kill),
  "static-kill-thread": () => statically(number.getppid, verdicts.killThread),
  "static-trap": () => statically(number.getppid, verdicts.trap),
  /** Like a kernel without Landlock. */
  "without-landlock": () => statically(number.landlockCreateRuleset, verdicts.missing),
  "kill-sync": () => statically(number.sync, verdicts.kill),
  /** The third getppid of the tree is the last. */
  "stateful-kill": () =>
    programOf("stateful-kill", {
      cells: [cell("count", "tree")],
      body: [
        onCall(number.getppid, [
          when(cellOf(0), "less-unsigned", constant(2), [add(0), give(verdicts.allow)], [give(verdicts.killThread)]),
        ]),
        give(verdicts.allow),
      ],
    }),
  /** getppid passes for a caller whose effective user is 65534. */
  credentials: () =>
    programOf("credentials", {
      body: [
        onCall(number.getppid, [
          when(input("uid"), "equal", constant(65534), [give(verdicts.allow)], [give(verdicts.deny)]),
        ]),
        give(verdicts.allow),
      ],
    }),
  /** getppid passes where the caller is its process's leader. */
  leaders: () =>
    programOf("leaders", {
      body: [
        onCall(number.getppid, [
          when(input("pid"), "equal", input("tid"), [give(verdicts.allow)], [give(verdicts.deny)]),
        ]),
        give(verdicts.allow),
      ],
    }),
  reports: () =>
    programOf("reports", {
      reports: [{ text: "called", values: [{ name: "first", print: "unsigned" }], at: undefined }],
      body: [
        onCall(number.getppid, [{ kind: "report", report: 0, values: [input("argument0")] }, give(verdicts.allow)]),
        give(verdicts.allow),
      ],
    }),
};
