/**
 * Runs in the machine: loads the bundles of its arguments, with the verifier's log of all paths, and reports in TAP
 * whether the kernel accepts each and the log shows the policy's lines.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Bundle } from "../../../src/backend/bundle/bundle.ts";
import { loadBundle } from "../../../src/backend/bundle/load.ts";
import { decodeBundle } from "../../../src/backend/bundle/read.ts";
import { probeFeatures } from "../../../src/machine/bpf/features.ts";
import { programInfo } from "../../../src/machine/bpf/programs.ts";
import { logLevels, VerifierError } from "../../../src/machine/bpf/verifier-log.ts";

/** The errors, one per line. */
function attempt(bundle: Bundle): readonly string[] {
  const loaded = loadBundle(bundle, logLevels.all);
  try {
    if (bundle.unprivileged || bundle.relocations.length === 0) return [];
    const places = bundle.sourceMap.flatMap(({ at }) => (at === undefined ? [] : [`${basename(at.file)}:${at.line}`]));
    const shown = [...loaded.log!.matchAll(/^; .* @ (\S+:\d+)$/gm)].map(([, place]) => place!);
    const ours = shown.filter((place) => places.includes(place));
    if (places.length > 0 && ours.length === 0) return ["the log shows no line of the policy"];
    return programInfo(loaded.program).lines === 0 ? ["the kernel keeps no lines"] : [];
  } finally {
    loaded.close();
  }
}

/** Starts a command under a bundle whose policy has state and declares files. */
function restricts(launcher: string, bundle: string): readonly string[] {
  const script =
    "echo x > /tmp/inside && echo written; echo x > /run/outside; mkdir /tmp/d; rmdir /tmp/d; rmdir /tmp/d";
  const ran = spawnSync(launcher, ["run", bundle, "--", "sh", "-c", script], { encoding: "utf8" });
  const wanted = [/^written$/m, /\/run\/outside: Permission denied/, /rmdir: .*Operation not permitted/];
  const said = `${ran.stdout}${ran.stderr}`;
  return wanted.every((one) => one.test(said)) ? [] : said.split("\n");
}

const [launcher = "", objects = "", ...bundles] = process.argv.slice(2);
const features = Object.entries(probeFeatures());
console.log(`1..${bundles.length + features.length + 1}`);
let number = 0;
const tell = (name: string, wrong: readonly string[]): void => {
  number += 1;
  if (wrong.length > 0) process.exitCode = 1;
  for (const line of wrong) console.log(`# ${line}`);
  console.log(`${wrong.length === 0 ? "ok" : "not ok"} ${number} ${name}`);
};
for (const [feature, state] of features)
  tell(`the probe finds ${feature}`, state === "present" ? [] : [`it is ${state}`]);
for (const file of bundles) {
  try {
    tell(basename(file), attempt(decodeBundle(readFileSync(file))));
  } catch (error) {
    const log = error instanceof VerifierError ? error.log.trimEnd().split("\n").slice(-30) : [];
    tell(basename(file), [...log, String(error)]);
  }
}
tell("a bundle restricts files, and its program calls", restricts(launcher, objects));
