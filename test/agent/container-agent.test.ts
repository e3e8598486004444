/** `portcullis agent` with containers: their own state, refused requests, and the end of the agent. */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../support/patience.ts";
import { compiled } from "../support/run.ts";
import { TestAgent } from "./agent.ts";

let agent: TestAgent;
beforeEach(() => {
  agent = new TestAgent();
});
afterEach(() => agent.close());

const three = (folder: string) => {
  mkdirSync(join(agent.folder, folder));
  return ["sh", "-c", `cd ${folder}; for name in a b c; do mkdir $name && echo made $name; done`];
};

describe("a container", () => {
  test("is held to its policy, with an event that names it", async () => {
    await agent.start();
    const annotations = { "io.kubernetes.pod.name": "web-1", "io.kubernetes.pod.namespace": "default" };
    const { out } = await agent.run({ id: "abc", annotations }, ...three("x"));
    expect(out).toContain("made a\nmade b\n");
    expect(out).toContain("Disk quota exceeded");
    await until("the tree has ended", () => agent.said.includes("tree 1 has ended"));
    expect(agent.eventLines).toMatchObject([
      {
        kind: "decision",
        call: "mkdir",
        errno: "EDQUOT",
        policy: "two-folders",
        digest: agent.digest("two-folders"),
        rule: expect.stringMatching(/two-folders\.ts:5:/),
        containerId: "abc",
        pod: "web-1",
        namespace: "default",
      },
    ]);
  });

  test("has a state of its own", async () => {
    await agent.start();
    const runs = await Promise.all(["one", "two"].map((id) => agent.run({ id }, ...three(id))));
    for (const { out } of runs) expect(out.match(/made/g)).toHaveLength(2);
  });

  test("executes its command without an event of the policy", async () => {
    agent.write(
      "exec-once.ts",
      `import { allow, deny, perTree, policy } from "portcullis";
const executed = perTree.counter();
export default policy((call) => {
  if (call.name !== "execve") return allow;
  return executed.add() > 1n ? deny("EACCES") : allow;
});
`,
    );
    await agent.start();
    const { out } = await agent.run({ policy: "exec-once" }, "sh", "-c", "/bin/echo one; /bin/echo two");
    expect(out).toMatch(/^one\n.*Permission denied/);
  });

  test("of an id that is used again starts anew", async () => {
    await agent.start();
    for (const folder of ["x", "y"]) expect((await agent.run({}, ...three(folder))).out.match(/made/g)).toHaveLength(2);
  });

  test("shares its state with further processes of it", async () => {
    await agent.start();
    const first = agent.spawn({}, "sh", "-c", "mkdir a && echo made; read line; mkdir d || echo refused");
    let out = "";
    first.stdout!.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    await until("the command runs", () => out.includes("made"));
    // crun names no bundle, and runc does.
    const exec = { status: "running", bundle: "." };
    expect((await agent.run(exec, "mkdir", "b")).status).toBe(0);
    expect((await agent.run({ status: "running" }, "mkdir", "c")).out).toContain("Disk quota exceeded");
    // The agent closes the listener of an ended process when it sees that end.
    await until("one listener is left", () => agent.status().trees[0]?.listeners === 1);
    expect(agent.status().trees).toMatchObject([{ number: 1, calls: expect.any(Number), refused: 1 }]);
    first.stdin!.end("\n");
    await until("the first process goes on", () => out.includes("refused"));
  });

  test("that runs without a tree of the agent gets no further process", async () => {
    await agent.start();
    expect((await agent.run({ status: "running" }, "true")).status).toBe(126);
    await until("the agent says why", () => /it runs, and the agent has no tree of it/.test(agent.said));
  });

  test("starts, and is followed, though signals interrupt the first call of its process", async () => {
    agent.write(
      "children.ts",
      `import { allow, deny, policy, tree } from "portcullis";
export default policy((call) => (call.name === "mkdir" && tree.alive() > 1n ? deny("EAGAIN") : allow));
`,
    );
    await agent.start();
    const options = { policy: "children", digest: agent.digest("children"), sends: "signals" } as const;
    for (let round = 0; round < 10; round++) {
      const { status, out } = await agent.run({ ...options, id: `${round}` }, "echo", "started");
      expect({ status, out }).toEqual({ status: 0, out: "started\n" });
    }
    expect(agent.eventLines).toEqual([]);
  });

  test("of another runtime with the same id is not joined", async () => {
    await agent.start();
    const first = ["/one", "/two"].map((bundle) => agent.spawn({ bundle }, "sleep", "1000"));
    await until("both run", () => agent.status().trees.length === 2);
    expect((await agent.run({ status: "running", bundle: "." }, "true")).status).toBe(126);
    await until("the agent says why", () => /several runtimes have this id/.test(agent.said));
    expect((await agent.run({ status: "running", bundle: "/two" }, "true")).status).toBe(0);
    expect((await agent.run({ status: "running", bundle: "/three" }, "true")).status).toBe(126);
    for (const child of first) child.kill("SIGKILL");
  });

  test("may send its state in pieces", async () => {
    await agent.start();
    expect((await agent.run({ sends: "bytes" }, ...three("x"))).out.match(/made/g)).toHaveLength(2);
  });

  test("loses the calls that need the agent when the agent is killed", async () => {
    await agent.start();
    const child = agent.spawn({}, "sh", "-c", "echo ready; read line; mkdir x; echo still here");
    let out = "";
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding("utf8").on("data", (text: string) => {
        out += text;
      });
    await until("the command runs", () => out.includes("ready"));
    await agent.end("SIGKILL");
    child.stdin!.end("\n");
    await until("the command ends", () => out.includes("still here"));
    expect(out).toContain("Function not implemented");
  });
});

test("a runtime that ends while it is examined is one that has ended", async () => {
  await agent.start();
  const count = 300;
  expect(spawnSync(compiled("test/agent/connector.c"), [agent.socket, `${count}`]).status).toBe(0);
  await until("all are refused", () => agent.status().refused === count);
  // For lack of a message alone.
  for (const reason of agent.status().refusals) expect(reason).toContain("no state came");
  expect(agent.said).not.toMatch(/has ended|filter|identified/);
});

describe("a tree", () => {
  test("is shown by top, by the beginning of its container's id", async () => {
    await agent.start();
    const child = agent.spawn({ id: "0123456789abcdef" }, "sh", "-c", "mkdir a; echo ready; sleep 1000");
    await new Promise((ready) => child.stdout!.once("data", ready));
    const top = (...words: readonly string[]) =>
      spawnSync("bin/portcullis", ["top", "--json", "-n", "1", "--agent", agent.socket, ...words], {
        encoding: "utf8",
      });
    for (const words of [[], ["1"], ["0123"]]) {
      const { stdout, stderr } = top(...words);
      expect(stderr).toBe("");
      expect(JSON.parse(stdout)).toMatchObject({ kind: "status", policy: "two-folders", refusedByPortcullis: 0 });
    }
    expect(top("4567").status).toBe(125);
    child.kill("SIGKILL");
  });

  test("cannot ask the agent about other trees", async () => {
    await agent.start();
    const program = join(process.cwd(), "bin/portcullis");
    const { out } = await agent.run({}, program, "agent", "status", "--socket", agent.socket);
    expect(out).toContain("refuses this process");
    expect(agent.status().trees).toEqual([]);
  });
});

describe("a request is refused, and the container does not start,", () => {
  const state = (changes: object) => {
    const message = JSON.parse(agent.message({}).replaceAll(":@", ":1")) as object;
    return JSON.stringify({ ...message, ...changes });
  };
  test.each<[what: string, why: RegExp, options: () => Parameters<TestAgent["spawn"]>[0]]>([
    ["without a message", /no state came/, () => ({ sends: "silent" })],
    ["without a descriptor", /names 1 descriptors, and 0 came/, () => ({ sends: "nothing" })],
    ["with a descriptor too many", /names 1 descriptors, and 2 came/, () => ({ sends: "two" })],
    ["with another descriptor", /is no seccomp listener/, () => ({ sends: "null" })],
    ["of a process under a filter", /is under a filter itself/, () => ({ sends: "confined" })],
    ["with what is not JSON", /is not a JSON object/, () => ({ message: "hello" })],
    ["without a container", /state is not an object/, () => ({ message: state({ state: undefined }) })],
    ["without an id", /state\.id is empty/, () => ({ id: "" })],
    ["of a container that has stopped", /has stopped/, () => ({ status: "stopped" })],
    ["without a policy", /name a policy/, () => ({ message: state({ metadata: "" }) })],
    ["with a foreign member in its metadata", /unknown member/, () => ({ message: state({ metadata: foreign() }) })],
    ["of an unknown policy", /no policy is named "other"/, () => ({ policy: "other", digest: digest("0") })],
    ["of a policy outside of the folder", /no policy is named/, () => ({ policy: "../x", digest: digest("0") })],
    ["with another digest", /has another digest/, () => ({ digest: digest("0") })],
  ])("%s", async (_, why, options) => {
    await agent.start();
    const { status, out } = await agent.run(options(), "echo", "started");
    expect({ status, out }).toEqual({ status: 126, out: "not started: Function not implemented\n" });
    await until("the agent says why", () => why.test(agent.said));
    expect(agent.status()).toMatchObject({ refused: 1, trees: [] });
  });
  const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
  const foreign = () =>
    JSON.stringify({ portcullis: 1, policy: "two-folders", digest: digest("0"), parameters: {}, extra: 1 });
});
