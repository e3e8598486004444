/**
 * Builds images with buildah. No registry of images is asked: the base image has Node, npm and a shell of this machine.
 */
import { execFileSync, type SpawnSyncReturns, spawnSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { TestContext } from "vitest";
import { nativeFile } from "../../src/machine/native.ts";
import { registrySettings, unable } from "../package/installed.ts";
import { patience } from "./patience.ts";

const pathOf = (program: string): string => execFileSync("which", [program], { encoding: "utf8" }).trim();

export function skipWithoutImages({ skip }: TestContext): void {
  if (process.getuid?.() !== 0) skip("building an image without subordinate ids needs root");
  if (spawnSync("buildah", ["--version"]).error !== undefined) skip("buildah is not installed");
  if (spawnSync("unshare", ["--mount", "true"]).status !== 0) skip("root may make no mount namespace here");
  const reason = unable();
  if (reason !== undefined) skip(reason);
}

/** The programs that a Dockerfile, npm and bin/portcullis use, at Debian's paths, and all libraries of the package. */
function makeRoot(root: string, programs: readonly string[]): void {
  const binaries = join(root, "usr/bin");
  for (const name of ["usr/bin", "usr/lib", "etc", "root", "tmp", "home/node"])
    mkdirSync(join(root, name), { recursive: true });
  for (const name of ["bin", "lib", "lib64"])
    symlinkSync(name === "lib64" ? "usr/lib" : `usr/${name}`, join(root, name));
  const files = ["sh", "env", "rm", "uname", "readlink", ...programs].map(pathOf);
  for (const file of files) copyFileSync(file, join(binaries, basename(file)));
  copyFileSync(process.execPath, join(binaries, "node"));
  const parser = execFileSync("find", ["node_modules/@oxc-parser", "-name", "*.node"], { encoding: "utf8" });
  const linked = [...files, process.execPath, nativeFile("portcullis.node"), ...parser.trim().split("\n")];
  for (const file of linked) {
    for (const [library] of spawnSync("ldd", [file], { encoding: "utf8" }).stdout.matchAll(/\/\S+/g)) {
      const to = join(root, library);
      mkdirSync(dirname(to), { recursive: true });
      copyFileSync(library, to);
    }
  }
  const npm = dirname(dirname(realpathSync(pathOf("npm"))));
  const isText = (path: string) => ["docs", "man"].includes(path.slice(npm.length + 1));
  cpSync(npm, join(root, "usr/lib/node_modules/npm"), { recursive: true, filter: (path) => !isText(path) });
  symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", join(binaries, "npm"));
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\nnode:x:1000:\n");
  for (const name of ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"]) {
    const file = process.env[name];
    if (file === undefined) continue;
    mkdirSync(dirname(join(root, file)), { recursive: true });
    copyFileSync(file, join(root, file));
  }
}

/** buildah raises these limits, which a root without CAP_SYS_RESOURCE may not. */
function limits(): string[] {
  const text = readFileSync("/proc/self/limits", "utf8");
  return Object.entries({ nofile: "open files", nproc: "processes" }).flatMap(([name, title]) => {
    const [, hard] = new RegExp(`^Max ${title} +\\w+ +(\\d+)`, "m").exec(text) ?? [];
    return hard === undefined ? [] : ["--ulimit", `${name}=${hard}:${hard}`];
  });
}

export interface Images {
  buildah(...words: readonly string[]): SpawnSyncReturns<string>;
  /** The output of a command that succeeds. */
  done(...words: readonly string[]): string;
  /** Builds the Dockerfile of a folder on the base image. A container of the image. */
  build(context: string, tag: string): string;
}

/** @param programs further programs of the base image, by name */
export function imagesIn(folder: string, programs: readonly string[] = []): Images {
  const root = join(folder, "root");
  mkdirSync(root);
  makeRoot(root, programs);
  // buildah does not start without this program for private networks, whose package enables a service of the machine.
  const helpers = join(folder, "helpers");
  mkdirSync(helpers);
  writeFileSync(join(helpers, "netavark"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  const configuration = join(helpers, "containers.conf");
  writeFileSync(configuration, `[engine]\nhelper_binaries_dir = [${JSON.stringify(helpers)}]\n`);
  const storage = ["--root", join(folder, "storage"), "--runroot", join(folder, "run"), "--storage-driver", "vfs"];
  const buildah = (...words: readonly string[]) =>
    spawnSync("buildah", [...storage, ...words], {
      encoding: "utf8",
      timeout: patience.command,
      killSignal: "SIGKILL",
      env: { ...process.env, BUILDAH_ISOLATION: "chroot", CONTAINERS_CONF_OVERRIDE: configuration, TMPDIR: folder },
    });
  const done = (...words: readonly string[]): string => {
    const ran = buildah(...words);
    if (ran.status !== 0) throw new Error(`buildah ${words[0]}: ${ran.error ?? `${ran.stdout}${ran.stderr}`}`);
    return ran.stdout.trim();
  };
  const base = done("from", "scratch");
  done("add", base, root, "/");
  const settings = Object.entries(registrySettings()).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
  done("config", ...settings, base);
  done("commit", base, "localhost/base");
  const build = (context: string, tag: string): string => {
    done("build", ...limits(), "--build-arg", "BASE=localhost/base", "--tag", tag, context);
    return done("from", ...limits(), tag);
  };
  return { buildah, done, build };
}
