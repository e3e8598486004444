/** `portcullis agent` with the commands of `portcullis run`: its status, top, metrics, and the failure of its supervisor. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmdirSync } from "node:fs";
import { get } from "node:http";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { patience, until } from "../support/patience.ts";
import { TestAgent } from "./agent.ts";

const program = resolve("bin/portcullis");

/** JavaScript judges each folder that is made, by its name and a count. */
const namedFolders = `import { allow, deny, perTree, policy } from "portcullis";
const made = perTree.counter();
export default policy((call) => {
  if (call.name !== "mkdir" && call.name !== "mkdirat") return allow;
  made.add();
  return call.args.path.text.is("forbidden") || made.get() > 1000n ? deny("EACCES") : allow;
});
`;

let agent: TestAgent;
let policy: string;
let environment: NodeJS.ProcessEnv;
beforeEach(() => {
  agent = new TestAgent();
  agent.socket = join(agent.folder, "portcullis/agent.sock");
  policy = join(agent.policies, "two-folders.ts");
  environment = { ...process.env, XDG_RUNTIME_DIR: agent.folder };
});
afterEach(() => agent.close());

/** A script under the policy, after the agent has started; the cache has the policy. */
async function started(script: string): Promise<{ readonly child: ChildProcess; readonly text: () => string }> {
  const options = { cwd: agent.folder, env: environment, timeout: patience.command } as const;
  expect(spawnSync(program, ["run", "-p", policy, "--", "true"], options).status).toBe(0);
  const child = spawn(program, ["run", "-p", policy, "--", "sh", "-c", script], {
    ...{ stdio: ["pipe", "pipe", "pipe"], cwd: agent.folder, env: environment },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
  await until("the command runs", () => text.includes("ready\n"));
  return { child, text: () => text };
}

const fetched = (socketPath: string) =>
  new Promise<string>((done, failed) => {
    get({ path: "/metrics", agent: false, socketPath }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.on("end", () => done(text));
    }).on("error", failed);
  });

test("a command is a tree in the status, for top and in the metrics, and its events go to run", async () => {
  const metrics = join(agent.folder, "portcullis/metrics.sock");
  await agent.start(["--metrics", metrics]);
  const { child, text } = await started("mkdir a b c; echo ready; read line");
  const [tree, ...others] = agent.status().trees;
  expect(others).toEqual([]);
  expect(tree).toMatchObject({
    policy: { name: "two-folders", parameters: {} },
    origin: { command: "sh", pid: expect.any(Number) },
    ...{ refused: 1, listeners: 1 },
  });
  expect(tree).not.toHaveProperty("container");
  const name = `sh[${tree!.origin.pid}]`;
  for (const words of [[], [name]]) {
    const top = ["top", "--json", "-n", "1", "--agent", agent.socket, ...words];
    const { stdout, stderr } = spawnSync(program, top, { encoding: "utf8" });
    expect(stderr).toBe("");
    const command = ["sh", "-c", "mkdir a b c; echo ready; read line"];
    expect(JSON.parse(stdout)).toMatchObject({ kind: "status", policy: "two-folders", command });
  }
  expect(await fetched(metrics)).toMatch(
    /^portcullis_refusals_total\{policy="two-folders",line="[^"]*",call="mkdir",container=""\} 1$/m,
  );
  child.stdin!.end("\n");
  await once(child, "close");
  expect(text()).toContain("two folders are enough");
  expect(agent.eventLines).toEqual([]);
  await until("the tree is forgotten", () => agent.status().trees.length === 0);
});

test("the metrics count one judgement of a call that another thread pins", async () => {
  const metrics = join(agent.folder, "portcullis/metrics.sock");
  agent.write("named.ts", namedFolders);
  policy = join(agent.policies, "named.ts");
  await agent.start(["--metrics", metrics]);
  const judgements = async () =>
    Number(/^portcullis_judgement_seconds_count (\d+)$/m.exec(await fetched(metrics))?.[1]);
  const script = `$| = 1; mkdir "a$_" for 1..3; print "ready\\n"; <STDIN>; mkdir "b$_" for 1..10; print "again\\n"; <STDIN>`;
  const { child, text } = await started(`exec perl -e '${script}'`);
  const before = await judgements();
  child.stdin!.write("\n");
  await until("the command goes on", () => text().includes("again\n"));
  expect((await judgements()) - before).toBe(10);
  child.stdin!.end("\n");
  await once(child, "close");
});

test("an agent that takes its manager's sockets serves run", async () => {
  await agent.startByConnection();
  const { child } = await started("echo ready; read line");
  await until("the agent has the command", () => agent.status().trees.length === 1);
  child.stdin!.end("\n");
  await once(child, "close");
});

test("doctor finds the agent", async () => {
  await agent.start();
  const { stdout } = spawnSync(program, ["doctor"], { encoding: "utf8", env: environment });
  expect(stdout.replace(/\s+/g, " ")).toContain(`run asks the agent of ${agent.folder}/portcullis/run.sock first`);
});

test("an agent whose working directory was removed serves run", async () => {
  const gone = join(agent.folder, "gone");
  mkdirSync(gone);
  await agent.start([], {}, gone);
  rmdirSync(gone);
  const { child } = await started("echo ready; read line");
  expect(agent.status().trees).toHaveLength(1);
  child.stdin!.end("\n");
  await once(child, "close");
});
