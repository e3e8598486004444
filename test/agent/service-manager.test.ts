/** `portcullis agent` as a service: readiness and sockets as systemd gives them, metrics, and its end. */
import { existsSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { freeAddress } from "../support/address.ts";
import { until } from "../support/patience.ts";
import { TestAgent } from "./agent.ts";
import { Manager } from "./manager.ts";

let agent: TestAgent;
beforeEach(() => {
  agent = new TestAgent();
});
afterEach(() => agent.close());

describe("the agent tells its manager", () => {
  test.each([
    ["a path", () => join(agent.folder, "notify")],
    ["an abstract name", () => `@portcullis-test-${process.pid}`],
  ])("on %s when it is ready, and when it ends", async (_, name) => {
    const manager = new Manager(name());
    try {
      await agent.start([], { NOTIFY_SOCKET: name() });
      expect(await until("it is ready", () => manager.said[0])).toBe("READY=1\nSTATUS=0 trees, 1 policy");
      expect(await agent.end()).toBe(0);
      expect(await until("it ends", () => manager.said[1])).toBe("STOPPING=1");
    } finally {
      manager.close();
    }
  });
});

test("the agent takes the sockets of its manager, and leaves them", async () => {
  await agent.startByConnection();
  expect((await agent.run({}, "sh", "-c", "mkdir a b c")).out).toContain("Disk quota exceeded");
  expect(agent.said).toContain("agent: serves");
  expect(await agent.end()).toBe(0);
  for (const name of ["agent.sock", "control.sock", "run.sock"])
    expect(existsSync(join(agent.folder, "run", name))).toBe(true);
});

test("a second agent does not take the socket of one that runs, but that of one that was killed", async () => {
  await agent.start();
  const other = new TestAgent();
  try {
    other.socket = agent.socket;
    await expect(other.start()).rejects.toThrow(/another process serves/);
    await agent.end("SIGKILL");
    await agent.start();
    expect(agent.status().trees).toEqual([]);
  } finally {
    await other.close();
  }
});

describe("metrics", () => {
  const fetched = (place: object) =>
    new Promise<string>((resolve, reject) => {
      get({ path: "/metrics", agent: false, ...place }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part: string) => {
          text += part;
        });
        response.on("end", () => resolve(text));
      }).on("error", reject);
    });

  test.each(["a socket", "an address"])("on %s have what the trees did", async (where) => {
    const { host, port } = await freeAddress();
    const path = join(agent.folder, "run/metrics.sock");
    await agent.start(["--metrics", where === "a socket" ? path : `${host}:${port}`]);
    await agent.run({ id: "abc" }, "sh", "-c", "mkdir a b c");
    await until("the tree has ended", () => agent.said.includes("tree 1 has ended"));
    const text = await fetched(where === "a socket" ? { socketPath: path } : { host, port });
    expect(text).toMatch(/^portcullis_calls_total\{policy="two-folders",verdict="deny"\} 1$/m);
    expect(text).toMatch(
      /^portcullis_refusals_total\{policy="two-folders",line="[^"]*two-folders\.ts:5:\d+",call="mkdir",container="abc"\} 1$/m,
    );
    expect(text).toMatch(/^portcullis_judgement_seconds_count [1-9]/m);
    expect(text).toMatch(/^portcullis_lost_events_total 0$/m);
  });

  test("are not served to other machines unless that is asked for", async () => {
    await expect(agent.start(["--metrics", "0.0.0.0:0"])).rejects.toThrow(/--metrics-from-others/);
  });
});
