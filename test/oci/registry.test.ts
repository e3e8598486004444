/** A policy goes through a registry: skopeo copies its artifact to Debian's docker-registry on loopback, and back. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { expect, it, onTestFinished, type TestContext } from "vitest";
import { readLayout } from "../../src/backend/bundle/oci-layout.ts";
import { patience } from "../support/patience.ts";

const registryProgram = resolve("build/packages/docker-registry/usr/bin/docker-registry");

function skipUnlessPossible({ skip }: TestContext): void {
  if (spawnSync("skopeo", ["--version"]).error !== undefined) skip("skopeo is not installed");
  if (!existsSync(registryProgram)) skip("docker-registry is not unpacked to build/packages");
}

/** Starts a registry on a free port; it ends with the test. */
async function startRegistry(folder: string): Promise<string> {
  const file = join(folder, "registry.json");
  const configuration = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: join(folder, "registry") } },
    http: { addr: "127.0.0.1:0" },
  };
  writeFileSync(file, JSON.stringify(configuration));
  const server: ChildProcess = spawn(registryProgram, ["serve", file], { stdio: ["ignore", "ignore", "pipe"] });
  onTestFinished(() => void server.kill("SIGKILL"));
  for await (const line of createInterface({ input: server.stderr! })) {
    const [, address] = /listening on (127\.0\.0\.1:\d+)/.exec(line) ?? [];
    if (address === undefined) continue;
    server.stderr!.resume();
    return address;
  }
  throw new Error("docker-registry ends before it listens");
}

function run(command: string, ...words: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, words, {
    encoding: "utf8",
    timeout: patience.command,
    killSignal: "SIGKILL",
  });
  if (status !== 0) throw new Error(`${command} ${words.join(" ")}: ${error ?? stderr}`);
  return stdout;
}

const skopeo = (...words: readonly string[]): string => run("skopeo", "--insecure-policy", ...words);

it.for([
  ["the source of a policy", []],
  ["a bundle", ["--format", "pcl"]],
] as const)("%s is pushed to a registry and pulled from it, unchanged", async ([, format], context) => {
  skipUnlessPossible(context);
  const folder = mkdtempSync(join(tmpdir(), "portcullis-registry-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [written, pulled] = [join(folder, "written"), join(folder, "pulled")];
  run("bin/portcullis", "compile", "-p", "children", "--set", "most=8", ...format, "--oci-layout", written);
  const address = await startRegistry(folder);
  const named = `docker://${address}/policies/children`;
  const digest = join(folder, "digest");
  skopeo("copy", "--dest-tls-verify=false", `--digestfile=${digest}`, `oci:${written}`, `${named}:1`);
  skopeo("copy", "--src-tls-verify=false", `${named}:1`, `oci:${pulled}`);
  const read = readLayout(pulled);
  expect(read).toEqual(readLayout(written));
  expect(read).toMatchObject({ name: "children", parameters: new Map([["most", "8"]]) });

  // A signature covers the digest, by which users then refer to the policy.
  const again = join(folder, "again");
  skopeo("copy", "--src-tls-verify=false", `${named}@${readFileSync(digest, "utf8")}`, `oci:${again}`);
  expect(readLayout(again)).toEqual(read);
});

it("the profile of a policy without state is pushed beside it, as container runtimes demand it", async (context) => {
  skipUnlessPossible(context);
  const folder = mkdtempSync(join(tmpdir(), "portcullis-registry-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const written = join(folder, "written");
  run("bin/portcullis", "compile", "-p", "against/cve-2017-5123", "--oci-layout", written);
  const named = `docker://${await startRegistry(folder)}/profiles/cve-2017-5123:1`;
  skopeo("copy", "--dest-tls-verify=false", `oci:${written}:seccomp-profile`, named);
  const manifest = JSON.parse(skopeo("inspect", "--raw", "--tls-verify=false", named)) as {
    readonly layers: readonly { readonly digest: string; readonly size: number }[];
  };
  // KEP-6061, "OCI Artifact Format": the type of the config, one raw layer; at most 1 MiB and 128 entries of a call.
  const type = "application/vnd.cncf.seccomp-profile.config.v1+json";
  expect(manifest).toMatchObject({ artifactType: type, config: { mediaType: type, size: 2 } });
  expect(manifest.layers).toHaveLength(1);
  const [layer] = manifest.layers;
  expect(layer!.size).toBeLessThan(1 << 20);
  const text = readFileSync(join(written, "blobs", layer!.digest.replace(":", "/")), "utf8");
  expect(text).toBe(run("bin/portcullis", "export", "oci", "against/cve-2017-5123"));
  const { syscalls, ...profile } = JSON.parse(text) as { readonly syscalls: readonly { readonly names: string[] }[] };
  expect(Object.keys(profile)).toEqual(["defaultAction", "defaultErrnoRet", "architectures"]);
  const entries = syscalls
    .flatMap(({ names }) => names)
    .map((name, _, all) => all.filter((one) => one === name).length);
  expect(Math.max(...entries)).toBeLessThanOrEqual(128);
});
