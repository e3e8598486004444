/**
 * Builds the Dockerfile of docs/deployment.md with buildah and runs its image. No registry of images is asked: the base
 * image has Node, npm and a shell of this machine.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { expect, it, onTestFinished, type TestContext } from "vitest";
import { nativeFile } from "../../src/linux/native.ts";
import { pack, registrySettings, unable } from "../package/installed.ts";
import { patience } from "../support/patience.ts";

const document = readFileSync("docs/deployment.md", "utf8");
const dockerfile = /```dockerfile\n([\s\S]*?)```/.exec(document)![1]!;

/** Serves itself, then does what an intruder would do first. */
const server = `import { spawnSync } from "node:child_process";
import { createServer } from "node:http";
import { userInfo } from "node:os";
const server = createServer((_, response) => response.end("served " + userInfo().username));
server.listen(0, "127.0.0.1", async () => {
  const answer = await fetch("http://127.0.0.1:" + server.address().port);
  console.log(await answer.text());
  const { status, signal } = spawnSync("/usr/bin/env");
  console.log("executed", status, signal);
  process.exit(4);
});
`;

const pathOf = (program: string): string => execFileSync("which", [program], { encoding: "utf8" }).trim();

function skipUnlessPossible({ skip }: TestContext): void {
  if (process.getuid?.() !== 0) skip("building an image without subordinate ids needs root");
  if (spawnSync("buildah", ["--version"]).error !== undefined) skip("buildah is not installed");
  if (spawnSync("unshare", ["--mount", "true"]).status !== 0) skip("root may make no mount namespace here");
  const reason = unable();
  if (reason !== undefined) skip(reason);
}

/** The programs that the Dockerfile, npm and bin/portcullis use, at Debian's paths, and all libraries of the package. */
function makeRoot(root: string): void {
  const binaries = join(root, "usr/bin");
  for (const name of ["usr/bin", "usr/lib", "etc", "root", "tmp", "home/node"])
    mkdirSync(join(root, name), { recursive: true });
  for (const name of ["bin", "lib", "lib64"])
    symlinkSync(name === "lib64" ? "usr/lib" : `usr/${name}`, join(root, name));
  const files = ["sh", "env", "rm", "uname", "readlink"].map(pathOf);
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

it("the Dockerfile of the document builds an image that runs its server under the policy", (context) => {
  skipUnlessPossible(context);
  const folder = mkdtempSync(join(tmpdir(), "portcullis-image-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const root = join(folder, "root");
  const input = join(folder, "context");
  for (const name of [root, input]) mkdirSync(name);
  makeRoot(root);
  const archive = pack();
  copyFileSync(archive, join(input, basename(archive)));
  writeFileSync(join(input, "server.mjs"), server);
  writeFileSync(join(input, "Dockerfile"), dockerfile);

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
  done("build", ...limits(), "--build-arg", "BASE=localhost/base", "--tag", "localhost/server", input);
  const container = done("from", ...limits(), "localhost/server");
  const { OCIv1 } = JSON.parse(done("inspect", container)) as {
    readonly OCIv1: { readonly config: { readonly Entrypoint: readonly string[]; readonly Cmd: readonly string[] } };
  };
  const { Entrypoint, Cmd } = OCIv1.config;

  const ran = buildah("run", container, "--", ...Entrypoint, ...Cmd);
  // The policy kills a serving process's child that starts a program.
  expect(ran.stdout, ran.stderr).toMatch(/^served node\nexecuted null SIG(SYS|KILL)\n$/);
  expect(ran.stderr).toMatch(/^portcullis: .*execve\(.*: killed the process \(a serving process started a program\)/m);
  expect(ran.status).toBe(4);
});
