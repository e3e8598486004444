/**
 * In the machine: loads the forms of automata as seccomp programs, as the user who runs this, and reports in TAP what the
 * kernel takes.
 */
import { chooseMatch, matchForms, matchIn } from "../../../src/compile/ebpf/automata/form.ts";
import { encode } from "../../../src/compile/ebpf/instructions/instruction.ts";
import { matchMaps, matchProgram, tablesPlace } from "../../../src/compile/ebpf/testing/match.ts";
import { loadProgram, programInfo, programTypes, VerifierError } from "../../../src/linux/bpf.ts";
import { close } from "../../../src/linux/descriptors.ts";
import { compileMatcher } from "../../../src/patterns/automaton.ts";
import type { Pattern, PatternKind } from "../../../src/patterns/pattern.ts";

const list = (kind: PatternKind, ...texts: string[]): Pattern[] => texts.map((text) => ({ kind, text }));
const lists: Readonly<Record<string, readonly Pattern[]>> = {
  directories: list("under", "/usr", "/lib", "/lib64", "/etc/ssl", "/proc/self", "/tmp/é"),
  files: list("is", ...Array.from({ length: 60 }, (_, index) => `/etc/${(index * 7919) % 991}/file${index}`)),
  endings: list("endsWith", ".so", ".so.6", ".conf", ""),
  globs: list("matches", "/home/*/.ssh/{id_*,known_hosts}", "/run/user/[0-9]*/**/socket?"),
};

const mostInstructions = 4096;
const cases: string[] = [];
let count = 0;
const tell = (name: string, wrong: string): void => {
  if (wrong !== "") process.exitCode = 1;
  count += 1;
  const detail = wrong === "" ? "" : `${wrong.trimEnd().replace(/^/gm, "# ")}\n`;
  cases.push(`${detail}${wrong === "" ? "ok" : "not ok"} ${count} ${name}`);
};

/** What the kernel says; "" where it takes the program. */
function load(match: NonNullable<ReturnType<typeof matchIn>>, room: number): string {
  const maps = matchMaps(match, room);
  const mapDescriptors = maps.map(({ descriptor }) => descriptor);
  try {
    const instructions = encode(matchProgram(match, false), { mapDescriptors, kernelFunction: () => 0 });
    const program = loadProgram({ type: programTypes.seccomp, licence: "GPL", instructions });
    const { verifiedInstructions } = programInfo(program);
    close(program);
    return match.cost.instructions > verifiedInstructions ? `only ${verifiedInstructions} instructions are walked` : "";
  } catch (error) {
    return error instanceof VerifierError ? `${error.log.slice(-1000)}\n${error.message}` : String(error);
  } finally {
    for (const descriptor of mapDescriptors) close(descriptor);
  }
}

for (const [name, patterns] of Object.entries(lists)) {
  const automaton = compileMatcher(patterns).automaton!;
  for (const form of matchForms)
    for (const room of [108, 256, 4095]) {
      const match = matchIn(form, automaton, patterns, { room, tables: tablesPlace });
      if (match === undefined || match.cost.instructions > mostInstructions - 5) continue;
      const said = load(match, room);
      // A loop must be refused: nothing here says that it ends soon enough.
      if (form !== "loop") tell(`${name} as ${form}, ${room} bytes`, said);
      else tell(`${name} as no ${form}, ${room} bytes`, said === "" ? "it is taken" : "");
    }
  const chosen = chooseMatch(
    automaton,
    patterns,
    { room: 108, tables: tablesPlace },
    { loops: false, mostInstructions },
  );
  tell(`${name}: a form for a socket's path`, chosen === undefined ? "there is none" : "");
}
console.log([`1..${count}`, ...cases].join("\n"));
