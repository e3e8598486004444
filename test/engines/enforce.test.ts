/** The engine seccomp-ebpf in the machine: as root, as an ordinary user, in a user namespace, from bundles. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { afterAll, beforeEach, describe } from "vitest";
import { casesInMachine, doctorUntil, shareMachine, unable } from "../kernel/vm.ts";
import { testBuilds, testPrograms, testRights } from "../policies/real-programs.ts";
import { runs } from "../support/parts.ts";
import { patience } from "../support/patience.ts";
import { compiled, portcullis } from "../support/run.ts";
import { buildService, machinePlace } from "./machine-place.ts";

const folder = "build/engines";

/** Refuses mkdir in a phase, and stores its modes as keys of a table that is a map. */
const topPolicy = `import { allow, deny, perProcess, perTree, policy } from "portcullis";
const phase = perProcess.phases(["starting", "asking"]);
const seen = perTree.set({ capacity: 100n, full: deny("ENOSPC") });
export default policy((call) => {
  if (call.name === "mkdir") {
    seen.add(call.args.mode);
    return phase.is("asking") ? deny("EACCES", "no folders") : allow;
  }
  if (call.name === "getppid") phase.enter("asking");
  return allow;
});
`;

/** The host makes the guest's files, because it is faster. */
function prepare(): void {
  mkdirSync(folder, { recursive: true });
  compiled("test/policies/victims/attempt.c");
  compiled("demo/hijacked.c");
  copyFileSync(compiled("test/policies/victims/top.c"), `${folder}/top-work`);
  writeFileSync(`${folder}/top.ts`, topPolicy);
  // The parameter of the one stays open.
  for (const [policy, target] of [
    ["children", "seccomp"],
    ["children", "unprivileged"],
    ["exec-once", "seccomp"],
    ["nginx", "seccomp"],
  ] as const) {
    const file = `${folder}/${policy}${target === "seccomp" ? "" : `-${target}`}.pcl`;
    const ran = portcullis(["compile", "--target", target, "-p", policy, "-o", file]);
    if (ran.status !== 0) throw new Error(ran.stderr);
  }
}

const reason = unable("patched");
if (reason === undefined) prepare();

if (reason === undefined) {
  await buildService();
  // If this file runs alone, its lists have one machine, too.
  afterAll(shareMachine(), patience.machine);
}

const doctor = JSON.stringify(doctorUntil("engine seccomp-ebpf: processes have state"));
await casesInMachine({ kernel: "patched" }, [
  {
    title: "seccomp-ebpf",
    command: { words: ["node", "test/engines/guest.mjs", folder, doctor] },
    count: { atLeast: 24 },
  },
]);

describe.each([
  { who: "root", user: { uid: 0 }, all: true },
  { who: "anybody", user: { uid: 65534 }, all: runs("users") },
  ...(runs("users")
    ? [{ who: "anybody in a user namespace", user: { uid: 65534, inNamespace: true }, all: true }]
    : []),
])(
  "every ready policy passes its live tests under seccomp-ebpf, as $who",
  { timeout: patience.machineTest },
  ({ user, all }) => {
    beforeEach((context) => {
      if (reason !== undefined) context.skip(reason);
    });
    const place = machinePlace(user);
    if (all) testPrograms(place);
    // Verdicts for an ordinary user are in the replay, and in guest.mjs.
    testRights(place, all ? undefined : ["server"]);
    // The host has them under the other engine.
    if (all && runs("users")) testBuilds(place);
  },
);
