/** The digest by which the events of a policy name its text. */
import type { EnginePolicy } from "./engine.ts";

/** The compiled policy, whose events have this digest. */
export function withDigest<Policy extends Pick<EnginePolicy, "description">>(policy: Policy, digest: string): Policy {
  return { ...policy, description: { ...policy.description, digest } };
}
