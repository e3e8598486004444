/**
 * The shares of each folder of src, in percent of its statements and of its branches, that the unit tests must execute: a
 * little less than they executed when the line was written. `npm run test:coverage` checks them. The project "system" tests
 * the folders that are not here, through processes and kernels.
 */
const least: Readonly<Record<string, readonly [statements: number, branches: number]>> = {
  "src/amend": [86, 76],
  "src/analysis": [92, 87],
  "src/analysis/compare": [96, 86],
  "src/analysis/explain": [91, 82],
  "src/analysis/lint": [95, 84],
  "src/analysis/split": [94, 91],
  "src/bundle": [71, 64],
  "src/cli": [48, 37],
  "src/cli/policy": [44, 46],
  "src/cli/top": [64, 67],
  "src/cli/verbs": [30, 26],
  "src/compile": [96, 95],
  "src/compile/btf": [92, 82],
  "src/compile/classic": [96, 92],
  "src/compile/ebpf": [95, 90],
  "src/compile/ebpf/emit": [96, 95],
  "src/compile/ebpf/graph": [97, 96],
  "src/compile/ebpf/instructions": [83, 79],
  "src/compile/ebpf/lower": [94, 87],
  "src/compile/ebpf/memory": [96, 93],
  "src/compile/ebpf/passes": [94, 93],
  "src/compile/ebpf/tables": [98, 98],
  "src/compile/ebpf/targets": [94, 89],
  "src/compile/wasm": [96, 92],
  "src/diagnostics": [95, 89],
  "src/engines/simulate": [93, 86],
  "src/engines/simulate/unknown": [69, 58],
  "src/events": [78, 73],
  "src/ir": [95, 92],
  "src/ir/optimise": [98, 97],
  "src/ir/simplify": [96, 97],
  "src/language": [74, 56],
  "src/language/library": [87, 78],
  "src/language/library/observed": [74, 55],
  "src/language/lower": [91, 84],
  "src/language/oci": [94, 87],
  "src/language/program": [88, 74],
  "src/language/source": [88, 75],
  "src/language/values": [71, 65],
  "src/language/walk": [96, 90],
  "src/linux": [71, 71],
  "src/objects": [97, 95],
  "src/patterns": [97, 95],
  "src/propose": [91, 86],
  "src/record": [70, 66],
  "src/rooms": [98, 98],
  "src/traces": [87, 83],
};

/** For vitest. */
export const thresholds = Object.fromEntries(
  Object.entries(least).map(([folder, [statements, branches]]) => [`${folder}/*.ts`, { statements, branches }]),
);
