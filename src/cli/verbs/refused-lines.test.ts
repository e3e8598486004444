/** What each verb says about words and options that it cannot use: before it reads, writes or starts anything. */
import { describe, expect, it } from "vitest";
import { portcullis } from "../../../test/cli/harness.ts";

/** Each command line with its error. A line has no quotes: spaces divide the words. */
type Refused = readonly [line: string, message: string, help?: string];
const refused: readonly Refused[] = [
  ["check", "P0908: a policy is missing", "portcullis check POLICY"],
  ["explain exec-once x", 'P0909: superfluous words: "x"'],
  ["why exec-once", "P0908: the call is missing", "portcullis why POLICY 'listen(4, 511)'"],
  ["why exec-once read(1) x", 'P0909: superfluous words: "x"'],
  ["diff exec-once", "P0908: a policy is missing", "portcullis diff BEFORE AFTER"],
  ["simulate exec-once", "P0908: a trace is missing", "portcullis simulate POLICY TRACE"],
  ["test", "P0908: a policy, a folder or a case file is missing", "portcullis test POLICY"],
  ["propose -o x.ts", "P0908: a trace is missing", "portcullis propose TRACE"],
  ["disasm exec-once x", 'P0909: superfluous words: "x"'],
  [
    "disasm --target seccomp --all --pure exec-once",
    "P0909: --all, --pure cannot be used here: it is for the classic filter",
  ],
  ["disasm --target bpf exec-once", 'P0907: there is no target "bpf"', "--target seccomp, unprivileged"],
  ["disasm --pure x.pcl", "P0909: --pure cannot be used here: a bundle is listed as it is"],

  ["compile -p exec-once", "P0908: where to write is missing", "-o FILE.pcl, -o FILE.o or --oci-layout DIR"],
  [
    "compile -p exec-once -o x",
    "P0908: the format of x is missing",
    "FILE.pcl or FILE.o, or say --format pcl or --format object",
  ],
  ["compile -p exec-once -o x.pcl --format elf", 'P0907: there is no format "elf"', "--format pcl or --format object"],
  ["compile -p exec-once -o x.pcl --target bpf", 'P0907: there is no target "bpf"', "--target seccomp, unprivileged"],
  ["compile -p exec-once -o x.pcl --oci-layout x", "P0908: -o and --oci-layout are two outputs", "leave one out"],
  [
    "compile -p exec-once --oci-layout x --format object",
    'P0907: an artifact has no format "object"',
    "--format pcl, or none",
  ],
  ...["target seccomp", "no-denial-events", "verify", "verifier-log l"].map(
    (option): Refused => [
      `compile -p exec-once --oci-layout x --${option}`,
      `P0908: --${option.split(" ")[0]} is for a bundle, and the artifact has the policy's source`,
      "add --format pcl",
    ],
  ),

  ["export", "P0908: a format is missing", "oci, crun, systemd, spo"],
  ["export docker exec-once", 'P0907: there is no format "docker"', "oci, crun, systemd, spo"],
  ["export oci", "P0908: a policy is missing", "-p POLICY"],
  ["export oci exec-once x", 'P0909: superfluous words: "x"'],
  ["export oci --podman exec-once", "P0909: --podman has no effect on oci", "it is for crun"],
  ["export systemd --listener /x exec-once", "P0909: --listener has no effect on systemd", "it is for oci, crun, spo"],
  ["export crun --wait-killable exec-once", "P0909: --wait-killable has no effect on crun", "it is for oci, spo"],
  [
    "export oci exec-once",
    "P0606: a container runtime does not enforce readOnlyProc",
    "--set read-only-proc=false, or --best-effort leaves it out; `portcullis run` enforces it",
  ],

  ["report", "P0908: -o FILE is missing", "portcullis report -o report.html FILE…"],
  ["report -o x", "P0908: an input is missing", "portcullis report -o FILE TRACE|EVENTS|POLICY…"],
  ["report -o x a.ts -p b.ts exec-once", "P0909: a report has one policy, and there are 3: b.ts, a.ts, exec-once"],
  ["report -o x - -", "P0909: standard input is given twice"],

  ["trace", "P0908: what to do is missing", "portcullis trace stat|print|merge|cut TRACE"],
  ["trace stats x", 'P0906: trace cannot "stats"', "write portcullis trace stat"],
  ["trace count x", 'P0906: trace cannot "count"', "write portcullis trace stat"],
  ["trace constructor x", 'P0906: trace cannot "constructor"', "it can stat, print, merge, cut"],
  ["trace print -o y a", "P0909: --output is for `trace merge` and `trace cut`"],
  ["trace merge -o y --json a b", "P0909: --json is for `trace stat`"],
  ...["from 1s", "to 1s", "from-call read", "to-call read", "run 1"].map(
    (option): Refused => [`trace stat --${option} a`, `P0909: --${option.split(" ")[0]} is for \`trace cut\``],
  ),
  ["trace stat", "P0908: a trace is missing", "portcullis trace stat TRACE"],
  ["trace print a b", 'P0909: superfluous words: "b"'],
  ["trace cut a", "P0908: -o FILE is missing", "portcullis trace cut -o FILE TRACE"],
  ["trace cut -o y --from soon a", "P0907: --from soon is not a duration", "30s, 500ms, 5min, 2h; at most 24 days"],
  ["trace cut -o y --run 0 a", "P0907: --run 0 is not a number from 1 to 1000000"],
  ["trace cut -o y --to-call accept44 a", 'P0101: no system call is named "accept44"', "write accept4"],

  ["run -p exec-once", "P0908: the command is missing", "portcullis run -p POLICY -- COMMAND"],
  [
    "run --audit --no-denial-events -p exec-once true",
    "P0909: --no-denial-events cannot be used with --audit, which has them as its result",
  ],
  [
    "run --audit --ask-hosts -p exec-once true",
    "P0909: --ask-hosts cannot be used with --audit, which restricts no hosts",
  ],
  [
    "run --audit --hosts a.org -p exec-once true",
    "P0909: --hosts cannot be used with --audit, which restricts no hosts",
  ],
  [
    "run --events fd:x -p exec-once true",
    "P0907: --events fd:x does not name a file descriptor",
    "--events fd:3, with 3>events.jsonl in the shell",
  ],
  ["record -o x", "P0908: the command is missing", "portcullis record -o FILE -- COMMAND"],
  ["top a b", 'P0909: superfluous words: "b"'],
  ["top -n x", "P0907: --count x is not a number from 0 to 1000000000"],

  ["approvals x", "P0907: x is not one of list, allow, deny, watch, terminal", "portcullis help approvals"],
  ["approvals allow", "P0908: the question is missing", "portcullis approvals allow 4242.1"],
  ["approvals allow 1.2.3", "P0907: 1.2.3 is no question", "PID.NUMBER, as `portcullis approvals` prints it"],
  [
    "approvals allow 1.2 --for 1min",
    "P0908: --always beside --for is missing",
    "portcullis approvals allow QUESTION --always --for 10min",
  ],

  ["approvals list --always", "P0909: --always is for `approvals allow`"],
  ["approvals watch --always", "P0909: --always is for `approvals allow`"],
  ["approvals deny 1.2 --always --for 1min", "P0909: --always is for `approvals allow`"],
  ["approvals list --for 1min", "P0909: --for is for `approvals allow`, `approvals watch` and `approvals terminal`"],
  ["approvals deny 1.2 --json", "P0909: --json is for `approvals list` and `approvals watch`"],

  ["agent x", 'P0909: superfluous words: "x"'],
  ["agent status x", 'P0909: superfluous words: "x"'],
  ["agent --json", "P0909: --json is for `agent status`"],
  ...["policies x", "runtime-user 1", "users x", "events x", "metrics x", "metrics-from-others"].map(
    (option): Refused => [
      `agent status --${option}`,
      `P0909: --${option.split(" ")[0]} is for the agent itself, and \`agent status\` asks the one that runs`,
    ],
  ),

  ["script-shell", "P0908: the script is missing", "portcullis-script-shell -c SCRIPT"],
  ["completion", "P0908: the shell is missing", "portcullis completion bash, zsh or fish"],
  ["completion tcsh", 'P0907: there are no completions for "tcsh"', "bash, zsh or fish"],
  ["help rnu", 'P0906: portcullis has no verb "rnu"', "write portcullis help run"],
  ["tsconfig x", 'P0909: superfluous words: "x"'],
  ["doctor x", 'P0909: superfluous words: "x"'],
];

describe("a refused command line", () => {
  it.each(refused.map(([line, message, help]) => ({ line, message, help })))(
    "$line",
    async ({ line, message, help }) => {
      const { status, out, err } = await portcullis(...line.split(" "));
      expect({ status, out }).toEqual({ status: 125, out: "" });
      const [first, ...others] = err.trimEnd().split("\n");
      expect(first).toBe(`error ${message}`);
      expect(others).toEqual(help === undefined ? [] : [`  help: ${help}`]);
    },
  );
});
