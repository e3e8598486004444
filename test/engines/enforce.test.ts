/** The engine seccomp-ebpf in the machine: as root, as an ordinary user, in a user namespace, from bundles; and it fails closed. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { casesInMachine, unable } from "../kernel/vm.ts";
import { runs } from "../support/parts.ts";
import { compiled, portcullis } from "../support/run.ts";

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
  execFileSync("make", ["-s", "-C", "native"], { stdio: "inherit" });
  mkdirSync(folder, { recursive: true });
  compiled("test/policies/victims/attempt.c");
  compiled("test/policies/victims/attempt.c", ["-static"]);
  compiled("test/policies/victims/flow.c", ["-static"]);
  compiled("test/policies/victims/reach.c");
  compiled("test/policies/victims/proc_mem.c");
  compiled("test/policies/victims/proc_mem.c", ["-shared", "-fPIC"]);
  compiled("demo/hijacked.c");
  copyFileSync(compiled("test/policies/victims/top.c"), `${folder}/top-work`);
  writeFileSync(`${folder}/top.ts`, topPolicy);
  // The parameter of the one stays open.
  for (const policy of ["children", "exec-once"]) {
    const ran = portcullis(["compile", "-p", policy, "-o", `${folder}/${policy}.pcl`]);
    if (ran.status !== 0) throw new Error(ran.stderr);
  }
}

const reason = unable("patched");
if (reason === undefined) prepare();
await casesInMachine({ kernel: "patched" }, [
  { title: "seccomp-ebpf", command: { words: ["node", "test/engines/guest.mjs", folder] }, count: { atLeast: 26 } },
]);

// Node itself starts vitest, for npx takes as long again in the machine. The runner loads the configuration: the other loader
// writes beside the modules, which only their owner may.
const live = ["node", "--import", "./test/engines/patient.mjs", "node_modules/vitest/vitest.mjs", "run"];
live.push(
  "--configLoader",
  "runner",
  "--reporter",
  "./test/engines/tap-reporter.ts",
  "test/policies/real-programs.test.ts",
);
const anybody = { user: "65534" };
const users = [
  ["root", {}, []],
  ["anybody", anybody, []],
  ...(runs("users")
    ? [["anybody in a user namespace", anybody, ["unshare", "--user", "--map-current-user"]] as const]
    : []),
] as const;
await Promise.all(
  users.map(([who, more, inside]) =>
    casesInMachine({ kernel: "patched", env: { PORTCULLIS_TEST_ENGINE: "seccomp-ebpf", HOME: "/tmp" }, ...more }, [
      {
        title: `every ready policy passes its live tests under seccomp-ebpf, as ${who}`,
        command: { words: [...inside, ...live] },
        count: { atLeast: 30 },
      },
    ]),
  ),
);
