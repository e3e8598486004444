import { expect, it } from "vitest";
import { printProgram } from "./print.ts";
import type { IntegerExpression, Program } from "./program.ts";

const number: IntegerExpression = { kind: "input", input: "number" };
const phase: IntegerExpression = { kind: "cell", cell: 0 };
const constant = (value: bigint): IntegerExpression => ({ kind: "constant", value });
const at = (line: number, column: number) => ({ file: 0, line, column, length: 1 });

it("prints a program with the names of calls, errnos, cells and source locations", () => {
  const program: Program = {
    architecture: "x86_64",
    name: "nginx",
    files: ["policies/nginx.ts"],
    admission: {
      always: [15n, 60n, 219n, 231n].map((value) => ({ from: value, to: value })),
      judged: [
        { from: 0n, to: 14n },
        { from: 61n, to: 62n },
        { from: 400n, to: 403n },
      ],
    },
    verdicts: [
      { action: "allow", errno: 0, reason: undefined, at: undefined },
      { action: "kill-process", errno: 0, reason: 'a "serving" worker', at: at(9, 3) },
      { action: "deny", errno: 11, reason: undefined, at: at(10, 3) },
    ],
    cells: [
      {
        name: "phase",
        scope: "process",
        kind: { is: "phases", names: ["starting", "serving"] },
        initial: 0n,
        onFork: { map: [0, 0] },
        at: at(3, 7),
      },
      { name: "count", scope: "tree", kind: { is: "counter" }, initial: 0n, onFork: "fresh", at: undefined },
      { name: "count", scope: "thread", kind: { is: "counter" }, initial: 5n, onFork: "copy", at: undefined },
    ],
    tables: [
      { name: "seen", scope: "process", capacity: 16, full: 2, onFork: "copy", holdsValues: false, at: undefined },
      { name: "when", scope: "tree", capacity: 9, full: 2, onFork: "fresh", holdsValues: true, at: undefined },
    ],
    rooms: [
      {
        name: "mapping",
        scope: "memory",
        sides: ["discard", "write"],
        exclusive: 0b10,
        timeout: 1_000_000n,
        late: 2,
        at: at(4, 7),
      },
    ],

    reports: [{ text: "hello", values: [{ name: "fd", print: "signed" }], at: at(20, 5) }],
    parameters: [],
    observations: [],
    words: [],
    locals: ["integer", "boolean", "verdict"],
    readOnlyProc: true,
    hosts: [],
    objects: [
      {
        files: {
          lists: { read: [{ path: "/usr", optional: true, at: undefined }], write: [] },
          except: [{ path: "/usr/src", optional: false, at: undefined }],
          protect: [{ path: "/srv/.git/hooks", optional: false, at: undefined, isDirectory: true }],
          private: [{ path: "/tmp", optional: false, at: undefined }],
          names: true,
          streams: true,
        },
        tcp: { bind: undefined, connect: [80, 443] },
        udp: undefined,
        unix: { connect: [{ path: "/run/agent", optional: false, at: undefined }] },
        scopes: ["signal"],
        at: { file: 0, line: 9, column: 1, length: 5 },
      },
    ],
    body: [
      {
        kind: "if",
        condition: { kind: "compare", operator: "equal", left: number, right: constant(290n) },
        then: [{ kind: "store", cell: 0, value: constant(1n) }],
        otherwise: [
          {
            kind: "set-integer",
            local: 0,
            value: { kind: "extend", width: 32, signed: true, value: { kind: "input", input: "argument0" } },
          },
        ],
      },
      {
        kind: "switch",
        value: number,
        arms: [
          {
            intervals: [
              { from: 0n, to: 1n },
              { from: 59n, to: 59n },
            ],
            body: [
              { kind: "table-set", table: 0, key: { kind: "local", local: 0 }, value: constant(0n) },
              {
                kind: "table-set",
                table: 1,
                key: { kind: "input", input: "tid" },
                value: { kind: "input", input: "now" },
              },
              { kind: "return", verdict: { kind: "verdict", verdict: 1 } },
            ],
          },
        ],
        otherwise: [
          { kind: "enter", room: 0, side: 1 },
          { kind: "report", report: 0, values: [{ kind: "local", local: 0 }] },
        ],
      },
      {
        kind: "block",
        label: 4,
        body: [
          {
            kind: "set-boolean",
            local: 1,
            value: {
              kind: "all",
              of: [
                {
                  kind: "within",
                  value: { kind: "local", local: 0 },
                  intervals: [{ from: 2n ** 64n - 100n, to: 2n ** 64n - 100n }],
                },
                { kind: "not", value: { kind: "table-has", table: 0, key: phase } },
                { kind: "not", value: { kind: "within", value: number, intervals: [{ from: 41n, to: 41n }] } },
                { kind: "any", of: [] },
              ],
            },
          },
          { kind: "leave", label: 4 },
        ],
      },
      {
        kind: "store",
        cell: 1,
        value: {
          kind: "binary",
          operator: "shift-right-signed",
          left: { kind: "cell", cell: 2 },
          right: constant(1n << 40n),
        },
      },
      {
        kind: "return",
        verdict: {
          kind: "strictest",
          of: [
            { kind: "verdict-local", local: 2 },
            {
              kind: "verdict-select",
              condition: { kind: "boolean-local", local: 1 },
              then: { kind: "verdict", verdict: 2 },
              otherwise: { kind: "verdict", verdict: 0 },
            },
          ],
        },
      },
    ],
  };
  expect(printProgram(program)).toMatchInlineSnapshot(`
    "policy nginx for x86_64
    always rt_sigreturn, exit, restart_syscall, exit_group
    judged read to rt_sigprocmask, wait4, kill, 400, 401, 402, 403
    read-only proc
    layer (policies/nginx.ts:9:1)
      files.read "/usr"?
      files.write
      files.except "/usr/src"
      files.protect "/srv/.git/hooks"
      files.private "/tmp"
      files.names
      files.streams
      tcp.connect 80 443
      unix.connect "/run/agent"
      scope signal
    verdict 0 allow
    verdict 1 kill process "a \\"serving\\" worker" (policies/nginx.ts:9:3)
    verdict 2 deny EAGAIN (policies/nginx.ts:10:3)
    process phases {starting, serving} $phase starts as 0, on fork map [0, 0] (policies/nginx.ts:3:7)
    tree counter $count.1 starts as 0
    thread counter $count.2 starts as 5, on fork copy
    process set #seen of 16, when full verdict 2, on fork copy
    tree table #when of 9, when full verdict 2
    memory room &mapping {discard, write (exclusive)}, after 1000000 ns verdict 2 (policies/nginx.ts:4:7)
    report 0 "hello" (fd: signed) (policies/nginx.ts:20:5)

    if number == eventfd2
      $phase = 1
    else
      i0 = s32(argument0)
    switch number
      {read, write, execve}:
        #seen add i0
        #when[tid] = now
        return 1 kill process "a \\"serving\\" worker" (policies/nginx.ts:9:3)
      else:
        &mapping enter write
        report 0 (i0)
    block 4
      b1 = (i0 in {-100} and not #seen.has($phase) and number not in {socket} and false)
      leave 4
    $count.1 = ($count.2 >>s 0x10000000000)
    return strictest(v2, (b1 ? 2 deny EAGAIN (policies/nginx.ts:10:3) : 0 allow))
    "
  `);
});
