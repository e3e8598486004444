/** The policies of the checkout, as paths from its root. */
import { readdirSync } from "node:fs";

/** The ready policies, without flows and the policies of folders. */
export const readyPolicies: readonly string[] = readdirSync("policies")
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".flow.ts"))
  .map((file) => `policies/${file}`);

export const ociProfiles: readonly string[] = readdirSync("test/fixtures/oci")
  .filter((file) => file.endsWith(".json"))
  .map((file) => `test/fixtures/oci/${file}`);
