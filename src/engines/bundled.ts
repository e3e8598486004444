/** A policy from a bundle's file: nothing is compiled. */

import type { Place } from "../bundle/bundle.ts";
import { decodeBundle } from "../bundle/read.ts";
import { parameterWordsFor } from "../bundle/settings.ts";
import type { Location } from "../ir/location.ts";
import { programTypes } from "../linux/bpf.ts";
import type { SeccompEbpfPolicy } from "./seccomp-ebpf/policy.ts";
import { StartError } from "./start-error.ts";

/** The engine that enforces bundles. */
export const bundleEngine = "seccomp-ebpf";

/**
 * Throws a BundleError where the bytes are no bundle, a StartError where it is for something else than this engine, a
 * SettingError where the bundle's open parameters cannot be set so.
 */
export function bundledPolicy(bytes: Uint8Array, settings: ReadonlyMap<string, string>): SeccompEbpfPolicy {
  const bundle = decodeBundle(bytes);
  if (bundle.programType !== programTypes.seccomp) {
    throw new StartError(
      125,
      `this bundle is for the target ${bundle.target}, which enforces nothing`,
      "portcullis compile --target seccomp",
    );
  }
  const files: string[] = [];
  const located = (place: Place | undefined): Location | undefined => {
    if (place === undefined) return undefined;
    const { file, ...rest } = place;
    if (!files.includes(file)) files.push(file);
    return { file: files.indexOf(file), ...rest };
  };
  const { architecture, name } = bundle;
  const verdicts = bundle.verdicts.map(({ at, ...verdict }) => ({ ...verdict, at: located(at) }));
  const reports = bundle.reports.map(({ at, ...report }) => ({ ...report, at: located(at) }));
  const events = bundle.maps.find(({ holds }) => holds === "events");
  return {
    mode: "reported",
    bundle: bytes,
    parameters: parameterWordsFor(bundle, settings),
    eventsSize: events?.capacity ?? 0,
    // Which phase a process was in is not in a bundle.
    description: { architecture, name, files, verdicts, reports, phases: [] },
    // No bundle asks about memory behind pointers (P0606).
    allowedPaths: [],
  };
}
