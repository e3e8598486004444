/** `doctor`'s findings about `run` through an agent: whether one is there, and what it cannot supervise here. */
import { lstatSync } from "node:fs";
import { release } from "node:os";
import { kernelAtLeast } from "../../abi/kernel-version.ts";
import { examineSurroundings } from "../../agent/local/served.ts";
import type { Finding } from "../../engines/engine/finding.ts";
import { sysctl } from "../../machine/proc.ts";
import { systemdFolder } from "../../observe/status/location.ts";
import type { Context } from "../context.ts";

export function* agentFindings({ environment }: Context): Generator<Finding> {
  if (!kernelAtLeast(release(), 6, 5)) {
    yield {
      state: "note",
      what: "each run starts a process of its own: an agent cannot identify its clients here",
      help: "SO_PEERPIDFD came with Linux 6.5",
    };
    return;
  }
  // native/launcher/agent.c looks in these places.
  const runtime = environment["XDG_RUNTIME_DIR"] || systemdFolder();
  const places = [...(runtime?.startsWith("/") ? [`${runtime}/portcullis/run.sock`] : []), "/run/portcullis/run.sock"];
  const socket = places.find((place) => lstatSync(place, { throwIfNoEntry: false })?.isSocket() === true);
  if (socket === undefined) {
    yield { state: "note", what: "each run starts a process of its own, because no agent runs" };
    return;
  }
  yield { state: "fine", what: `run asks the agent of ${socket} first` };
  if (examineSurroundings().mayTrace) return;
  yield {
    state: "note",
    what: `kernel.yama.ptrace_scope is ${sysctl("kernel/yama/ptrace_scope")}: the agent serves only policies none of whose calls needs a supervisor`,
    help: "for the others run starts a process of its own, which may follow its descendants",
  };
}
