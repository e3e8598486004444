import {
  allow,
  deny,
  duration,
  type Flow,
  type FlowGraph,
  now,
  oci,
  type Policy,
  parameter,
  perProcess,
  perThread,
  perTree,
  policy,
  report,
  tree,
} from "portcullis";
import profile from "./profile.json" with { type: "json" };

const phase = perProcess.phases(["starting", "serving", "ending"], {
  onFork: { serving: "ending" },
  tightening: true,
});
const opened = perProcess.counter(0n, { onFork: "fresh" });
const refused = perTree.counter();
const once = perThread.flag();
const last = perThread.value(0n, { onFork: "copy" });
const known = perTree.table({ capacity: 1024n, full: deny("ENOMEM") });
const seen = perProcess.set({ capacity: 16n, full: deny("ENOMEM"), onFork: "copy" });
const rate = perProcess.rate({ limit: 20n, per: "1s", burst: 5n });
const graph = { start: ["brk"], brk: ["mmap"], anytime: ["read"] } as const satisfies FlowGraph;
const flow: Flow = perThread.flow(graph);

const most = parameter.integer("most", { default: 16n, from: 1n, to: 100n });
const strict = parameter.flag("strict", { default: false });
const mode = parameter.text("mode", { default: "usual" });
const root = parameter.path("root", { default: "/srv" });

// @ts-expect-error an undeclared phase
phase.is("started");
// @ts-expect-error the first phase cannot be entered
phase.enter("starting");
// @ts-expect-error two phases at least
perProcess.phases(["only"]);
// @ts-expect-error the tree's state has no onFork
perTree.counter(0n, { onFork: "copy" });
// @ts-expect-error a table needs a verdict for when it is full
perTree.table({ capacity: 16n });
// @ts-expect-error a capacity is an integer of the language
perTree.set({ capacity: 16, full: deny("ENOMEM") });
// @ts-expect-error no unit
duration("30");
// @ts-expect-error no such unit
perProcess.rate({ limit: 1n, per: "1d" });
// @ts-expect-error an unknown call
perThread.flow({ start: ["brkk"] });
// @ts-expect-error counters count integers
opened.add(1);
// @ts-expect-error a default is a path from the root
parameter.path("where", { default: "srv" });
// @ts-expect-error a value of a report is an integer or a boolean
report("said", { text: "no" });

function base(limit: bigint): Policy {
  const births = perTree.counter();
  return policy(() => (births.add() <= limit ? allow : deny("EAGAIN")));
}

export default policy({ extends: [base(most), oci(profile, { capabilities: ["CAP_CHOWN"] })] }, (call) => {
  if (call.name === "listen") phase.enter("serving");
  if (call.name === "openat" && opened.add(2n) > 10n) return deny("EMFILE");
  if (once.get() && last.get() === call.caller.pid) once.set(false);
  last.set(call.raw.arg0);
  if (!known.has(call.number)) known.set(call.number, known.get(0n, 1n) + 1n);
  seen.add(call.caller.tid);
  seen.delete(1n);
  if (!rate.take() || tree.alive() > most || now() > duration("10min")) return deny("EAGAIN");
  if (refused.add() === 1n) report("first", { pid: call.caller.pid, strict });
  if (mode === "strict" && root === "/srv" && phase.get() === "serving") return deny("EPERM");
  return flow.follow(call) ? allow : deny("EACCES");
});
