/** Packs the npm package, installs it as an ordinary user, and runs it with each supported Node. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { asUser, copyFor, isReachable, ordinaryUser, reachableFolder } from "../support/ordinary-user.ts";
import { runs } from "../support/parts.ts";
import { patience } from "../support/patience.ts";

/** The releases of Node that portcullis is tested with. */
export const nodeVersions: readonly string[] = runs("nodes")
  ? JSON.parse(readFileSync("tools/node-releases.json", "utf8"))
  : [process.versions.node];

const isRoot = process.getuid?.() === 0;
/** Owned by the ordinary user. */
export const folder = reachableFolder("package");
export const home = join(folder, "home");
/** The installation folder. Its path has characters that a careless script would break on. */
export const project = join(folder, "ein Projekt für $HOME");
export const installed = join(project, "node_modules/portcullis");

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command as the ordinary user, with this Node first in PATH and without the tests' environment. */
export function asOrdinary(
  node: string,
  words: readonly string[],
  options: { cwd?: string; input?: string } = {},
): Ran {
  const { cwd = project, input = "" } = options;
  const [file, ...rest] = isRoot ? asUser(ordinaryUser, ...words) : words;
  const ran = spawnSync(file!, rest, {
    cwd,
    input,
    encoding: "utf8",
    timeout: patience.command,
    killSignal: "SIGKILL",
    env: {
      HOME: home,
      LANG: "C.UTF-8",
      PATH: [dirname(node), process.env["PATH"]].join(delimiter),
      npm_config_update_notifier: "false",
      ...registrySettings(),
    },
  });
  if (ran.error !== undefined) throw new Error(`${words.join(" ")}: ${ran.error.message}`, { cause: ran.error });
  return { status: ran.status, stdout: ran.stdout, stderr: ran.stderr };
}

/** The environment for access to the registry: a proxy, a mirror, certificates. */
export function registrySettings(): Record<string, string> {
  const names = /^(npm_config_.*|https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE)$/i;
  const given = Object.entries(process.env).filter(
    ([name]) => names.test(name) && !/prefix|cache|userconfig/i.test(name),
  );
  const registry = execFileSync("npm", ["config", "get", "registry"], { encoding: "utf8" }).trim();
  return { ...(Object.fromEntries(given) as Record<string, string>), npm_config_registry: registry };
}

/** The program of a Node release, from the npm registry; kept in build/. */
export function nodeOf(version: string): string {
  const words = ["tools/node.mjs", "path", version];
  const program = execFileSync(process.execPath, words, { encoding: "utf8", timeout: patience.command }).trim();
  return isReachable(program) ? program : copyFor(folder, program, `node-${version}/node`);
}

/** Packs the checkout and returns the package's file. */
export function pack(): string {
  const name = npm(["pack", "--silent", "--pack-destination", folder]).trim();
  return join(folder, name);
}

/** Packs the checkout and installs it as the ordinary user. */
export function installPackage(): void {
  const archive = pack();
  for (const each of [home, project]) mkdirSync(each);
  // An empty folder with the module system that npm init still writes.
  writeFileSync(join(project, "package.json"), '{ "private": true, "type": "commonjs" }\n');
  if (isRoot) execFileSync("chown", ["-R", `${ordinaryUser}:${ordinaryUser}`, home, project]);
  const ran = asOrdinary(process.execPath, ["npm", "install", "--no-fund", "--no-audit", archive]);
  if (ran.status !== 0) throw new Error(`npm install: ${ran.stdout}${ran.stderr}`);
}

function npm(words: readonly string[]): string {
  const ran = spawnSync("npm", [...words, "--no-fund", "--no-audit"], { encoding: "utf8", timeout: patience.command });
  if (ran.status !== 0) throw new Error(`npm ${words.join(" ")}: ${ran.stderr}`);
  return ran.stdout;
}

/** The reason why these tests cannot run here, or undefined. */
export function unable(): string | undefined {
  const path = (process.env["PATH"] ?? "").split(delimiter).map((each) => join(each, "npm"));
  const program = path.find((each) => existsSync(each));
  if (program === undefined) return "npm is not installed";
  if (!isReachable(program) || !isReachable(process.execPath)) return "an ordinary user cannot reach npm";
  const ran = spawnSync("npm", ["ping"], { encoding: "utf8", timeout: patience.command });
  return ran.status === 0 ? undefined : "the npm registry cannot be reached";
}
