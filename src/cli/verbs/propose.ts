/** `portcullis propose`: from traces (src/traces) to a policy (src/propose), checked, and replayed over its own traces. */
import { basename } from "node:path";
import type { ArchitectureName } from "../../abi/architecture.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { shellWord } from "../../diagnostics/shell-word.ts";
import { jsonText, safeText } from "../../diagnostics/width.ts";
import { type Detail, details } from "../../propose/aspects.ts";
import type { StaticBound } from "../../propose/elf/static-bound.ts";
import type { HistoryBuilder } from "../../propose/history.ts";
import type { ObjectUses } from "../../propose/objects/uses.ts";
import { type PhaseMode, phaseModes } from "../../propose/permissions.ts";
import type { Declarations } from "../../propose/proposal.ts";
import { type SituationName, situationNames, usualSituations } from "../../propose/situations.ts";
import { Faults } from "../../traces/faults.ts";
import { oneOf } from "../choices.ts";
import type { Context } from "../context.ts";
import { checkOutput, type OutputRules, writeOutputs } from "../output.ts";
import { architectureOption, chosenArchitecture, missing } from "../policy/arguments.ts";
import { printDiagnostics } from "../policy/load.ts";
import { type ReadingProgress, readingProgress } from "../progress.ts";
import { readEvents, shownName, sourcesOf, type TraceFileName, type TraceSink } from "../trace-events.ts";
import { Failure, failed, type Invocation, type Verb } from "../verb.ts";

export const propose: Verb = {
  name: "propose",
  synopsis: ["propose [OPTIONS] TRACE…", "propose --scripts [-o FILE]"],
  about: [
    "Reads recordings of a program (portcullis record, JSON lines, or strace's output) and writes a policy that allows the recorded calls, and those that a program makes in their place, and refuses all others. The rules are grouped by role and phase, and the head of the policy says what a process can still do after its start. docs/propose.md describes the method.",
    "propose groups processes into roles by their origin. For each role it searches for an event after which many calls are never made again, and which comes early in the life of its processes; this event becomes the trigger of a phase. It prints the roles, their triggers, and what an administrator must know; --verbose adds the figures, the triggers' runners-up, and the situations that no recording shows.",
    "propose checks the policy and replays the traces under it: the policy refuses none of their calls. It allows little else, so record everything that the program may do, several times. With two recordings or more it also proposes from all but one, for each of them, and prints which calls of that one would be refused: these are to be expected in production.",
    "With -o, propose also writes a case file for each of the first nine recordings beside the policy (web.cases, web.2.cases, … for web.ts). It replaces only files that it has written.",
    "With --scripts, propose reads no trace. It adds to portcullis-scripts.json the exceptions that scripts of packages lacked which failed under portcullis-script-shell (docs/package-scripts.md), and prints what each was refused. Without -o it prints the file that it would write.",
    "On a terminal, a line shows how much of a long trace is read, and then replayed (not with --quiet and --json).",
  ],
  options: {
    output: {
      short: "o",
      value: "FILE",
      about: "Write the policy there, and its cases beside it, instead of the policy to standard output (-).",
      complete: "file",
    },
    strace: {
      value: "FILE",
      multiple: true,
      about: "A trace that strace printed. (Other traces are recognised.)",
      complete: "file",
    },
    detail: {
      value: "LEVEL",
      about:
        "Make rules on names only (calls), on arguments (the default), or also on paths and socket addresses (paths).",
      complete: details,
    },
    files: {
      about:
        "Also declare the recorded files, TCP ports and Unix sockets, which Landlock then enforces on the objects themselves: directories where the recordings have many files. Propose on the machine of the recording.",
    },
    phases: {
      value: "MODE",
      about:
        "none: no roles and phases. usual, the default: a later phase drops calls, except those that programs make often. strict: it drops these as well. exact: in addition, an earlier phase lacks the calls that only the later one made.",
      complete: phaseModes,
    },
    with: {
      value: "SET",
      multiple: true,
      about: `Also allow the usual calls of a situation, in the roles that began it: ${situationNames.join(", ")}. In every proposal: ${usualSituations.join(", ")}.`,
      complete: situationNames,
    },
    elf: {
      value: "PROGRAM",
      multiple: true,
      about:
        "Also disassemble the program and its libraries (x86-64, arm64), and compare the calls that they can make with the recorded ones. Repeat it for modules that the program loads by itself. Needs the package @alexaltea/capstone-js.",
      complete: "file",
    },
    validate: {
      value: "FILE",
      multiple: true,
      about:
        "List the calls of this trace that the policy would refuse. The policy is not derived from it. leave-one-out: also for long traces, propose from all recordings but one.",
      complete: "file",
    },
    "no-validate": { about: "Do not leave recordings out in turn." },
    scripts: {
      about:
        "Propose exceptions for the scripts of packages. They are those of the project in the working directory, of PORTCULLIS_SCRIPTS, or of the file that -o names.",
    },
    verbose: { short: "v", about: "Print all figures, the triggers' runners-up and the situations." },
    json: {
      about:
        "Print one JSON object with the roles, triggers and figures to standard output instead of the policy, which -o writes.",
    },
    quiet: { short: "q", about: "Print only errors and warnings." },
    ...architectureOption,
  },
  complete: "file",
  exit: [
    ["0", "The policy was written."],
    [
      "1",
      "The policy was written, and would refuse a call of a trace to validate. With --scripts: no script lacked an exception.",
    ],
    [String(failed), "A trace cannot be read, or the policy cannot be written."],
  ],
  examples: [
    ["portcullis record -o nginx.trace -- nginx -g 'daemon off;'", "Record: use the program, then end it"],
    ["portcullis propose -o web.ts nginx.trace", "Propose"],
    ["portcullis propose -o web.ts --validate tuesday.trace monday.trace", "Validate with another recording"],
    ["portcullis propose --files -o web.ts nginx.trace", "Also declare files and ports, for Landlock"],
    ["portcullis propose --scripts -o portcullis-scripts.json", "Exceptions for the package script that has failed"],
    ["portcullis propose --detail paths --with reload -o app.ts app-*.trace", "Also rules on paths and addresses"],
  ],
  async execute(invocation, context) {
    if (invocation.has("scripts")) return proposeForScripts(invocation, context);
    const request = requestOf(invocation);
    const { architecture, traces, quiet } = request;
    const [
      { HistoryBuilder },
      { propose },
      statements,
      { CaseFiles },
      { abilitiesOf },
      { withAbout },
      { programFiles },
      { describeTracing },
    ] = await Promise.all([
      import("../../propose/history.ts"),
      import("../../propose/proposal.ts"),
      import("../../propose/statement.ts"),
      import("../../propose/cases-text.ts"),
      import("../../propose/abilities.ts"),
      import("../../propose/layout.ts"),
      import("../../propose/objects/program-files.ts"),
      import("../../propose/tracing.ts"),
    ]);
    // Before the work, which can take minutes.
    if (request.output !== undefined) checkOutput(request.output, ownOutputs);
    const progress = quiet || request.json ? undefined : readingProgress(context);
    const history = new HistoryBuilder(architecture, request.detail);
    const objects = request.files ? await objectsOf(architecture) : undefined;
    const { warnings, attached } = readAll(request, history, objects?.uses, progress);
    await printDiagnostics(warnings, new Map(), context);
    if (attached.size > 0) {
      requireNoStart(invocation);
      const others = traces.map(shownName).filter((name) => !attached.has(name));
      await printDiagnostics([startIsMissing([...attached], others)], new Map(), context);
    }
    const phases = attached.size > 0 ? "none" : request.phases;
    const origin = originOf(history, request, attached);
    const declarations = objects?.declarations();
    const options = { phases, with: request.with, origin, files: programFiles };
    const proposal = propose(history, { ...options, declarations });
    const [{ checkProposal, isShortEnough, LeaveOneOut, refusedBy }, { judgedCalls }] = await Promise.all([
      import("../policy/proposal-check.ts"),
      import("../../propose/judged-calls.ts"),
    ]);
    const program = await checkProposal(proposal.policy, request.output ?? "proposal.ts", architecture, context);
    const abilities = abilitiesOf(program, proposal);
    const policyText = withAbout(proposal.policy, statements.aboutOf(proposal, abilities));
    const cases = new CaseFiles(architecture, proposal.counted);
    const isForced = request.leaveOneOut === true;
    const hasSeveral = history.recordings.length > 1;
    const isWanted = hasSeveral && request.leaveOneOut !== false && (isForced || !quiet || request.json);
    const others =
      isWanted && (isForced || isShortEnough(history))
        ? new LeaveOneOut(history.recordings.length, () => new HistoryBuilder(architecture, request.detail))
        : undefined;
    const own = await refusedBy(program, traces, architecture, progress, {
      begin: (file) => others?.open(file),
      prepare: (event) => objects?.uses.withObjects(event) ?? event,
      event: (event, decision, start) => {
        cases.event(event, decision);
        others?.event(event, start);
      },
      end: () => {
        cases.end();
        others?.end();
      },
    });
    const leftOut = await others?.refused((one) => propose(one, options).policy, traces, architecture, context);
    const validations = await Promise.all(
      request.validate.map(async (trace) => {
        const warnings: Diagnostic[] = [];
        const refused = await refusedBy(program, [trace], architecture, progress, undefined, warnings);
        await printDiagnostics(warnings, sourcesOf(trace.file, warnings), context);
        return { trace, refused };
      }),
    );
    // Before the files are written, because it can fail.
    const bound = request.elf.length === 0 ? undefined : await staticBoundOf(request.elf, architecture);
    if (request.output !== undefined) {
      const policy = { file: request.output, text: policyText };
      writeOutputs([policy, ...cases.of(request.output, history)], ownOutputs);
    } else if (!request.json) context.out(policyText);
    const judged = judgedCalls(program, history, proposal.permissions);
    const comparison = bound === undefined ? undefined : statements.compareWithBound(bound, proposal);
    if (request.json) {
      const objectFigures = declarations?.figures;
      const figures = { own, judged, validations, leftOut, abilities, bound: comparison, objects: objectFigures };
      context.out(`${jsonText(statements.figuresOf(history, proposal, figures))}\n`);
    }
    if (!quiet || isForced) {
      const tracing = describeTracing(proposal.permissions, program);
      const about = { history, proposal, own, judged, comparison, declarations, abilities, tracing };
      const lines = quiet ? [] : request.verbose ? statements.statementOf(about) : statements.summaryOf(about);
      if (leftOut !== undefined) lines.push(...statements.leftOutOf(leftOut, request.verbose));
      else if (isWanted) lines.push(statements.notLeftOut);
      else if (isForced) lines.push("one recording: no other one to propose from");
      if (!quiet && !request.verbose) lines.push(...statements.nextOf(history, request.output));
      context.err(safeLines(lines));
    }
    for (const { trace, refused } of validations) {
      context.err(safeLines(statements.validationOf(shownName(trace), refused)));
    }
    return validations.some(({ refused }) => refused.calls.size > 0) ? 1 : 0;
  },
};

async function proposeForScripts(invocation: Invocation, context: Context): Promise<number> {
  const { proposeExceptions } = await import("../scripts/proposal.ts");
  return proposeExceptions(invocation, Object.keys(propose.options), context);
}

/** The head of a proposal (`originOf`), and of its cases (src/propose/cases-text.ts). People write such files, too. */
const mark = /^(?:\/\*\*\n \* Proposed from \d|# Recorded: .*\. Written by portcullis propose\.\n)/;
const ownOutputs: OutputRules = { option: "-o", replaces: { by: "propose", mark } };

/** The value of --validate; a file of this name is `./leave-one-out`. */
const leaveOneOut = "leave-one-out";

interface Request {
  readonly traces: readonly TraceFileName[];
  readonly validate: readonly TraceFileName[];
  /** Whether to propose from all recordings but one, in turn; undefined: unless the traces are long. */
  readonly leaveOneOut: boolean | undefined;
  readonly output: string | undefined;
  /** The program, and modules that it loads. */
  readonly elf: readonly string[];
  readonly architecture: ArchitectureName;
  readonly detail: Detail;
  readonly files: boolean;
  readonly phases: PhaseMode;
  readonly with: readonly SituationName[];
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

function requestOf(invocation: Invocation): Request {
  const named = (isStrace: boolean) => (file: string) => ({ file, isStrace });
  const traces = [...invocation.words.map(named(false)), ...invocation.texts("strace").map(named(true))];
  if (traces.length === 0) throw missing("a trace", "portcullis propose TRACE");
  const output = invocation.text("output");
  const validate = invocation.texts("validate");
  return {
    traces,
    validate: validate.filter((name) => name !== leaveOneOut).map(named(false)),
    leaveOneOut: validate.includes(leaveOneOut) ? true : invocation.has("no-validate") ? false : undefined,
    output: output === "-" ? undefined : output,
    elf: invocation.texts("elf"),
    architecture: chosenArchitecture(invocation),
    detail: oneOf("detail", invocation.text("detail") ?? "arguments", details),
    files: invocation.has("files"),
    phases: oneOf("phases", invocation.text("phases") ?? "usual", phaseModes),
    with: invocation
      .texts("with")
      .flatMap((names) => names.split(",").map((name) => oneOf("with", name, situationNames))),
    json: invocation.has("json"),
    quiet: invocation.has("quiet"),
    verbose: invocation.has("verbose"),
  };
}

/** @throws Failure for options that need the start of the recorded processes */
function requireNoStart(invocation: Invocation): void {
  const phases = invocation.text("phases") ?? "none";
  const wrong = invocation.has("files") ? "--files" : phases === "none" ? undefined : `--phases ${phases}`;
  if (wrong === undefined) return;
  const message = `${wrong} needs recordings from the start of the program, and one begins in the middle`;
  const help = "propose without that recording, and look at it with --validate or amend";
  throw new Failure([diagnostic("P0907", message, { help })]);
}

/** `others`: the recordings from the start of the program. */
function startIsMissing(files: readonly string[], others: readonly string[]): Diagnostic {
  const validated = files.flatMap((file) => ["--validate", shellWord(file)]).join(" ");
  const help =
    others.length === 0
      ? "portcullis propose BOTH FILES, with one of portcullis record -- COMMAND"
      : `portcullis propose ${validated} ${others.map(shellWord).join(" ")} makes roles and phases, and lists the calls of the others that these refuse`;
  const which = files.length === 1 ? `${files[0]} begins` : `${files.join(", ")} begin`;
  return diagnostic(
    "P0826",
    `${which} in the middle, so the policy has no roles and phases, and of the calls before, the execution of the program among them, only those that another recording has`,
    { help },
  );
}

/** What the traces do to objects, and the declarations about them. */
async function objectsOf(
  architecture: ArchitectureName,
): Promise<{ readonly uses: ObjectUses; declarations(): Declarations }> {
  const [{ ObjectUses }, { ThisMachine }, { declarationsOf }] = await Promise.all([
    import("../../propose/objects/uses.ts"),
    import("../../propose/objects/machine.ts"),
    import("../../propose/objects/declarations.ts"),
  ]);
  const machine = new ThisMachine();
  const uses = new ObjectUses(architecture, machine);
  return { uses, declarations: () => declarationsOf(uses, machine) };
}

/** Reads the traces into a history. `attached`: those of processes that ran already. @throws Failure */
function readAll(
  { traces, architecture }: Request,
  history: HistoryBuilder,
  uses: ObjectUses | undefined,
  progress: ReadingProgress | undefined,
): { readonly warnings: readonly Diagnostic[]; readonly attached: ReadonlySet<string> } {
  const attached = new Set<string>();
  const warnings = traces.flatMap((trace) => {
    const name = shownName(trace);
    const sink: TraceSink = {
      event: (event, start) => {
        if (start.attached !== undefined) attached.add(name);
        history.event(event, start);
        uses?.event(event, start);
      },
      end: () => {
        history.end();
        uses?.end();
      },
    };
    const faults = new Faults(name);
    history.open(name, faults);
    const found = readEvents(trace, architecture, sink, { progress, doing: "reading" });
    if (faults.failed) throw new Failure(faults.list());
    return found;
  });
  return { warnings, attached };
}

/** @throws Failure */
async function staticBoundOf(
  [program = "", ...modules]: readonly string[],
  architecture: ArchitectureName,
): Promise<StaticBound> {
  const [{ loadDisassembler, disassemblerPackage }, { findStaticBound }, { ElfError }] = await Promise.all([
    import("../../propose/elf/disassembler.ts"),
    import("../../propose/elf/static-bound.ts"),
    import("../../propose/elf/image.ts"),
  ]);
  const disassembler = await loadDisassembler();
  if (disassembler === undefined) {
    const help = `npm install ${disassemblerPackage}, beside portcullis`;
    throw new Failure([diagnostic("P0605", "--elf needs a disassembler, which is not installed", { help })]);
  }
  try {
    const bound = findStaticBound(program, disassembler, modules);
    if (bound.architecture === architecture) return bound;
    const message = `--elf: ${program} is for ${bound.architecture}, and the traces are for ${architecture}`;
    throw new Failure([diagnostic("P0907", message, { help: `--architecture ${bound.architecture}` })]);
  } catch (error) {
    if (error instanceof ElfError) throw new Failure([diagnostic("P0907", `--elf: ${error.message}`)]);
    if (!(error instanceof Error && "code" in error && "path" in error)) throw error;
    throw new Failure([diagnostic("P0901", `${error.path} cannot be read (${error.code})`)]);
  }
}

function originOf(history: HistoryBuilder, { traces, architecture }: Request, attached: ReadonlySet<string>): string {
  const files = traces.map((trace) => basename(shownName(trace))).join(", ");
  const count = history.recordings.length;
  const middle = [...attached].map((file) => basename(file)).join(", ");
  const lacks = middle === "" ? "" : ` The calls before ${middle} began are not in it.`;
  const programs = [...history.commands].join(", ");
  const of = programs === "" ? "" : ` of ${programs}`;
  const text = `Proposed from ${count} recording${count === 1 ? "" : "s"}${of} (${files}; ${architecture}); docs/propose.md says how.${lacks}`;
  return safeText(text).replaceAll("*/", "* /");
}

function safeLines(lines: readonly string[]): string {
  return lines.map((line) => `${safeText(line)}\n`).join("");
}
