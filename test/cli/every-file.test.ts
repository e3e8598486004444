/** What each verb says about a file that is none of its own: a directory, a pipe, a device, random bytes, a missing one. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { folderOf, portcullis } from "./harness.ts";

test("every kind of file gets a result or an error", async () => {
  const folder = folderOf({
    "p.ts": 'import { allow, policy } from "portcullis";\nexport default policy(() => allow);\n',
    latin1: Buffer.from([0x6d, 0xe9, 0x0a]),
    random: Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7919) % 251)),
    empty: "",
  });
  mkdirSync(join(folder, "directory"));
  execFileSync("mkfifo", [join(folder, "fifo")]);
  const inputs = ["latin1", "random", "empty", "directory", "fifo", "missing", "p.ts"].map((name) =>
    join(folder, name),
  );
  for (const input of [...inputs, "/dev/zero", "/dev/null", "a\0b"]) {
    for (const argv of [
      ["simulate", join(folder, "p.ts"), input],
      ["test", "-p", join(folder, "p.ts"), input],
      ["flow", input],
      ...(input.endsWith("p.ts")
        ? []
        : [
            ["check", input],
            ["explain", input],
            ["run", "-p", input, "--", "true"],
          ]),
    ]) {
      const { status, out, err } = await portcullis(...argv);
      expect({ argv, status, out }).toEqual({ argv, status: 125, out: "" });
      expect(err, argv.join(" ")).toMatch(/error P\d{4}: /);
      expect(err).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
      expect(err).not.toContain("internal error");
    }
  }
});
