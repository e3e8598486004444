/**
 * Loads a bundle's program into the running kernel, as native/launcher does without Node: creates the maps, draws and
 * freezes the launch values, relocates and loads the program. Does not attach it.
 */
import { randomBytes } from "node:crypto";
import { mapFlags, mapTypes, type ProgramType, programTypes } from "../../abi/bpf-numbers.ts";
import { defaultWords } from "../../ir/parameters.ts";
import { BpfMap } from "../../machine/bpf/maps.ts";
import { loadProgram, loadWithLog, type ProgramDescription } from "../../machine/bpf/programs.ts";
import { kernelFunctions, loadBtf } from "../../machine/bpf/type-information.ts";
import { capabilities, withoutCapabilities } from "../../machine/capabilities.ts";
import { close } from "../../machine/descriptors.ts";
import type { Bundle, BundleMap } from "./bundle.ts";

export interface LoadedBundle {
  readonly program: number;
  /** In the bundle's order. */
  readonly maps: readonly BpfMap[];
  /** The two words that the launcher's execve carries; zeros if the program has no token. */
  readonly token: readonly [bigint, bigint];
  /** The verifier's log, if it was asked for. */
  readonly log: string | undefined;
  close(): void;
}

/** The kernel lacks a function that the program calls. */
export class MissingFunctionError extends Error {
  override readonly name = "MissingFunctionError";
  readonly missing: string;
  constructor(missing: string) {
    super(`this kernel has no function ${missing}`);
    this.missing = missing;
  }
}

/**
 * Throws a BpfError if a map cannot be created, a VerifierError if the program is refused, a MissingFunctionError.
 *
 * @param logLevel requests the verifier's log (`logLevels`)
 * @param parameters their words; the defaults if absent
 */
export function loadBundle(
  bundle: Bundle,
  logLevel = 0,
  parameters: readonly bigint[] = defaultWords(bundle.parameters),
): LoadedBundle {
  const open: number[] = [];
  const closeAll = (): void => {
    for (const descriptor of open.splice(0)) close(descriptor);
  };
  try {
    const btf = bundle.types.length === 0 ? undefined : loadBtf(bundle.types);
    if (btf !== undefined) open.push(btf);
    const launch = drawLaunch(bundle, parameters);
    // The seccomp type refuses arrays without padding against speculation, which the kernel creates for callers with
    // CAP_PERFMON or CAP_SYS_ADMIN (kernel/bpf/arraymap.c).
    const maps = withoutCapabilities([capabilities.perfmon, capabilities.systemAdministration], () =>
      bundle.maps.map((map) => {
        const made = makeMap(map, bundle.programType, btf, launch.value);
        open.push(made.descriptor);
        return made;
      }),
    );
    const description: ProgramDescription = {
      type: bundle.programType as ProgramType,
      flags: bundle.programFlags,
      licence: bundle.licence,
      name: bundle.name,
      instructions: relocate(
        bundle,
        maps.map(({ descriptor }) => descriptor),
      ),
      debugging: btf === undefined ? undefined : { btf, functions: bundle.functionInfo, lines: bundle.lineInfo },
    };
    const loaded =
      logLevel === 0
        ? { descriptor: loadProgram(description), log: undefined }
        : loadWithLog(description, logLevel, largestLog);
    open.push(loaded.descriptor);
    return { program: loaded.descriptor, maps, token: launch.token, log: loaded.log, close: closeAll };
  } catch (error) {
    closeAll();
    throw error;
  }
}

/** 16 MiB hold every log so far; the limit of the kernel is UINT_MAX >> 2 (`bpf_verifier_log_attr_valid`). */
const largestLog = 16 << 20;

/** The launch map's value. The words of a token are nonzero, and the third word of a secret is odd (docs/bundle.md). */
function drawLaunch(
  { maps, launch }: Bundle,
  parameters: readonly bigint[],
): {
  readonly value: Uint8Array;
  readonly token: readonly [bigint, bigint];
} {
  const value = new Uint8Array(maps.find(({ holds }) => holds === "launch")?.valueSize ?? 0);
  const view = new DataView(value.buffer);
  let token: readonly [bigint, bigint] = [0n, 0n];
  const words = parameters.values();
  for (const { is, offset } of launch) {
    if (is === "parameter") {
      view.setBigUint64(offset, words.next().value!, true);
      continue;
    }
    const count = is === "token" ? 2 : 3;
    const drawn = Array.from({ length: count }, () => randomBytes(8).readBigUInt64LE() || 1n);
    if (is === "token") token = [drawn[0]!, drawn[1]!];
    else drawn[2]! |= 1n;
    drawn.forEach((word, index) => {
      view.setBigUint64(offset + 8 * index, word, true);
    });
  }
  return { value, token };
}

const typeNumbers = { hash: mapTypes.hash, array: mapTypes.array, "ring-buffer": mapTypes.ringBuffer } as const;

/**
 * With the flags that the launcher gives them (native/launcher/extended.c): a program that is to be attached is sealed.
 */
function flagsOf({ holds }: BundleMap, programType: number): number {
  const canBeSealed = programType === programTypes.seccomp && holds !== "events";
  return (holds === "launch" ? mapFlags.readOnlyForPrograms : 0) | (canBeSealed ? mapFlags.sealable : 0);
}

function makeMap(map: BundleMap, programType: number, btf: number | undefined, launch: Uint8Array): BpfMap {
  const { name, keySize, valueSize, capacity, keyType, valueType } = map;
  const made = new BpfMap({
    ...{ name, keySize, valueSize, capacity },
    type: typeNumbers[map.type],
    flags: flagsOf(map, programType),
    btf: btf === undefined || valueType === 0 ? undefined : { descriptor: btf, key: keyType, value: valueType },
  });
  try {
    const initial = map.holds === "launch" ? launch : map.initial;
    for (let key = 0; key * valueSize < initial.length; key += 1)
      made.set(new Uint8Array(Uint32Array.of(key).buffer), initial.slice(key * valueSize, (key + 1) * valueSize));
    if (map.holds === "launch") made.freeze();
  } catch (error) {
    close(made.descriptor);
    throw error;
  }
  return made;
}

function relocate(
  { program, relocations, kernelFunctions: names }: Bundle,
  descriptors: readonly number[],
): Uint8Array {
  const instructions = program.slice();
  const view = new DataView(instructions.buffer);
  const numbers = names.length === 0 ? new Map<string, number>() : kernelFunctions(names);
  for (const { instruction, kind, index } of relocations) {
    const name = names[index]!;
    const value = kind === "map" ? descriptors[index]! : numbers.get(name);
    if (value === undefined) throw new MissingFunctionError(name);
    view.setInt32(8 * instruction + 4, value, true);
  }
  return instructions;
}
