/** The variables of a package's script: without credentials, with its own cache and temporary directory. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Context } from "../context.ts";

type Environment = Context["environment"];

const credential =
  /(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|AUTH|APIKEY|(?:API|ACCESS|PRIVATE)_?KEY)(?:_|$)|^(?:AWS|AZURE|GOOGLE|GCP|CLOUDSDK)_|auth_?token|_SOCK$|^GPG_/i;
const urlWithPassword = /:\/\/[^/\s@]*:[^/\s@]+@/;

/** The names of variables that look like credentials, by their name or a password in a URL, and lead to agents. */
export function credentialsIn(environment: Environment, kept: readonly string[]): string[] {
  return Object.entries(environment).flatMap(([name, value]) =>
    (credential.test(name) || urlWithPassword.test(value ?? "")) && !kept.includes(name) ? [name] : [],
  );
}

/** Node's headers, which node-gyp otherwise fetches: those of the user's choice, of this Node, or of node-gyp's own folder. */
export function nodeHeaders(environment: Environment, cache: string): string | undefined {
  const own = dirname(dirname(process.execPath));
  return [environment["npm_config_nodedir"], own, join(cache, "node-gyp", process.versions.node)].find(
    (folder) => folder !== undefined && existsSync(join(folder, "include/node/node.h")),
  );
}
