/** The units of examples/systemd/user under a user's systemd: `portcullis run`, containers without root, restarts and ends. */
import { copyFileSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AgentStatus } from "../../src/agent/control.ts";
import { messageOf } from "../agent/agent.ts";
import { folders } from "../agent/folder-policies.ts";
import { until } from "../support/patience.ts";
import { compiled } from "../support/run.ts";
import { type Command, Machine, someone, whyNoMachine } from "./machine.ts";

const policies = { "two-folders": folders(2), "many-folders": folders(1500) } as const;

const reason = whyNoMachine();
if (reason !== undefined) test("no systemd can run", (context) => context.skip(reason));

describe.skipIf(reason !== undefined)("a user's units", () => {
  const machine = new Machine();
  const unit = "portcullis-agent.service";
  const home = "/home/someone";
  const place = `${home}/.config/portcullis/policies`;
  const start = (...words: readonly string[]) => machine.start(...machine.asSomeone(...words));
  const ask = (...words: readonly string[]) => machine.ask(...machine.asSomeone(...words));
  const systemctl = (...words: readonly string[]) => ask("systemctl", "--user", ...words);
  const property = async (name: string) => (await systemctl("show", "--value", "--property", name, unit)).trim();
  const status = async () => JSON.parse(await ask("portcullis", "agent", "status", "--json")) as AgentStatus;
  const succeeds = (former: string) =>
    until("another agent", async () => !["0", former].includes(await property("MainPID")));

  beforeAll(async () => {
    await machine.boot();
    for (const source of ["test/agent/load.c", "test/agent/runtime.c", "test/systemd/notifier.c"])
      copyFileSync(compiled(source), join(machine.shared, basename(source, ".c")));
    for (const [name, text] of Object.entries(policies)) machine.write(`${place}/${name}.ts`, text);
    await machine.ask("systemctl", "start", `user@${someone}.service`);
    await systemctl("enable", "--now", "portcullis-agent.socket", unit);
  });
  afterAll(() => machine.close());

  /** A command of `portcullis run`, in an empty folder: the cache has a policy for each working directory. */
  const run = async (policy: string, ...command: readonly string[]): Promise<Command> => {
    await ask("sh", "-c", `mkdir -p ${home}/run && rm -rf ${home}/run/*`);
    return start("sh", "-c", 'cd "$0" && exec portcullis run "$@"', `${home}/run`, "-p", policy, "--", ...command);
  };
  const shell =
    "echo ready; while read names; do for name in $names; do mkdir $name && echo $name; done; echo done; done";

  /** A container of the test's runtime. */
  const container = async (id: string, policy: keyof typeof policies, ...command: readonly string[]) => {
    const { digest } = (await status()).policies.find(({ name }) => name === policy)!;
    const folder = `${home}/${id}`;
    await ask("mkdir", folder);
    const socket = `/run/user/${someone}/portcullis/agent.sock`;
    const words = [socket, messageOf({ id, policy, digest: digest! }), "listener", ...command];
    return { folder, command: start("sh", "-c", 'cd "$0" && exec /shared/runtime "$@"', folder, ...words) };
  };

  test("start the agent, without a privilege, and doctor finds it", async () => {
    expect((await status()).policies).toMatchObject([{ name: "many-folders" }, { name: "two-folders" }]);
    expect(await property("StatusText")).toBe("0 trees, 2 policies");
    const text = readFileSync(machine.path(`/proc/${await property("MainPID")}/status`), "utf8");
    for (const set of ["CapPrm", "CapEff", "CapInh", "CapAmb"]) expect(text).toContain(`${set}:\t${"0".repeat(16)}\n`);
    expect(text).toContain(`Uid:\t${someone}\t${someone}\t${someone}\t${someone}\n`);
    expect(await ask("portcullis", "doctor")).not.toContain("because no agent runs");
  });

  test("serve `portcullis run`: exec-once, and a count", async () => {
    for (const policy of ["exec-once", `${place}/two-folders.ts`])
      expect(await (await run(policy, "true")).end()).toMatchObject({ status: 0 }); // from now on the cache has it
    const once = await run("exec-once", "sh", "-c", "echo ready; read line; exec true");
    await once.says("ready");
    expect((await status()).trees).toMatchObject([{ policy: { name: "exec-once" }, origin: { command: "sh" } }]);
    once.say("\n");
    expect(await once.end()).toMatchObject({ status: 126, out: expect.stringContaining("Permission denied") });
    const counted = await run(`${place}/two-folders.ts`, "sh", "-c", shell);
    await counted.says("ready");
    expect((await status()).trees).toHaveLength(1);
    counted.say("a b c\n");
    await counted.says("done");
    expect(counted.out).toMatch(/^ready\na\nb\n[\s\S]*Disk quota exceeded/);
    await counted.end();
  });

  test("restart the agent under load: no call of a container is lost; a command of `run` loses the calls that need it", async () => {
    const counted = await run(`${place}/two-folders.ts`, "sh", "-c", shell);
    await counted.says("ready");
    const { folder, command } = await container("load", "many-folders", "/shared/load", "3");
    await command.says("begun");
    for (let round = 0; round < 7; round++) await systemctl("restart", unit);
    await until("the limit is reached", async () => (await status()).trees.some(({ refused }) => refused > 0));
    expect((await status()).trees).toMatchObject([{ origin: { containerId: "load" } }]);
    await ask("touch", `${folder}/stop`);
    expect((await command.end()).out).toMatch(/^made 1500, refused [1-9]\d*, other 0, error 0$/m);
    counted.say("a\n");
    await counted.says("Function not implemented");
    expect(counted.out).not.toMatch(/^a$/m);
    await counted.end();
    const journal = await machine.ask("journalctl", `_UID=${someone}`, "--output", "cat", "--no-pager");
    expect(journal).toMatch(/^portcullis: 1 tree of portcullis run does not go on$/m);
  });

  test.each(["kill", "stop"])(
    "%s: containers and commands lose what needs the agent, and the next ones are served",
    async (what) => {
      const counted = await run(`${place}/two-folders.ts`, "sh", "-c", shell);
      const { command } = await container(what, "two-folders", "sh", "-c", shell);
      for (const one of [counted, command]) await one.says("ready");
      expect((await status()).trees).toHaveLength(2);
      const former = await property("MainPID");
      await systemctl(...(what === "kill" ? ["kill", "--signal=KILL"] : ["stop"]), unit);
      if (what === "kill") await succeeds(former);
      for (const one of [counted, command]) {
        one.say("a\n");
        await one.says("Function not implemented");
        expect(one.out).not.toMatch(/^a$/m);
        await one.end();
      }
      // The first connection starts an agent that was stopped.
      const next = await container(`${what}-next`, "two-folders", "sh", "-c", shell);
      next.command.say("a b c\n");
      await next.command.says("done");
      expect(next.command.out).toMatch(/^ready\na\nb\n[\s\S]*Disk quota exceeded/);
      await next.command.end();
    },
  );

  test("no process of a tree speaks for the agent, also from its cgroup", async () => {
    const names = ["MainPID", "ActiveState", "StatusText", "NFileDescriptorStore"];
    const properties = () => Promise.all(names.map(property));
    await until("no tree", async () => (await status()).trees.length === 0);
    await systemctl("restart", unit);
    const before = await properties();
    const said = [
      "READY=1\\nSTATUS=owned",
      "STOPPING=1",
      "MAINPID=1",
      "FDSTORE=1\\nFDNAME=planted\\nFDPOLL=0",
      "ERRNO=1",
    ];
    const group = `/sys/fs/cgroup/user.slice/user-${someone}.slice/user@${someone}.service/app.slice/${unit}/cgroup.procs`;
    const notifier = `/shared/notifier /run/user/${someone}/systemd/notify`;
    const script = `${notifier} 0 ${said.map((one) => `'${one}'`).join(" ")}; ${notifier} ${before[0]} STOPPING=1`;
    const words = machine.asSomeone("portcullis", "run", "-p", `${place}/two-folders.ts`, "--", "sh", "-c", script);
    for (const enter of ["", 'echo $$ >"$0" && ']) {
      const { out } = await machine.run("sh", "-c", `${enter}cd ${home} && exec "$@"`, group, ...words);
      expect(out).toBe(`${"sent\n".repeat(said.length)}Operation not permitted\n`);
    }
    expect(await properties()).toEqual(before);
  });
});
