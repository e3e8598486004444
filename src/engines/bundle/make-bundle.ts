/** Makes a bundle from a compiled policy: adds the classic program, and puts all parts in the form of the file. */

import { auditArchitecture } from "../../abi/architecture.ts";
import { isStateful } from "../../analysis/decision.ts";
import { leavesOf } from "../../analysis/explain/paths.ts";
import { describeProgram, encodeFunctions, encodeLines, type MapTypes } from "../../backend/btf/describe.ts";
import type {
  Bundle,
  BundledAction,
  BundleMap,
  BundleState,
  LaunchWord,
  Place,
  Relocation,
} from "../../backend/bundle/bundle.ts";
import { encodeClassic } from "../../backend/classic/compile.ts";
import { verdictWord } from "../../backend/classic/verdict-word.ts";
import type { EbpfArtifact } from "../../backend/ebpf/artifact.ts";
import { type EbpfInstruction, encode, slotPositions } from "../../backend/ebpf/instructions/instruction.ts";
import type { MapDescription } from "../../backend/ebpf/targets/storage.ts";
import { rulesetsOf } from "../../backend/landlock/rulesets.ts";
import type { Sources } from "../../diagnostics/render.ts";
import type { Location } from "../../ir/location.ts";
import type { Program } from "../../ir/program.ts";
import type { Action } from "../../ir/verdicts.ts";
import { staticFilter } from "../engine/static-filter.ts";
import { seccompEbpfProfile } from "./filter.ts";

export interface BundleOptions {
  /** Name and version of the compiler: "portcullis 0.1.0". */
  readonly compiler: string;
  /** The values of the parameters that are constants. */
  readonly fixed: Bundle["fixed"];
  /** For the lines in the verifier's log. */
  readonly sources: Sources;
}

/** The licence that some helpers and kernel functions require. */
const licence = "GPL";

export function makeBundle(artifact: EbpfArtifact, { compiler, fixed, sources }: BundleOptions): Bundle {
  const { program, object, kind, storage, target } = artifact;
  // Without CAP_BPF the kernel refuses type information.
  const unprivileged = target === "unprivileged";
  const description = unprivileged ? undefined : describeProgram(artifact, sources);
  const classic = classicProgram(program);
  return {
    architecture: program.architecture,
    name: program.name,
    compiler,
    target,
    fixed,
    parameters: program.parameters.map(({ at, ...parameter }) => ({ ...parameter, at: placeOf(program, at) })),
    licence,
    programType: kind.type,
    programFlags: kind.flags,
    locked: artifact.locked,
    matches: storage.maps.some(({ holds }) => holds === "constants"),
    classicIsAll: classic?.isAll ?? false,
    unprivileged,
    readOnlyProc: program.readOnlyProc,
    objects: rulesetsOf(program.objects),
    classic: classic?.instructions ?? new Uint8Array(),
    classicToken: classic?.token ?? [],
    ...relocatable(object.instructions),
    maps: storage.maps.map((map, index) => bundleMap(map, description?.maps[index])),
    states: storage.states.map(({ name, scope, fork, size }): BundleState => {
      // The tree's state is the state of a process that all tasks share.
      return scope === "tree" ? { name, scope: "process", fork: "share", size } : { name, scope, fork, size };
    }),
    rooms: program.rooms.map(({ name, scope, sides, exclusive, timeout, late }) => {
      const verdict = verdictWord(program.verdicts[late]!);
      return { name, scope, sides: sides.length, exclusive, timeout, late: verdict };
    }),
    declared: artifact.declared,
    launch: storage.maps.flatMap(({ launch = [] }, map) =>
      launch.map(({ is, offset }): LaunchWord => ({ is, map, offset })),
    ),
    constantAllows: artifact.constantAllow.map((number) => ({
      architecture: auditArchitecture[program.architecture],
      number,
    })),
    types: description?.btf.encode() ?? new Uint8Array(),
    functionInfo: encodeFunctions(description?.functions ?? []),
    lineInfo: encodeLines(description?.functions ?? []),
    verdicts: program.verdicts.map(({ action, errno, reason, at }) => ({
      action: bundledAction(action),
      errno,
      reason: reason === "" ? undefined : reason,
      at: placeOf(program, at),
    })),
    reports: program.reports.map(({ text, values, at }) => ({ text, values, at: placeOf(program, at) })),
    sourceMap: sourceMap(artifact),
  };
}

function bundledAction(action: Action): BundledAction {
  if (action === "ask") throw new Error("a program that asks is compiled for the kernel"); // compileForSeccomp refuses it
  return action;
}

function placeOf({ files }: Program, at: Location | undefined): Place | undefined {
  if (at === undefined) return undefined;
  const { file, line, column, length } = at;
  return { file: files[file] ?? "?", line, column, length };
}

function sourceMap({ object, program }: EbpfArtifact): Bundle["sourceMap"] {
  const positions = slotPositions(object.instructions);
  let last: Location | undefined | null = null;
  return object.locations.flatMap((at, index) => {
    const same =
      last !== null &&
      (last === at || (last?.file === at?.file && last?.line === at?.line && last?.column === at?.column));
    last = at;
    return same ? [] : [{ instruction: positions[index]!, at: placeOf(program, at) }];
  });
}

function bundleMap(map: MapDescription, types: MapTypes | undefined): BundleMap {
  const { name, type, keySize, valueSize, capacity, holds, lock, initial = [] } = map;
  // The loader writes the values of each start.
  const values = holds === "launch" ? new Uint8Array() : Buffer.concat(initial);
  return {
    ...{ name, type, keySize, valueSize, capacity, holds, lock },
    keyType: types?.key ?? 0,
    valueType: types?.value ?? 0,
    initial: values.some((byte) => byte !== 0) ? new Uint8Array(values) : new Uint8Array(),
  };
}

/** The program with zeros in place of descriptors and ids of kernel functions, and the positions of these. */
function relocatable(
  instructions: readonly EbpfInstruction[],
): Pick<Bundle, "program" | "relocations" | "kernelFunctions"> {
  const positions = slotPositions(instructions);
  const kernelFunctions: string[] = [];
  const relocations = instructions.flatMap((instruction, index): Relocation[] => {
    const at = positions[index]!;
    if (instruction.kind === "wide" && instruction.value.is !== "value")
      return [{ instruction: at, kind: "map", index: instruction.value.map }];
    if (instruction.kind !== "call-kernel") return [];
    if (!kernelFunctions.includes(instruction.function)) kernelFunctions.push(instruction.function);
    return [{ instruction: at, kind: "kernel-function", index: kernelFunctions.indexOf(instruction.function) }];
  });
  const maps = relocations.flatMap(({ kind, index }) => (kind === "map" ? [index + 1] : []));
  const mapDescriptors = Array.from({ length: Math.max(0, ...maps) }, () => 0);
  const program = encode(instructions, { mapDescriptors, kernelFunction: () => 0 });
  return { program, relocations, kernelFunctions };
}

// ── The static part ─────────────────────────────────────────────────────────────────────────────────────────────────

interface BundledClassic {
  readonly instructions: Uint8Array;
  readonly token: readonly number[];
  /** No verdict needs state: the policy can be enforced on any kernel. */
  readonly isAll: boolean;
}

/** Undefined if the program does not fit a classic filter. */
function classicProgram(program: Program): BundledClassic | undefined {
  try {
    const { split, classic } = staticFilter(seccompEbpfProfile, program, { armed: true });
    const isAll = !leavesOf(...split.values()).some(isStateful);
    return { instructions: encodeClassic(classic), token: inOrder(classic.tokenPositions), isAll };
  } catch (error) {
    if (error instanceof Error && error.name === "FilterTooLargeError") return undefined;
    throw error;
  }
}

/** The token's positions, four for each call of the launcher, with the calls in the order of the filter. */
function inOrder(positions: readonly number[]): readonly number[] {
  const calls: (readonly number[])[] = [];
  for (let at = 0; at < positions.length; at += 4) calls.push(positions.slice(at, at + 4));
  return calls.sort((a, b) => a[0]! - b[0]!).flat();
}

/** Whether the classic program alone decides every call, so that any kernel can enforce the policy. */
export function isWhollyClassic(program: Program): boolean {
  return classicProgram(program)?.isAll ?? false;
}
