/**
 * Exports a policy as a SeccompProfile of the Kubernetes Security Profiles Operator (security-profiles-operator.x-k8s.io/v1,
 * since its release 1.0.0; in v1beta1 `errnoRet` is a text, which runtimes refuse).
 *
 * The rules are those of an OCI profile, with these differences: there is no `defaultErrnoRet`, so calls without a rule get
 * EPERM; integers have 63 bits, so the agent decides about calls that need larger ones; an `errnoRet` of 0 means EPERM.
 */

import { errno } from "../abi/errno-numbers.ts";
import { returnWord } from "../abi/return-word.ts";
import type { Program } from "../ir/program.ts";
import { exportOci, type OciExport, type OciOptions, type OciProfile } from "./oci.ts";

/** The operator permits sockets in this folder only. */
export const spoSocket = "/var/run/security-profiles-operator/portcullis.sock";
export const isSpoSocket = (path: string): boolean =>
  /^\/var\/run\/security-profiles-operator\/[\w.-]+$/.test(path) && path.length <= 107;

/** Throws as `exportOci`. */
export function exportSpo(program: Program, options: Omit<OciOptions, "usual" | "mostValue">): OciExport {
  return exportOci(program, { ...options, usual: returnWord("ERRNO", errno.EPERM), mostValue: (1n << 63n) - 1n });
}

/** The manifest, in YAML. */
export function spoText(profile: OciProfile, policy: string): string {
  // The operator's schema does not have it; the runtime's default is the same.
  const { defaultErrnoRet: _, ...spec } = profile;
  return yamlText({
    apiVersion: "security-profiles-operator.x-k8s.io/v1",
    kind: "SeccompProfile",
    metadata: { name: objectName(policy) },
    spec,
  });
}

/** A name as Kubernetes permits it (RFC 1123). */
export function objectName(policy: string): string {
  const name = policy.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return name.replace(/^-+/, "").slice(0, 63).replace(/-+$/, "") || "policy";
}

type Value = string | number | bigint | readonly Value[] | { readonly [key: string]: Value | undefined };

/** YAML for plain data: every text is quoted as in JSON; lists of plain values are on one line. */
export function yamlText(value: { readonly [key: string]: unknown }): string {
  return lines(value as { readonly [key: string]: Value | undefined }, "").join("");
}

function lines(map: { readonly [key: string]: Value | undefined }, indent: string): string[] {
  return Object.entries(map).flatMap(([key, value]) => {
    if (value === undefined) return [];
    if (Array.isArray(value) && value.some((each) => typeof each === "object")) {
      return [
        `${indent}${key}:\n`,
        ...value.flatMap((each) => item(each as { readonly [key: string]: Value }, indent)),
      ];
    }
    if (typeof value === "object" && !Array.isArray(value)) {
      return [`${indent}${key}:\n`, ...lines(value as { readonly [key: string]: Value }, `${indent}  `)];
    }
    return [`${indent}${key}: ${plain(value)}\n`];
  });
}

function item(map: { readonly [key: string]: Value }, indent: string): string[] {
  const [first = "", ...rest] = lines(map, `${indent}  `);
  return [`${indent}- ${first.trimStart()}`, ...rest];
}

function plain(value: Value): string {
  if (Array.isArray(value)) return `[${value.map(plain).join(", ")}]`;
  return typeof value === "string" ? JSON.stringify(value) : `${value as number | bigint}`;
}
