/** `portcullis record --container`: containers of podman, docker and containerd, by their ids, by the beginnings of these and by names. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { constants, gunzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { recorderOf } from "../../src/observe/record/session/registry.ts";
import { until } from "../support/patience.ts";
import { containerd, docker, podman } from "./container-engines.ts";
import { type Container, Place, type Run, type Runtime, type Words } from "./runtime.ts";

const program = resolve("bin/portcullis");
const tracefs = recorderOf("tracefs").probe();

/** A mount namespace in which the folders of the runtime are the usual ones. */
const mounting = `
seen=$1; shift
while [ "$1" != -- ]; do mkdir -p "$seen$2" && mount --bind "$1" "$seen$2" || exit 1; shift 2; done
shift
mount --rbind "$seen/run" /run && mount --rbind "$seen/var/lib" /var/lib && exec "$@"`;

for (const runtime of [podman("crun"), podman("runc"), containerd("runc"), docker()] satisfies Runtime[]) {
  describe(runtime.name, () => {
    const missing = runtime.missing() ?? (tracefs.works ? undefined : tracefs.why);
    let stop: (() => Promise<void>) | undefined;
    let place: Place;
    let count = 0;
    beforeAll(async () => {
      if (missing === undefined) stop = await runtime.start?.();
    });
    afterAll(() => stop?.());
    beforeEach(() => {
      place = new Place();
    });
    afterEach(() => place.remove());

    function containerOf(id: string): Container {
      const command = ["sh", "-c", "while :; do umask 037; sleep 0.02; done"];
      const profile = JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW" });
      return { id, root: place.root, shared: place.shared, profile, command };
    }

    function recording(container: Container, name: string): { readonly child: ChildProcess; readonly file: string } {
      const seen = join(place.folder, `seen-${count}`);
      for (const folder of ["run", "var/lib"]) mkdirSync(join(seen, folder), { recursive: true });
      const usual = ["/run/crun", "/run/runc", "/run/containerd/runc"].filter((one) => existsSync(one));
      const pairs = [...usual.map((one) => [one, one]), ...(runtime.folders?.(container) ?? [])].flat();
      const file = join(place.folder, `${count++}.trace`);
      const words = [program, "record", "-q", "-o", file, "--container", name];
      const [first, ...rest]: Words = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        mounting,
        "sh",
        seen,
        ...pairs,
        "--",
        ...words,
      ];
      return { child: spawn(first!, rest, { stdio: ["ignore", "ignore", "pipe"] }), file };
    }

    async function refusal(container: Container, name: string): Promise<string> {
      const { child } = recording(container, name);
      let error = "";
      child.stderr!.on("data", (part) => {
        error += part;
      });
      const [status] = await once(child, "close");
      expect(status, error).toBe(125);
      return error;
    }

    test.skipIf(missing !== undefined)("is recorded by name and id, while it runs", async () => {
      const container = containerOf(`web-${process.pid}`);
      const running: Run = runtime.run(container);
      let afterwards = "";
      try {
        let id = "";
        await until("it runs", async () => {
          if (running.failure) return false;
          id = (await runtime.origin(container)).containerId;
          return /^[\w-]+$/.test(id) && (await runtime.exec(container, ["true"])).status === 0;
        });
        for (const name of new Set([container.id, id, id.slice(0, 12)])) {
          const { child, file } = recording(container, name);
          let error = "";
          child.stderr!.on("data", (part) => {
            error += part;
          });
          const ended = once(child, "close");
          const text = () => {
            const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
            // While it is written, its end is missing.
            return bytes.length === 0 ? "" : gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).toString();
          };
          try {
            await until(`${name} is recorded`, () => {
              if (child.exitCode !== null) throw new Error(`${name}: ${error}`);
              return text().includes('"call":"umask"');
            });
          } finally {
            child.kill("SIGINT");
          }
          expect((await ended)[0], error).toBe(0);
          const lines = text()
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line) as Record<string, unknown>);
          expect(lines[0]).toMatchObject({ attached: `the container ${name}` });
          // A shell asks for the mask before.
          const masks = lines.flatMap(({ call, arguments: given }) =>
            call === "umask" ? [Number((given as string[])[0])] : [],
          );
          expect([...new Set(masks)].sort()).toEqual([0, 0o037]);
        }
        expect(await refusal(container, "none-of-them")).toMatch(/no container of root's .* the name none-of-them/);
      } finally {
        await runtime.kill(container);
        await running.end();
        afterwards = await refusal(container, container.id).finally(() => runtime.remove(container));
      }
      // ctr's removes it.
      expect(afterwards).toMatch(
        runtime.name.startsWith("ctr") ? /no container of root's/ : /the container web-\d+, [0-9a-f]{12} does not run/,
      );
    });
    if (missing !== undefined) test(`cannot run here: ${missing}`, (context) => context.skip(missing));
  });
}
