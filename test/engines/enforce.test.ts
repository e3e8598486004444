/** The engine seccomp-ebpf in the machine: as root, as an ordinary user, in a user namespace, from bundles. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { casesInMachine, type Reporting, unable } from "../kernel/vm.ts";
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

// Node itself starts vitest, for npx takes as long again in the machine, and a thread half as long as a process. The runner
// loads the configuration: the other loader writes beside the modules, which only their owner may.
const vitest = ["node", "--import", "./test/engines/patient.mjs", "node_modules/vitest/vitest.mjs", "run"];
vitest.push(...["--configLoader", "runner", "--project", "system", "--pool", "threads", "--no-isolate"]);
vitest.push(...["--reporter", "./test/engines/tap-reporter.ts", "test/policies/real-programs.test.ts"]);

/** A home of its own for each user, because the cache of policies must belong to the user. */
const atHome = ["sh", "-c", 'HOME=$(mktemp -d) exec "$@"', "sh"];
const namespace = ["unshare", "--user", "--map-current-user"];
/**
 * The tests in which the kernel asks for the user's rights, under one policy each. Verdicts for an ordinary user are in the
 * replay, and in guest.mjs.
 */
const aboutRights = [
  "-t",
  "^(isolated .* under server|read-only-proc (is needed|refuses each way (under server|without any))|a rule on mount's flags)",
];
/** The longest builds need no state, and the host has them under the other engine. */
const withoutBuilds = ["-t", "^(?!build-step (lets gdb|allows a package))"];

const live = (who: string, uid: number, words: readonly string[], least: number): Reporting => ({
  title: `every ready policy passes its live tests under seccomp-ebpf, as ${who}`,
  command: { words: [...atHome, ...words], uid, env: { PORTCULLIS_TEST_ENGINE: "seccomp-ebpf" } },
  count: { atLeast: least },
});

await casesInMachine({ kernel: "patched" }, [
  ...(runs("users")
    ? [
        live("root", 0, vitest, 30),
        live("anybody", 65534, vitest, 30),
        live("anybody in a user namespace", 65534, [...namespace, ...vitest], 30),
      ]
    : [live("root", 0, [...vitest, ...withoutBuilds], 30), live("anybody", 65534, [...vitest, ...aboutRights], 5)]),
  { title: "seccomp-ebpf", command: { words: ["node", "test/engines/guest.mjs", folder] }, count: { atLeast: 24 } },
]);
