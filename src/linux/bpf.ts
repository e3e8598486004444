/** bpf(2), typed: maps, programs, type information, ring buffers, and a probe of the running kernel's features. */
export { BpfError } from "./bpf/command.ts";
export { type Features, probeFeatures } from "./bpf/features.ts";
export { BpfMap, mapInfo } from "./bpf/maps.ts";
export { mapFlags, mapTypes, type ProgramType, programFlags, programTypes } from "./bpf/numbers.ts";
export {
  InterruptedError,
  loadProgram,
  loadWithLog,
  type ProgramDescription,
  programInfo,
  TestRun,
} from "./bpf/programs.ts";
export { RingBufferReader } from "./bpf/ring-buffer.ts";
export { findFunctions, kernelFunctions, loadBtf } from "./bpf/type-information.ts";
export { logLevels, VerifierError } from "./bpf/verifier-log.ts";
