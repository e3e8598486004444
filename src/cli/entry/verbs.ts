/** The verbs, in the order in which help shows them. Each is loaded on demand, to keep start-up fast. */
import type { VerbTable } from "../verb.ts";

export const verbs = {
  run: {
    summary: "Run a command under a policy",
    load: async () => (await import("../verbs/run.ts")).run,
  },
  "script-shell": {
    summary: "Run a script of a package under package-script",
    load: async () => (await import("../verbs/script-shell.ts")).scriptShell,
  },
  record: {
    summary: "Record the calls of a command in a trace",
    load: async () => (await import("../verbs/record.ts")).record,
  },
  propose: {
    summary: "Propose a policy from traces, with roles and phases",
    load: async () => (await import("../verbs/propose.ts")).propose,
  },
  amend: {
    summary: "Change a policy so that it allows refused calls",
    load: async () => (await import("../verbs/amend.ts")).amend,
  },
  check: {
    summary: "Report the errors and warnings of a policy",
    load: async () => (await import("../verbs/check.ts")).check,
  },
  explain: {
    summary: "Show the verdict on each call, and where it is decided",
    load: async () => (await import("../verbs/explain.ts")).explain,
  },
  diff: {
    summary: "Compare the verdicts of two policies",
    load: async () => (await import("../verbs/diff.ts")).diff,
  },
  why: {
    summary: "Say whether a call would pass, and by which line",
    load: async () => (await import("../verbs/why.ts")).why,
  },
  simulate: {
    summary: "Evaluate a policy on a recorded trace",
    load: async () => (await import("../verbs/simulate.ts")).simulate,
  },
  trace: {
    summary: "Count, print, merge and cut traces",
    load: async () => (await import("../verbs/trace.ts")).trace,
  },
  test: {
    summary: "Run a policy's cases",
    load: async () => (await import("../verbs/test.ts")).test,
  },
  report: {
    summary: "Show traces, events and policies in one HTML page",
    load: async () => (await import("../verbs/report.ts")).report,
  },
  top: {
    summary: "Show a running tree, live",
    load: async () => (await import("../verbs/top.ts")).top,
  },
  approvals: {
    summary: "Show and answer the questions of running trees",
    load: async () => (await import("../verbs/approvals.ts")).approvals,
  },
  agent: {
    summary: "Supervise containers and commands under policies, as a service",
    load: async () => (await import("../verbs/agent.ts")).agent,
  },
  compile: {
    summary: "Write a policy as a bundle, as an object file for libbpf, or as an OCI artifact",
    load: async () => (await import("../verbs/compile.ts")).compile,
  },
  export: {
    summary: "Write a policy for container runtimes, systemd or Kubernetes",
    load: async () => (await import("../verbs/export.ts")).exportPolicy,
  },
  disasm: {
    summary: "Disassemble a policy's filter, with the policy's lines",
    load: async () => (await import("../verbs/disasm.ts")).disasm,
  },
  flow: {
    summary: "Derive a call-flow graph from traces",
    load: async () => (await import("../verbs/flow.ts")).flow,
  },
  doctor: {
    summary: "Try each engine on this machine and report missing requirements",
    load: async () => (await import("../verbs/doctor.ts")).doctor,
  },
  tsconfig: {
    summary: "Print a tsconfig.json for a folder of policies",
    load: async () => (await import("../verbs/tsconfig.ts")).tsconfig,
  },
  completion: {
    summary: "Print the completions for a shell",
    load: async () => (await import("../verbs/completion.ts")).completion(table()),
  },
  help: {
    summary: "Show the manual page of a verb",
    load: async () => (await import("../verbs/help.ts")).help(table()),
  },
} as const satisfies VerbTable;

/** For verbs that describe all verbs. */
function table(): VerbTable {
  return verbs;
}

export type VerbName = keyof typeof verbs;

export function isVerb(word: string): word is VerbName {
  return Object.hasOwn(verbs, word);
}
