/**
 * Finds a static bound on the calls of a program: the numbers that its `syscall` instructions can have in rax (`svc`:
 * x8). It walks back from each instruction to the constants that reach it, through jumps, moves, the stack and callers.
 * It counts the instructions that it cannot resolve.
 */
import type { ArchitectureName } from "../../abi/architecture.ts";
import { callByNumber } from "../../abi/calls.ts";
import { aarch64 } from "./aarch64.ts";
import { CallGraph, type Site } from "./call-graph.ts";
import type { Disassembler, Instruction } from "./disassembler.ts";
import type { ElfImage } from "./image.ts";
import { readImages } from "./libraries.ts";
import type { Location, Machine } from "./machine.ts";
import { x86_64 } from "./x86-64.ts";

const machines: Readonly<Record<ArchitectureName, Machine>> = { x86_64, aarch64 };

export interface StaticBound {
  /** The architecture of the program. */
  readonly architecture: ArchitectureName;
  /** Sorted names of calls. */
  readonly calls: readonly string[];
  readonly files: readonly string[];
  /** The number of reachable `syscall` or `svc` instructions. */
  readonly sites: number;
  /** The functions among these whose number is computed, or passed in a way that is not followed. */
  readonly unresolved: readonly string[];
  /** Needed libraries that were not found. */
  readonly missing: readonly string[];
  /** Whether the program can load further libraries. */
  readonly loadsLibraries: boolean;
  /** Calls of mmap, mprotect and pkey_mprotect that make memory executable, or whose protection is not a constant. */
  readonly executable: readonly string[];
}

/**
 * @param modules libraries that the program loads by itself (dlopen)
 * @throws ElfError, or Node's error if a file cannot be read
 */
export function findStaticBound(
  program: string,
  disassembler: Disassembler,
  modules: readonly string[] = [],
): StaticBound {
  const { list, missing } = readImages(program, modules);
  const { architecture } = list[0]!;
  const machine = machines[architecture];
  const graph = new CallGraph(machine, list);
  const tracer = new Tracer(machine, graph, disassembler);
  const unresolved = new Set<string>();
  const numbers = new Set<number>();
  let sites = 0;
  for (const image of list) {
    for (const start of graph.reachedIn(image)) {
      const code = image.code(start);
      if (!machine.mayCall(code)) continue;
      for (const at of tracer.sitesIn(image, start)) {
        sites++;
        const found = tracer.valuesAt(image, start, at, { is: "register", name: machine.number });
        for (const number of found.values) numbers.add(number);
        if (found.isOpen) unresolved.add(`${image.file}+0x${at.toString(16)}`);
      }
    }
  }
  const calls = [...numbers].flatMap((number) => callByNumber(architecture, number)?.name ?? []);
  return {
    architecture,
    calls: [...new Set(calls)].sort(),
    files: list.map(({ file }) => file),
    sites,
    unresolved: [...unresolved].sort(),
    missing,
    loadsLibraries: graph.imported.has("dlopen") || graph.imported.has("__libc_dlopen_mode"),
    executable: executableIn(graph, tracer, machine),
  };
}

/** The C library's functions whose third argument is a protection. */
const protecting = ["mmap", "mmap64", "mprotect", "pkey_mprotect"];
/** PROT_EXEC of asm-generic/mman-common.h. */
const executes = 4;

/** The loader's own calls are not among these: it maps files. */
function executableIn(graph: CallGraph, tracer: Tracer, machine: Machine): readonly string[] {
  const found = new Set<string>();
  for (const site of protecting.flatMap((name) => graph.callersOfExport(name))) {
    const protection = tracer.valueAtCall(site, { is: "register", name: machine.third });
    if (protection === undefined) continue;
    if (protection.isOpen || [...protection.values].some((value) => (value & executes) !== 0))
      found.add(`${site.image.file}+0x${site.at.toString(16)}`);
  }
  return [...found].sort();
}

interface Found {
  readonly values: ReadonlySet<number>;
  /** Other values are possible. */
  readonly isOpen: boolean;
}

/** Callers of callers, and so on. */
const mostDepth = 5;
class Tracer {
  readonly #machine: Machine;
  readonly #graph: CallGraph;
  readonly #disassembler: Disassembler;
  readonly #code = new Map<ElfImage, Map<number, Code>>();
  readonly #known = new Map<string, Found>();

  constructor(machine: Machine, graph: CallGraph, disassembler: Disassembler) {
    this.#machine = machine;
    this.#graph = graph;
    this.#disassembler = disassembler;
  }

  sitesIn(image: ElfImage, start: number): number[] {
    return this.#codeOf(image, start)
      .list.filter((instruction) => this.#machine.isKernelCall(instruction))
      .map(({ address }) => address);
  }

  /** The possible values of the location at a call. Undefined if no instruction is there, or nothing reaches it. */
  valueAtCall({ image, caller, at }: Site, location: Location): Found | undefined {
    if (!this.#graph.isReached(image, caller)) return undefined;
    // Bytes that only looked like a call are in no list of instructions.
    if (this.#codeOf(image, caller).indexOf.get(at) === undefined) return undefined;
    return this.valuesAt(image, caller, at, location, 1);
  }

  /** The possible values of the location just before the instruction. */
  valuesAt(image: ElfImage, start: number, at: number, location: Location, depth = 0): Found {
    const code = this.#codeOf(image, start);
    const values = new Set<number>();
    let isOpen = false;
    const seen = new Set<string>();
    const rest: { index: number; location: Location }[] = [];
    const visit = (index: number, where: Location) => {
      const key = `${index} ${keyOf(where)}`;
      if (seen.has(key)) return;
      seen.add(key);
      rest.push({ index, location: where });
    };
    const first = code.indexOf.get(at);
    if (first === undefined) return { values, isOpen: true };
    visit(first, location);
    for (const { index, location: where } of rest) {
      const before = code.before(index);
      if (index === 0) {
        const passed = this.#passed(image, start, where, depth);
        for (const value of passed.values) values.add(value);
        isOpen ||= passed.isOpen;
      } else if (before.length === 0) isOpen = true;
      for (const previous of before) {
        const effect = this.#machine.effectOf(code.list[previous]!, where);
        if (effect.is === "constant") values.add(effect.value);
        else if (effect.is === "unknown") isOpen = true;
        else visit(previous, effect.location);
      }
    }
    return { values, isOpen };
  }

  /** The values that callers pass in a parameter of the function. */
  #passed(image: ElfImage, start: number, location: Location, depth: number): Found {
    const { parameters, pushed } = this.#machine;
    const isParameter = location.is === "register" ? parameters.has(location.name) : location.offset >= pushed;
    if (!isParameter || depth >= mostDepth) return { values: new Set(), isOpen: true };
    const key = `${image.file} ${start} ${keyOf(location)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    // A recursion adds nothing.
    this.#known.set(key, { values: new Set(), isOpen: false });
    const values = new Set<number>();
    let isOpen = this.#graph.isTaken(image, start);
    for (const { image: other, caller, at, isJump } of this.#graph.callersOf(image, start)) {
      if (!this.#graph.isReached(other, caller) || (other === image && caller === start)) continue;
      // Bytes that only looked like a call are in no list of instructions.
      if (this.#codeOf(other, caller).indexOf.get(at) === undefined) continue;
      const there: Location =
        location.is === "stack" && !isJump ? { is: "stack", offset: location.offset - pushed } : location;
      const found = this.valuesAt(other, caller, at, there, depth + 1);
      for (const value of found.values) values.add(value);
      isOpen ||= found.isOpen;
    }
    const found = { values, isOpen };
    this.#known.set(key, found);
    return found;
  }

  #codeOf(image: ElfImage, start: number): Code {
    const ofImage = this.#code.get(image) ?? new Map<number, Code>();
    this.#code.set(image, ofImage);
    let code = ofImage.get(start);
    if (code === undefined) {
      code = new Code(this.#machine, this.#disassembler.disassemble(image.code(start), start, image.architecture));
      ofImage.set(start, code);
    }
    return code;
  }
}

/** The instructions of a function, and which can precede each. */
class Code {
  readonly list: readonly Instruction[];
  readonly indexOf: ReadonlyMap<number, number>;
  readonly #before: readonly number[][];

  constructor(machine: Machine, list: readonly Instruction[]) {
    this.list = list;
    this.indexOf = new Map(list.map(({ address }, index) => [address, index]));
    const before: number[][] = list.map(() => []);
    list.forEach((instruction, index) => {
      if (!machine.isEnd(instruction) && index + 1 < list.length) before[index + 1]!.push(index);
      const jump = machine.targetOf(instruction);
      const target = jump === undefined ? undefined : this.indexOf.get(jump);
      if (target !== undefined) before[target]!.push(index);
    });
    this.#before = before;
  }

  before(index: number): readonly number[] {
    return this.#before[index]!;
  }
}

function keyOf(location: Location): string {
  return location.is === "register" ? location.name : `+${location.offset}`;
}
