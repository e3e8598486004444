/** `portcullis flow`: from a trace (src/traces) to a module with a call-flow graph. */
import { basename } from "node:path";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { safeText } from "../../diagnostics/width.ts";
import type { Context } from "../context.ts";
import { writeOutput } from "../output.ts";
import { architectureOption, chosenArchitecture, missing } from "../policy/arguments.ts";
import { printDiagnostics } from "../policy/load.ts";
import { readEvents, shownName, sourcesOf } from "../trace-events.ts";
import { Failure, failed, type Invocation, type Verb } from "../verb.ts";

export const flow: Verb = {
  name: "flow",
  synopsis: ["flow [OPTIONS] TRACE…"],
  about: [
    "Reads recordings (as `portcullis simulate` does) and prints a module with a graph: for each call of a thread, the calls that may follow it. A policy imports it and permits no other order:",
    '    import { trueFlow } from "./true.flow.ts";\n    const flow = perThread.flow(trueFlow);\n    export default policy((call) => (flow.follow(call) ? allow : kill("process")));',
    "A new process continues at its parent's position, and a new thread at the beginning, like the state of a policy. The graph permits only recorded orders, so record everything that the program may do; several traces give one graph. A signal handler can run at any position: add the calls of handlers to `anytime` by hand.",
    "restart_syscall, rt_sigreturn, exit and exit_group are always allowed and not part of graphs.",
  ],
  options: {
    output: { short: "o", value: "FILE", about: "Write there instead of to standard output.", complete: "file" },
    name: {
      value: "NAME",
      about: "The name of the constant. The default comes from the file: trueFlow for true.flow.ts.",
    },
    ...architectureOption,
  },
  complete: "file",
  exit: [
    ["0", "The graph was written."],
    [String(failed), "A trace cannot be read, or has a call that no graph can name."],
  ],
  examples: [
    ["strace -f -n -ttt -e raw=all -o true.strace -- /bin/true", "Record"],
    ["portcullis flow -o true.flow.ts true.strace", "Derive the graph"],
  ],
  async execute(invocation, context) {
    const files = invocation.words;
    if (files.length === 0) throw missing("a trace", "portcullis flow TRACE");
    const architecture = chosenArchitecture(invocation);
    const name = constantName(invocation, files[0]!);
    const [{ Faults }, { FlowGraphBuilder }] = await Promise.all([
      import("../../traces/faults.ts"),
      import("../../traces/flow.ts"),
    ]);
    const graph = new FlowGraphBuilder();
    for (const file of files) {
      const faults = new Faults(shownName({ file }));
      let take = graph.recording(architecture, faults);
      const diagnostics = readEvents({ file, isStrace: false }, architecture, {
        event: (event) => take(event),
        end: () => {
          take = graph.recording(architecture, faults);
        },
      });
      const found = [...diagnostics, ...faults.list()];
      const sources = sourcesOf(file, found);
      if (faults.failed) throw new Failure(found, sources);
      await printDiagnostics(found, sources, context);
    }
    const of = files.map((file) => (file === "-" ? "standard input" : basename(file))).join(", ");
    const origin = `Derived by \`portcullis flow\` from ${graph.calls} calls: ${of}, ${architecture}.`;
    const about = safeText(origin).replaceAll("*/", "* /");
    write(graph.print(name, about), invocation, context);
    return 0;
  },
};

function write(text: string, invocation: Invocation, context: Context): void {
  const output = invocation.text("output");
  if (output === undefined) context.out(text);
  else writeOutput(output, text, { option: "-o" });
}

function constantName(invocation: Invocation, trace: string): string {
  const given = invocation.text("name");
  if (given !== undefined) {
    if (/^[A-Za-z_$][\w$]*$/.test(given)) return given;
    throw new Failure([diagnostic("P0907", `--name ${given} is not the name of a constant`)]);
  }
  const stem = basename(invocation.text("output") ?? trace).replace(/\..*$/, "");
  const words = stem.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  const camel = words.map((word, index) => (index === 0 ? word : word[0]!.toUpperCase() + word.slice(1))).join("");
  return /^[A-Za-z]/.test(camel) ? `${camel}Flow` : "flow";
}
