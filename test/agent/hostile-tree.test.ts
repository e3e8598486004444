/** A confined process of the agent's own user attacks the agent, and by it another tree. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { message } from "../../src/agent/local/protocol.ts";
import { abiOfThisKernel } from "../../src/machine/landlock-abi.ts";
import { patience, until } from "../support/patience.ts";
import { isAlive } from "../support/processes.ts";
import { compiled } from "../support/run.ts";
import { TestAgent } from "./agent.ts";
import { fallBack, headerOf } from "./agents.ts";

const program = resolve("bin/portcullis");
/** Landlock's scopes of signals. */
const hasScopes = (abiOfThisKernel() ?? 0) >= 6;

/** Says which folders it has made. */
const script = "mkdir v1; echo ready; read line; for name in v2 v3; do mkdir $name && echo $name; done; echo end";

const staticPolicy = `import { allow, deny, policy } from "portcullis";
export default policy((call) => (call.name === "swapon" ? deny("EPERM") : allow));
`;

let attacker: string;
beforeAll(() => {
  attacker = resolve(compiled("test/agent/attacker.c"));
});

let agent: TestAgent;
let victim: ChildProcess;
let said = "";
beforeEach(async () => {
  agent = new TestAgent();
  agent.socket = join(agent.folder, "portcullis/agent.sock");
  agent.write("weak.ts", 'import { allow, policy } from "portcullis";\nexport default policy(() => allow);\n');
  await agent.start();
  expect(confined("true").status).toBe(0); // from now on the cache has the policy
  victim = spawn(program, [...run, "sh", "-c", script], {
    ...{ cwd: agent.folder, env: environment(), stdio: ["pipe", "pipe", "ignore"] },
  });
  said = "";
  victim.stdout!.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  await until("the other tree runs", () => said.includes("ready"));
});
afterEach(async () => {
  victim.kill("SIGKILL");
  await agent.close();
});

const run = ["run", "-p", "policies/two-folders.ts", "--"];
const environment = () => ({ ...process.env, XDG_RUNTIME_DIR: agent.folder });

/** Runs a command under the policy of two folders. */
function confined(...command: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(program, [...run, ...command], {
    ...{ cwd: agent.folder, env: environment(), encoding: "utf8", timeout: patience.command, input: "" },
  } as const);
  return { status, out: stdout, error: stderr };
}

/** What the agent answers to a confined process. */
function attack(socket: string, descriptor: string, bytes: Uint8Array | string): string {
  const path = join(dirname(agent.socket), socket);
  return confined(attacker, path, descriptor, Buffer.from(bytes).toString("hex")).out;
}

/** The other tree goes on under its policy: it had one folder, and gets one more. */
async function expectVictimUnchanged(): Promise<void> {
  expect(agent.status().trees).toMatchObject([{ origin: { command: "sh" }, listeners: 1, refused: 0 }]);
  victim.stdin!.end("\n");
  await once(victim, "close");
  expect(said).toBe("ready\nv2\nend\n");
}

describe("a confined process", () => {
  test("cannot ask the control socket about a tree, nor end one", async () => {
    for (const question of ["status\n", "tree 1\n", "tree 2\n", "stop 2\n"])
      expect(attack("control.sock", "nothing", question)).toBe("answer:\n");
    await expectVictimUnchanged();
  });

  test.each(["nothing", "pipe", "file", "socket", "listener"])(
    "cannot hand over a container with another policy, or another's id, and a descriptor (%s)",
    async (descriptor) => {
      for (const options of [{ policy: "weak" }, { status: "running" }]) {
        const state = agent.message(options).replaceAll("@", "1");
        const out = attack("agent.sock", descriptor, state);
        expect(out.replace("no listener: Device or resource busy\n", "")).toBe("answer:\n");
      }
      await until("the agent says why", () => agent.said.split("is under a filter itself").length === 3);
      expect(agent.status().refused).toBe(2);
      await expectVictimUnchanged();
    },
  );

  test("that ends at once hands over no other process either", async () => {
    // Without a listener of portcullis the kernel permits one of its own.
    agent.write("static.ts", staticPolicy);
    const state = Buffer.from(agent.message({ policy: "weak" }).replaceAll("@", "1")).toString("hex");
    const words = ["run", "--no-denial-events", "-p", "policies/static.ts", "--"];
    const { status, stdout } = spawnSync(program, [...words, attacker, agent.socket, "listener", state, "leave"], {
      ...{ cwd: agent.folder, env: environment(), encoding: "utf8" },
    } as const);
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^not made: /) });
    await until("only the other tree is left", () => agent.status().trees.length === 1);
    await expectVictimUnchanged();
  });

  test.each(["nothing", "pipe", "file", "socket", "listener"])(
    "gets no command of its own under another policy, with a descriptor (%s)",
    async (descriptor) => {
      const words = ["run", "-p", "weak", "--", "sh"];
      const strings = Buffer.from([agent.folder, program, ...words].map((word) => `${word}\0`).join(""));
      const out = attack("run.sock", descriptor, Buffer.concat([headerOf(words.length, 0, strings.length), strings]));
      const refused = Buffer.alloc(message.size);
      refused.writeUInt32LE(fallBack);
      const bytes = [...refused].map((byte) => ` ${byte.toString(16).padStart(2, "0")}`).join("");
      expect(["answer:\n", `answer:${bytes}\n`]).toContain(out.replace(/^no listener: .*\n/, ""));
      await expectVictimUnchanged();
    },
  );

  test("that runs portcullis under another policy stays under its own", async () => {
    const weak = ["run", "-q", "-p", "policies/weak.ts", "--", "sh", "-c", "mkdir a b c; ls -d a b c"];
    const { out } = confined(program, ...weak);
    expect(out).toBe("a\nb\n");
    await expectVictimUnchanged();
  });

  test("that lowers the agent's limits gets its own later commands denied, and the other tree goes on", async () => {
    const { status } = confined("prlimit", `--pid=${agent.pid}`, "--nofile=3:");
    expect(status).toBe(0);
    expect(confined("sh", "-c", "mkdir a b c; ls -d a b c").out.split("\n").filter(Boolean).length).toBeLessThan(3);
    expect(isAlive(agent.pid)).toBe(true);
    spawnSync("prlimit", [`--pid=${agent.pid}`, "--nofile=1024:"]);
    await expectVictimUnchanged();
  });

  test("that kills the agent gets nothing by it: the other tree's calls fail", async () => {
    expect(confined("sh", "-c", `kill -KILL ${agent.pid}`).error).toContain("the agent has ended");
    victim.stdin!.end("\n");
    await once(victim, "close");
    expect(said).toBe("ready\nend\n");
  });

  (hasScopes ? test : test.skip)("sends no signal to the agent with --separate", async () => {
    run.splice(1, 0, "--separate");
    try {
      for (const signal of ["KILL", "STOP", "TERM"])
        expect(confined("sh", "-c", `kill -${signal} ${agent.pid}`).error).toContain("Operation not permitted");
    } finally {
      run.splice(1, 1);
    }
    await expectVictimUnchanged();
  });
});
