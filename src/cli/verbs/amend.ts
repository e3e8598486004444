/** `portcullis amend`: from refused calls (events, or a trace) to a changed policy and its cases (src/amend). */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import { createInterface } from "node:readline/promises";
import type { Amendment } from "../../amend/amendment.ts";
import type { CaseText } from "../../amend/cases.ts";
import type { Group } from "../../amend/groups.ts";
import type { PolicySettings } from "../../amend/policy.ts";
import type { Session, SessionFiles } from "../../amend/session.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Sources } from "../../diagnostics/render.ts";
import { jsonText, safeText } from "../../diagnostics/width.ts";
import type { Program } from "../../ir/program.ts";
import { abiOfThisKernel } from "../../machine/landlock-abi.ts";
import { packageFile } from "../../machine/package.ts";
import type { Decided } from "../amend/decisions.ts";
import type { Dialogue } from "../amend/dialogue.ts";
import type { Shown } from "../amend/show.ts";
import { findCaseFiles } from "../case-files.ts";
import type { Context } from "../context.ts";
import { readInput } from "../input.ts";
import { wholeNumber } from "../numbers.ts";
import { writeOutputs } from "../output.ts";
import { architectureOption, policyAndWords, policyFile, policyOptions, policyRequest } from "../policy/arguments.ts";
import { loadRequested } from "../policy/load.ts";
import { Failure, failed, type Invocation, type Verb } from "../verb.ts";

export const amend: Verb = {
  name: "amend",
  synopsis: ["amend [OPTIONS] POLICY EVENTS|TRACE…", "amend [OPTIONS] -p POLICY EVENTS|TRACE…"],
  about: [
    "Reads refused calls from files of events (run --events FILE, also with --audit) or from recordings, over which it evaluates the policy. It groups them by call, phases and the arguments that choose what the call does, and shows for each group the line that refused it, the risk, and the smallest change of the policy's text that allows it.",
    "On a terminal it asks about one group after the other: allow such calls (as propose would write the rule), these arguments only, or the call with any arguments; refuse them for ever; skip; open an editor; quit. It writes at the end, after a question. Elsewhere it prints the list (--list), --patch prints a patch, and --accept changes the files.",
    "Each change is verified before it is written: the policy compiles, allows the accepted calls, gives every other call its former verdict, and passes its cases. A case for each decision goes to the case files beside the policy. Comments and layout stay. docs/amend.md describes what amend can change.",
  ],
  options: {
    ...policyOptions,
    ...architectureOption,
    list: { short: "l", about: "Print the groups, and change nothing. The default without a terminal." },
    json: { about: "Print the groups as JSON, one object per line, and change nothing." },
    patch: { about: "Print the changes as a patch for patch(1), and change nothing. Without --accept, all changes." },
    accept: {
      value: "FILE",
      about:
        "Change the files. FILE lists decisions, one in each line: the id of a group, then nothing (the change that --list shows), call, arguments, general or refuse, and a comment after #. The word all accepts every change.",
      complete: "file",
    },
    uid: { value: "N", about: "The command's effective user, if a trace lacks it." },
    gid: { value: "N", about: "The command's effective group, if a trace lacks it." },
    quiet: { short: "q", about: "Print neither warnings nor the summary." },
  },
  complete: "policy",
  exit: [
    ["0", "The policy allows or refuses for ever every call of the input, or it does so now."],
    ["1", "Refused calls are left that no decision is about, or that amend cannot allow."],
    [
      String(failed),
      "The policy or an input cannot be read, or a change does not pass verification: nothing is written.",
    ],
  ],
  examples: [
    ["portcullis run --audit --events web.jsonl -p web.ts -- nginx -g 'daemon off;'", "Record what would be refused"],
    ["portcullis amend web.ts web.jsonl", "Decide about it, on a terminal"],
    ["portcullis amend --patch web.ts web.jsonl", "The changes as a patch"],
    ["portcullis amend --accept all web.ts web.jsonl", "Accept everything"],
    ["portcullis amend web.ts tuesday.trace", "From a recording"],
  ],
  async execute(invocation, context) {
    const { policy, words } = policyAndWords(invocation);
    const accept = invocation.text("accept");
    if (words.length === 0) throw (await import("../amend/inputs.ts")).noInput();
    checkCombination(invocation);
    const isDialogue = !["list", "json", "patch", "accept"].some((one) => invocation.has(one)) && hasTerminal();
    for (;;) {
      const work = await prepare(policy, words, invocation, context);
      if (isDialogue) {
        const status = await converse(work, context);
        if (status !== "again") return status;
        continue;
      }
      if (accept !== undefined || invocation.has("patch"))
        return await apply(work, accept ?? "all", invocation, context);
      return await list(work, invocation, context);
    }
  },
};

interface Work {
  readonly program: Program;
  readonly sources: Sources;
  readonly files: SessionFiles;
  readonly groups: readonly Group[];
  /** Groups whose refusal a case demands, with its place. */
  readonly settled: ReadonlyMap<Group, string>;
  readonly amendment: Amendment;
  readonly session: Session;
  /** Whether something is left that no change can allow. */
  readonly notes: readonly string[];
  readonly quiet: boolean;
}

/** @throws Failure */
function checkCombination(invocation: Invocation): void {
  const given = ["list", "json", "patch"].filter((one) => invocation.has(one));
  const clash = invocation.has("accept") && (invocation.has("list") || invocation.has("json")) ? "accept" : undefined;
  if (given.length < 2 && clash === undefined) return;
  const names = [...given, ...(clash === undefined ? [] : [clash])].map((one) => `--${one}`);
  throw new Failure([diagnostic("P0909", `${names.join(" and ")} exclude each other`)]);
}

function hasTerminal(): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true;
}

async function prepare(
  policy: string,
  inputs: readonly string[],
  invocation: Invocation,
  context: Context,
): Promise<Work> {
  const quiet = invocation.has("quiet");
  const { name: file } = policyFile(policy, context.workingDirectory);
  refuseUnwritable(file);
  const request = policyRequest(policy, invocation);
  const text = readInput(file);
  const settings: PolicySettings = {
    file,
    architecture: request.architecture,
    parameters: request.parameters,
    landlockAbi: abiOfThisKernel() ?? 0,
    isFile,
  };
  const [
    { compile },
    { Amendment: New },
    { Session: NewSession },
    { readRefused },
    { refusedByCase },
    { policyDigest },
  ] = await Promise.all([
    import("../../amend/policy.ts"),
    import("../../amend/amendment.ts"),
    import("../../amend/session.ts"),
    import("../amend/inputs.ts"),
    import("../../amend/cases.ts"),
    import("../../export/digest.ts"),
  ]);
  // Its diagnostics have the policy's lines and help.
  await loadRequested(request, context, { quiet: true });
  const before = compile(settings, text);
  if (before.program === undefined) throw new Failure(before.diagnostics, before.sources);
  const { program, sources } = before;
  const ids = { uid: wholeNumber(invocation, "uid", 0xffff_fffe), gid: wholeNumber(invocation, "gid", 0xffff_fffe) };
  const digest = policyDigest({ files: before.files, parameters: request.parameters });
  const { groups, hosts, dropped } = await readRefused(inputs, program, digest, { ...ids, quiet }, context);
  const cases: CaseText[] = findCaseFiles(file).map((one) => ({ file: one, text: readInput(one) }));
  // A file of its own starts in the first phase.
  const stem = basename(file).replace(/\.ts$/, "");
  const created = join(dirname(file), cases.length === 0 ? `${stem}.cases` : `${stem}.amend.cases`);
  const files: SessionFiles = { policy: { file, text }, cases, created };
  const all = [...groups.list].sort((a, b) => b.count - a.count || (a.call < b.call ? -1 : 1));
  const settled = new Map(
    all.flatMap((group) => {
      const place = refusedByCase(group, cases, program.architecture, (set) => compile(settings, text, set).program);
      return place === undefined ? [] : [[group, place] as const];
    }),
  );
  const amendment = new New(settings, text, before);
  const notes = [
    ...ofOtherTexts(groups.otherTexts, file, digest),
    ...(groups.passing > 0 ? [`${calls(groups.passing)} that the policy allows already`] : []),
    ...[...settled].map(([{ call, count }, place]) => `${calls(count)} of ${call} whose refusal ${place} demands`),
    ...(groups.beyond > 0 ? [`${calls(groups.beyond)} more that differ from these`] : []),
    ...(dropped > 0 ? [`${dropped} events that were dropped when they were written`] : []),
    ...[...hosts].map((host) => `the host ${host} was refused: add it to that list by hand`),
  ];
  const open = all.filter((group) => !settled.has(group));
  const session = new NewSession(amendment, settings, files, all);
  return { program, sources, files, groups: open, settled, amendment, session, notes, quiet };
}

/** Their calls are judged by the present text, as those of a trace. */
function ofOtherTexts(texts: ReadonlyMap<string, number>, file: string, present: string): readonly string[] {
  const [last] = [...texts.keys()].slice(-1);
  if (last === undefined) return [];
  const count = calls([...texts.values()].reduce((sum, one) => sum + one, 0));
  const which = texts.size === 1 ? "another version" : `${texts.size} other versions`;
  const name = texts.size === 1 ? last : `the last of them ${last}`;
  return [
    `${count} of ${which} of ${file} (${name}) than the present one (${present}): they are judged by the present one, and the lines of their events are not used`,
  ];
}

function isFile(path: string): boolean {
  try {
    return isAbsolute(path) && !statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function calls(count: number): string {
  return `${count.toLocaleString("en-US")} refused call${count === 1 ? "" : "s"}`;
}

/** @throws Failure if amend must not change the file */
function refuseUnwritable(file: string): void {
  const refuse = (message: string, help: string): never => {
    throw new Failure([diagnostic("P0920", message, { help })]);
  };
  if (file.endsWith(".json")) {
    refuse(
      `${file} is an OCI profile, which has no lines to change`,
      "edit its `syscalls`; or extend it: oci(profile)",
    );
  }
  if (file.startsWith(packageFile("policies/"))) {
    refuse(`${file} is a ready policy: an update would undo a change`, `cp ${file} .  and amend the copy`);
  }
}

async function shownGroups({ groups, amendment }: Work): Promise<readonly Shown[]> {
  const { bestProposal } = await import("../amend/show.ts");
  return groups.map((group) => ({ group, proposal: bestProposal(amendment, group, []) }));
}

async function list(work: Work, invocation: Invocation, context: Context): Promise<number> {
  const { describeGroup, groupJson, titleOf } = await import("../amend/show.ts");
  const { program, sources, amendment, groups } = work;
  const shown = await shownGroups(work);
  for (const [index, one] of shown.entries()) {
    if (invocation.has("json")) {
      context.out(`${jsonText(groupJson(one, program, amendment))}\n`);
      continue;
    }
    const before = amendment.textWith([]);
    const after = one.proposal.is === "change" ? amendment.textWith([one.proposal.amended]) : undefined;
    const title = titleOf(one.group, index + 1, groups.length);
    context.out(`${describeGroup(one, title, program, sources, { before, after })}\n`);
  }
  printNotes(work, context);
  if (groups.length === 0) return 0;
  if (!work.quiet && !invocation.has("json")) {
    const amendable = shown.filter(({ proposal }) => proposal.is === "change").length;
    const how = "--patch prints the changes, --accept all makes them, --accept FILE those of a list of ids";
    context.err(`${groups.length} group${groups.length === 1 ? "" : "s"}, ${amendable} with a change; ${how}\n`);
  }
  return 1;
}

function printNotes({ notes, groups, quiet }: Work, context: Context): void {
  if (quiet) return;
  for (const note of notes) context.err(`${safeText(note)}\n`);
  if (groups.length === 0) context.err("no call is left to decide about\n");
}

// ── Without a terminal ──────────────────────────────────────────────────────────────────────────────────────────────

async function apply(work: Work, accept: string, invocation: Invocation, context: Context): Promise<number> {
  const { groups, session, files, quiet } = work;
  const decided = await decisionsOf(accept, groups);
  const left = new Set(groups);
  const faults: string[] = [];
  const { bestProposal } = await import("../amend/show.ts");
  for (const { id, answer, comment } of decided) {
    const group = groups.find((one) => one.id === id)!;
    if (answer === "refuse") {
      const found = session.refuse(group, comment);
      faults.push(...found.map((fault) => `${id} ${group.call}: ${fault}`));
      left.delete(group);
      continue;
    }
    if (session.allows(group)) {
      left.delete(group);
      continue;
    }
    const proposal =
      answer === undefined ? bestProposal(work.amendment, group, session.accepted) : session.propose(group, answer);
    if (proposal.is === "change") {
      session.accept(proposal.amended, true);
      left.delete(group);
      continue;
    }
    const help = proposal.help === undefined ? "" : `; by hand: ${proposal.help}`;
    const sentence = `${id} ${group.call}: ${proposal.why}${help}`;
    if (accept === "all") {
      if (!quiet) context.err(`${safeText(sentence)}\n`);
    } else faults.push(sentence);
  }
  faults.push(...session.verify());
  if (faults.length > 0) {
    throw new Failure(faults.map((fault) => diagnostic("P0920", fault, { help: "nothing is written" })));
  }
  if (invocation.has("patch")) context.out(session.patch());
  else await write(session, files, quiet, context);
  printNotes({ ...work, groups: [...left] }, context);
  return left.size > 0 ? 1 : 0;
}

/** @throws Failure */
async function decisionsOf(accept: string, groups: readonly Group[]): Promise<readonly Decided[]> {
  if (accept === "all") return groups.map(({ id }) => ({ id, answer: undefined, comment: "" }));
  const { readDecisions } = await import("../amend/decisions.ts");
  return readDecisions(accept, new Set(groups.map(({ id }) => id)));
}

/** @throws Failure */
async function write(session: Session, files: SessionFiles, quiet: boolean, context: Context): Promise<void> {
  if (session.isEmpty) return;
  const { policy, cases } = session.outcome();
  const outputs = [...(policy === files.policy.text ? [] : [{ ...files.policy, text: policy }]), ...cases.files];
  // Another program may have changed a file since it was read.
  for (const known of [files.policy, ...files.cases]) {
    if (!outputs.some(({ file }) => file === known.file) || readInput(known.file) === known.text) continue;
    throw new Failure([
      diagnostic("P0920", `${known.file} has changed meanwhile`, { help: "run portcullis amend again" }),
    ]);
  }
  writeOutputs(outputs, { option: "--accept", edits: true });
  if (quiet) return;
  const { accepted, refused } = session;
  context.err(
    `${safeText(`${accepted.length} changes in ${files.policy.file}, ${refused.length} refused for ever`)}\n`,
  );
  for (const { file } of cases.files) context.err(`${safeText(`cases: ${file}`)}\n`);
  for (const { group } of cases.without) {
    const phases = Object.values(group.phases).join(", ");
    const where = phases === "" ? "" : `: no case file has a process in ${phases}`;
    context.err(`${safeText(`no case for ${group.id} ${group.call}${where}`)}\n`);
  }
}

// ── On a terminal ───────────────────────────────────────────────────────────────────────────────────────────────────

async function converse(work: Work, context: Context): Promise<number | "again"> {
  const { decide } = await import("../amend/dialogue.ts");
  const { groups, session, files } = work;
  printNotes(work, context);
  if (groups.length === 0) return 0;
  const { dialogue, close } = terminal(context);
  const ending = await decide(work, dialogue);
  close();
  if (ending !== "discard") await write(session, files, work.quiet, context);
  if (ending === "editor") {
    openEditor(files.policy.file, context);
    return "again";
  }
  const decidedAbout = new Set([...session.accepted, ...session.refused].map(({ group }) => group));
  const left = groups.filter((group) => !decidedAbout.has(group) && !session.allows(group));
  return ending === "write" && left.length === 0 ? 0 : 1;
}

function terminal(context: Context): { readonly dialogue: Dialogue; readonly close: () => void } {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  let isClosed = false;
  const ended = new AbortController();
  lines.on("close", () => {
    isClosed = true;
    ended.abort();
  });
  return {
    close: () => lines.close(),
    dialogue: {
      print: context.out,
      async ask(question) {
        if (isClosed) return undefined;
        try {
          return await lines.question(question, { signal: ended.signal });
        } catch (error) {
          if (ended.signal.aborted) return undefined;
          throw error;
        }
      },
    },
  };
}

/** @throws Failure */
function openEditor(file: string, { environment }: Context): void {
  const editor = [environment["VISUAL"], environment["EDITOR"]].find((one = "") => one !== "") ?? "vi";
  // The variable may have options; other programs treat it in the same way.
  const { status, error } = spawnSync("/bin/sh", ["-c", `${editor} "$1"`, editor, file], { stdio: "inherit" });
  if (status === 0 && error === undefined) return;
  throw new Failure([diagnostic("P0911", `the editor ${editor} has failed`, { help: "EDITOR=nano" })]);
}
