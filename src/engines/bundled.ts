/** Reads a policy from a bundle's file, so that a start compiles nothing. */

import type { Place } from "../backend/bundle/bundle.ts";
import { digestIn } from "../backend/bundle/format.ts";
import { decodeBundle } from "../backend/bundle/read.ts";
import { parameterWordsFor } from "../backend/bundle/settings.ts";
import type { Location } from "../ir/location.ts";
import type { SeccompEbpfPolicy } from "./seccomp-ebpf/policy.ts";

/** The engine that enforces bundles. */
export const bundleEngine = "seccomp-ebpf";

/**
 * Throws a BundleError if the bytes are not a bundle, and a SettingError if a setting does not fit the bundle's open
 * parameters.
 */
export function bundledPolicy(bytes: Uint8Array, settings: ReadonlyMap<string, string>): SeccompEbpfPolicy {
  const bundle = decodeBundle(bytes);
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
    // A bundle has no names of phases.
    description: { architecture, name, digest: `sha256:${digestIn(bytes)}`, files, verdicts, reports, phases: [] },
    // The allowed paths are known when a policy is compiled; a bundle does not have them.
    allowedPaths: [],
    refusedObjects: [],
    readOnlyProc: bundle.readOnlyProc,
    objects: bundle.objects,
  };
}
