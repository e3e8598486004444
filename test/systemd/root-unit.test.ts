/** Root's units of examples/systemd under Debian's systemd: start, readiness, restarts and ends, with containers of crun. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../support/patience.ts";
import { make, policies, RootService, refusedThird, unit, whyNoService } from "./root-service.ts";

const reason = whyNoService();
if (reason !== undefined) test("no systemd can run", (context) => context.skip(reason));

describe.skipIf(reason !== undefined)("root's units", () => {
  const service = new RootService();
  const { machine } = service;
  beforeAll(() => service.boot());
  afterAll(() => service.close());

  test("start the agent for a container that is earlier, which waits", async () => {
    expect(await service.property("ActiveState")).toBe("inactive");
    const one = await service.folders();
    expect(await make(one, "a b c")).toMatch(refusedThird);
    expect(await service.property("ActiveState")).toBe("active");
    expect((await service.status()).trees).toMatchObject([{ origin: { containerId: one.id }, refused: 1 }]);
    await one.command.end();
    // A line of the journal names the container, the call and the policy's line; the folder has no ready policies.
    const line = new RegExp(
      `\\[${one.id}\\] mkdir\\[.*: denied with EDQUOT .*folders\\.ts:6:\\d+; to permit it, change that line$`,
      "m",
    );
    await until("the journal has the call", async () => line.test(await service.journal()));
  });

  test("start the agent, which is ready when the command returns", async () => {
    await machine.ask("systemctl", "stop", unit);
    await machine.ask("systemctl", "enable", "--now", unit);
    const names = Object.keys(policies).sort();
    expect((await service.status()).policies).toMatchObject(names.map((name) => ({ name })));
    expect(await service.property("StatusText")).toBe(`0 trees, ${names.length} policies`);
    expect(await service.property("NotifyAccess")).toBe("main");
    // The agent refuses processes outside of its pid namespace.
    const fetch = `require("http").get({ socketPath: "/run/portcullis/metrics.sock", path: "/metrics", agent: false },
      (response) => response.pipe(process.stdout))`;
    expect(await machine.ask("node", "-e", fetch)).toMatch(/^portcullis_policies 4$/m);
  });

  describe("restart the agent:", () => {
    test("as often as an administrator wants, under load, without a lost call or count", async () => {
      const most = 1500;
      const profile = await service.profileOf("folders", "--set", `most=${most}`);
      const one = service.start(profile, "cd /shared && exec ./load 3");
      await one.command.says("begun");
      const before = (await service.status()).trees[0]!;
      // systemd's limit is five starts within ten seconds.
      for (let round = 0; round < 7; round++) await service.restart();
      await until("the limit is reached", async () => (await service.status()).trees[0]!.refused > 0);
      expect((await service.status()).trees).toMatchObject([{ number: before.number, started: before.started }]);
      writeFileSync(join(one.place.shared, "stop"), "");
      const { out } = await one.command.end();
      expect(out).toMatch(new RegExp(`^made ${most}, refused [1-9]\\d*, other 0, error 0$`, "m"));
      expect(await service.property("NFileDescriptorStore")).toBe("0");
    });

    test("a SIGTERM of another process, and a new systemd meanwhile, lose nothing", async () => {
      const one = await service.folders();
      expect(await make(one, "a")).toBe("done\n");
      const before = await service.property("MainPID");
      await machine.ask("kill", "-TERM", before);
      await service.succeeds(before);
      await machine.ask("systemctl", "daemon-reexec");
      await service.restart();
      expect(await make(one, "b c")).toMatch(refusedThird);
      await one.command.end();
    });

    test("one that does not start, as after a failed upgrade, is tried again; trees and new containers wait", async () => {
      const one = await service.folders();
      const profile = await service.profileOf("folders");
      expect(await make(one, "a")).toBe("done\n");
      await service.dropIn("[Service]\nExecStartPre=/bin/false\n");
      expect((await machine.run("systemctl", "restart", unit)).status).toBe(1);
      const other = service.start(profile, "echo started");
      one.command.say("b c\n");
      await until("six further trials", async () => Number(await service.property("NRestarts")) >= 6);
      expect(await service.property("NFileDescriptorStore")).toBe("2");
      expect(one.command.out + other.command.out).toBe("done\n");
      await service.dropIn("");
      await service.restart();
      await one.command.says("quota exceeded");
      expect((await other.command.end()).out).toBe("started\n");
      await one.command.end();
    });
  });

  test("an agent that is killed: its trees lose what needs it, and the next one serves new containers", async () => {
    const one = await service.folders();
    expect(await make(one, "a")).toBe("done\n");
    const killed = await service.property("MainPID");
    await machine.ask("systemctl", "kill", "--signal", "KILL", unit);
    await service.succeeds(killed);
    // The shell may not execute mkdir.
    expect(await make(one, "b")).toContain("Function not implemented");
    const other = await service.folders();
    expect(await make(other, "a b c")).toMatch(refusedThird);
    for (const { command } of [one, other]) await command.end();
  });

  test("an agent that is stopped: its trees lose what needs it, and the next container starts one", async () => {
    const one = await service.folders();
    expect(await make(one, "a")).toBe("done\n");
    await machine.ask("systemctl", "stop", unit);
    expect(await service.property("NFileDescriptorStore")).toBe("0");
    expect(await make(one, "b")).toContain("Function not implemented");
    const other = await service.folders();
    expect(await make(other, "a")).toBe("done\n");
    expect((await service.status()).trees).toHaveLength(1);
    for (const { command } of [one, other]) await command.end();
  });

  test("sockets that are stopped: the service ends, no socket is left, and no container starts", async () => {
    const profile = await service.profileOf("folders");
    await machine.ask("systemctl", "stop", "portcullis-agent.socket");
    expect(await service.property("ActiveState")).toBe("inactive");
    for (const name of ["agent.sock", "control.sock"])
      expect(existsSync(machine.path(`/run/portcullis/${name}`))).toBe(false);
    const { status, out } = await service.start(profile, "echo started").command.end();
    expect(status).not.toBe(0);
    expect(out).not.toMatch(/^started/m);
    await machine.ask("systemctl", "start", unit);
  });

  describe("no other process speaks for the agent:", () => {
    const notify = "/run/systemd/notify";
    const mounts = [{ destination: notify, type: "bind", source: notify, options: ["bind"] }];
    const said = ["READY=1\\nSTATUS=owned", "STOPPING=1", "MAINPID=1", "FDSTORE=1\\nFDNAME=planted\\nFDPOLL=0"];

    test("no container with systemd's socket in it", async () => {
      await service.restart();
      const before = await service.property("MainPID");
      const words = [...said, "FDSTOREREMOVE=1\\nFDNAME=planted", "ERRNO=1", "WATCHDOG=trigger"];
      const script = `/shared/notifier ${notify} 0 ${words.map((one) => `'${one}'`).join(" ")}
/shared/notifier ${notify} 1 STOPPING=1 # in the name of its first process`;
      const additions = { mounts, process: { capabilities: { bounding: [], effective: [], permitted: [] } } };
      expect(await service.output("folders", script, additions)).toBe(
        `${"sent\n".repeat(words.length)}Operation not permitted\n`,
      );
      const properties = ["MainPID", "ActiveState", "StatusText", "NFileDescriptorStore"];
      const after = await Promise.all(properties.map((name) => service.property(name)));
      expect(after).toEqual([before, "active", `0 trees, ${Object.keys(policies).length} policies`, "0"]);
    });

    test("no process in its cgroup, of root without capabilities or of another user, while systemd stores trees", async () => {
      const one = await service.folders();
      expect(await make(one, "a")).toBe("done\n");
      await service.dropIn("[Service]\nExecStartPre=/bin/sh -c 'until test -e /run/go; do sleep 0.05; done'\n");
      await machine.ask("systemctl", "restart", "--no-block", unit);
      await until("systemd stores them", async () => (await service.property("SubState")) === "start-pre");
      const list = await machine.ask("systemd-analyze", "fdstore", unit);
      const names = [...new Set(list.match(/portcullis-[0-9a-f]{16}[-\d]*/g))];
      expect(names).toHaveLength(2);
      const words = [...said, ...names.map((name) => `FDSTOREREMOVE=1\\nFDNAME=${name}`)];
      const enter = 'echo $$ >/sys/fs/cgroup/system.slice/portcullis-agent.service/cgroup.procs && exec "$@"';
      for (const user of ["--bounding-set=-all", "--reuid=1000"]) {
        const notifier = [join(one.folder, "shared/notifier"), notify];
        const other = ["sh", "-c", enter, "sh", "setpriv", "--inh-caps=-all", user, ...notifier];
        expect(await machine.ask(...other, "0", ...words)).toBe("sent\n".repeat(words.length));
        // The credentials of another process.
        expect(await machine.ask(...other, "1", words.at(-1)!)).toBe("Operation not permitted\n");
      }
      expect(await service.property("NFileDescriptorStore")).toBe("2");
      machine.write("/run/go", "");
      await until("the agent", async () => (await service.property("SubState")) === "running");
      expect(await make(one, "b c")).toMatch(refusedThird);
      await one.command.end();
      await service.dropIn("");
    });
  });
});
