/** Tests examples/systemd: systemd accepts the units, and starts the example's server at its first connection. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { freeAddress } from "../support/address.ts";
import { until } from "../support/patience.ts";

const examples = join(process.cwd(), "examples/systemd");

/** The example with the paths of this checkout, by links, because a unit must quote spaces and other characters. */
function here(text: string): string {
  const links = folder();
  symlinkSync(process.cwd(), join(links, "checkout"));
  symlinkSync(process.execPath, join(links, "node"));
  return text
    .replaceAll("/usr/bin/portcullis", join(links, "checkout/bin/portcullis"))
    .replaceAll("/usr/bin/node", join(links, "node"))
    .replaceAll("/usr/local/lib/hello", join(links, "checkout/examples/systemd"));
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "portcullis-systemd-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

it("has units that systemd accepts without a message", () => {
  const agent = ["portcullis-agent.service", "portcullis-agent.socket"];
  for (const [place, manager, expected] of [
    [examples, [], ["hello.service", "hello.socket", ...agent]],
    [join(examples, "user"), ["--user"], agent],
  ] as const) {
    const units = folder();
    const names = readdirSync(place).filter((name) => /\.(service|socket)$/.test(name));
    expect(names.sort()).toEqual(expected);
    for (const name of names) writeFileSync(join(units, name), here(readFileSync(join(place, name), "utf8")));
    for (const name of names) {
      const words = ["verify", "--man=no", ...manager, join(units, name)];
      const env = { ...process.env, XDG_RUNTIME_DIR: units };
      const ran = spawnSync("systemd-analyze", words, { encoding: "utf8", env });
      expect({ name, said: ran.stderr + ran.stdout, status: ran.status }).toEqual({ name, said: "", status: 0 });
    }
  }
});

it("serves on the socket that systemd opens", async () => {
  const unit = here(readFileSync(join(examples, "hello.service"), "utf8"));
  const command = /^ExecStart=(.*)$/m.exec(unit)![1]!.split(" ");
  const { host, port } = await freeAddress();
  const said = join(folder(), "said");
  const output = openSync(said, "w");
  // It executes the command at the first connection, before the connection is accepted.
  const activated = spawn("systemd-socket-activate", ["-l", `${host}:${port}`, ...command], {
    stdio: ["ignore", output, output],
  });
  const ended = once(activated, "exit");
  onTestFinished(async () => {
    activated.kill("SIGTERM");
    await ended;
  });
  await until("it listens", () => readFileSync(said, "utf8").includes("Listening on"));
  const answer = await fetch(`http://${host}:${port}/`);
  expect(await answer.text(), readFileSync(said, "utf8")).toBe("hello from below portcullis\n");
});

it("has a server that is a valid module", () => {
  execFileSync(process.execPath, ["--check", join(examples, "hello.mjs")]);
});
