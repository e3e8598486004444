/** Builds the Dockerfile of docs/deployment.md with buildah and runs its image. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { pack } from "../package/installed.ts";
import { imagesIn, skipWithoutImages } from "../support/image.ts";

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

it("the Dockerfile of the document builds an image that runs its server under the policy", (context) => {
  skipWithoutImages(context);
  const folder = mkdtempSync(join(tmpdir(), "portcullis-image-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const input = join(folder, "context");
  mkdirSync(input);
  const archive = pack();
  copyFileSync(archive, join(input, basename(archive)));
  writeFileSync(join(input, "server.mjs"), server);
  writeFileSync(join(input, "Dockerfile"), dockerfile);

  const { buildah, done, build } = imagesIn(folder);
  const container = build(input, "localhost/server");
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
