/** Prints a filter for people: disassembled, with the policy's lines and the calls' names. */

import { auditArchitecture } from "../../abi/architecture.ts";
import { callByNumber } from "../../abi/calls.ts";
import { errnoName } from "../../abi/errno.ts";
import type { SplitPolicy } from "../../analysis/decision.ts";
import type { Location } from "../../ir/location.ts";
import type { Program } from "../../ir/program.ts";
import { explainedVerdict, returnsZero } from "../../ir/verdicts.ts";
import type { ClassicProgram, ClassicTarget } from "./compile.ts";
import { disassemble } from "./disassemble.ts";
import { offset, opcode } from "./instruction.ts";
import { causesOfReturns, entryOf, type ReturnCause } from "./provenance.ts";

export interface ListingOptions {
  /** The most names of calls in a comment, which then counts the rest. Default: all. */
  readonly names?: number;
}

/**
 * The text of `portcullis disasm`. Before each return stand the verdicts of the policy that it gives and the calls that
 * can get them there:
 *
 *     ; nginx.ts:29:7 execve, execveat: deny EACCES
 *      12: ret ERRNO(13)
 *
 * `assemble` reads it back.
 */
export function listClassic(
  program: Program,
  split: SplitPolicy,
  target: ClassicTarget,
  classic: ClassicProgram,
  options: ListingOptions = {},
): string {
  const { instructions, tokenPositions } = classic;
  const architecture = auditArchitecture[program.architecture];
  const causes = causesOfReturns(split, target, architecture, instructions);
  const entries = conditionEntries(program, split, classic);
  const nameOf = (number: number): string => callByNumber(program.architecture, number)?.name ?? `call ${number}`;
  const list = (numbers: readonly number[]): string => {
    const most = options.names ?? numbers.length;
    const names = numbers.slice(0, most).map(nameOf).join(", ");
    return numbers.length > most ? `${names} and ${numbers.length - most} more` : names;
  };
  const numberTests = numberTestsOf(classic);

  return disassemble(instructions, {
    before(index) {
      const conditions = entries.get(index);
      const returned = groupCauses(program, causes.get(index) ?? []).map(
        ({ place, numbers, verdict }) => `${place === "" ? "" : `${place} `}${list(numbers)}: ${verdict}`,
      );
      return conditions === undefined ? returned : [`${list(conditions)}, by arguments`, ...returned];
    },
    beside(index) {
      const { code, k } = instructions[index]!;
      const token = tokenPositions.indexOf(index);
      if (token >= 0) return `word ${token + 1} of the launcher's token`;
      if (numberTests.has(index)) return callByNumber(program.architecture, k)?.name;
      if (code === opcode.return && k >>> 16 === 5) {
        const errno = k & 0xffff;
        return errno === 0 ? returnsZero : errnoName(errno);
      }
      return undefined;
    },
  });
}

interface CauseGroup {
  readonly place: string;
  readonly verdict: string;
  readonly numbers: number[];
}

/** Groups calls by verdict and location, in the order of the locations. */
function groupCauses(program: Program, causes: readonly ReturnCause[]): CauseGroup[] {
  const groups = new Map<string, CauseGroup>();
  const sorted = causes.toSorted((a, b) => a.leaf.weakest - b.leaf.weakest || a.number - b.number);
  for (const { number, leaf } of sorted) {
    const place = describePlace(program, program.verdicts[leaf.weakest]?.at);
    const verdict =
      leaf.stateful.length > 0 ? describePossible(program, leaf.possible) : describe(program, leaf.weakest);
    const key = `${place} ${verdict}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { place, verdict, numbers: [number] });
    else if (!group.numbers.includes(number)) group.numbers.push(number);
  }
  return [...groups.values()];
}

function describePossible(program: Program, possible: readonly number[]): string {
  return `by state: ${[...new Set(possible.map((verdict) => describe(program, verdict)))].join(" or ")}`;
}

function describe(program: Program, index: number): string {
  return explainedVerdict(program.verdicts[index]!);
}

function describePlace(program: Program, at: Location | undefined): string {
  return at === undefined ? "" : `${program.files[at.file]}:${at.line}:${at.column}`;
}

/** The first instructions of conditions, and the calls that reach them. */
function conditionEntries(
  program: Program,
  split: SplitPolicy,
  { instructions }: ClassicProgram,
): ReadonlyMap<number, readonly number[]> {
  const entries = new Map<number, number[]>();
  for (const number of [...split.keys()].sort((a, b) => a - b)) {
    const entry = entryOf(instructions, auditArchitecture[program.architecture], number);
    if (instructions[entry]!.code === opcode.return) continue;
    const numbers = entries.get(entry);
    if (numbers === undefined) entries.set(entry, [number]);
    else numbers.push(number);
  }
  return entries;
}

/** The indexes of the tests of the call's number. */
function numberTestsOf({ instructions }: ClassicProgram): ReadonlySet<number> {
  const tests = new Set<number>();
  const loaded = instructions.findIndex(({ code, k }) => code === opcode.load && k === offset.number);
  const pending = [loaded + 1];
  while (pending.length > 0) {
    const index = pending.pop()!;
    const { code, jt, jf, k } = instructions[index]!;
    if (code === opcode.jumpAlways) pending.push(index + 1 + k);
    else if (code === opcode.jumpEqual || code === opcode.jumpAtLeast) {
      if (tests.has(index)) continue;
      tests.add(index);
      pending.push(index + 1 + jt, index + 1 + jf);
    }
  }
  return tests;
}
