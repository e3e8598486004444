/** `portcullis agent` is restarted with its containers: systemd, which the test plays, stores their listeners meanwhile. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deserialize, serialize } from "node:v8";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { savedFormat } from "../../src/engines/notify/tasks/saved.ts";
import { close } from "../../src/machine/descriptors.ts";
import { sealedMemory, takeSealedMemory } from "../../src/machine/memfd.ts";
import { sha256 } from "../../src/machine/sha256.ts";
import { until } from "../support/patience.ts";
import { compiled } from "../support/run.ts";
import { TestAgent } from "./agent.ts";
import { folders } from "./folder-policies.ts";
import { Manager } from "./manager.ts";

const limit = 2000;
const rounds = 4;

const policies = {
  "two-folders.ts": folders(2, "two folders are enough"),
  "many-folders.ts": folders(limit, "enough"),
  "no-secret.ts": `import { allow, deny, policy } from "portcullis";
export default policy((call) =>
  (call.name === "mkdir" || call.name === "mkdirat") && call.args.path.text.matches("secret*") ? deny("EACCES") : allow);
`,
};

let agent: TestAgent;
let manager: Manager;
beforeEach(() => {
  agent = new TestAgent(policies);
  manager = new Manager(join(agent.folder, "notify"));
  mkdirSync(join(agent.folder, "run"), { mode: 0o700 });
  for (const name of ["agent.sock", "control.sock"]) manager.listen(join(agent.folder, "run", name));
});
afterEach(async () => {
  await agent.close();
  manager.close();
});

async function restart(words: readonly string[] = []): Promise<void> {
  expect(await agent.end()).toBe(0);
  await agent.startUnder(manager, words);
}

/** A shell in a container, which makes the folders of each line that it is given, and reports them. */
class Shell {
  out = "";
  readonly child: ChildProcess;
  #lines = 0;

  constructor(id: string, policy = "two-folders") {
    const folder = join(agent.folder, id);
    mkdirSync(folder);
    const script = `cd ${folder}; while read names; do for name in $names; do mkdir $name; done; echo done; done`;
    this.child = agent.spawn({ id, policy }, "sh", "-c", script);
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.out += text;
      });
  }

  /** What it has said about these folders. */
  async make(...names: readonly string[]): Promise<string> {
    const begin = this.out.length;
    this.begin(...names);
    await this.finish();
    return this.out.slice(begin);
  }

  begin(...names: readonly string[]): void {
    this.child.stdin!.write(`${names.join(" ")}\n`);
    this.#lines++;
  }

  async finish(): Promise<void> {
    await until("the folders are made", () => (this.out.match(/^done$/gm) ?? []).length === this.#lines);
  }

  async end(): Promise<void> {
    const closed = once(this.child, "close");
    this.child.stdin!.end();
    await closed;
  }
}

describe("a restart", () => {
  test("under load loses no call and no count", async () => {
    await agent.startUnder(manager);
    const load = compiled("test/agent/load.c");
    const trees = ["one", "two"].map((id) => {
      const folder = join(agent.folder, id);
      mkdirSync(folder);
      const child = agent.spawn({ id, policy: "many-folders" }, "sh", "-c", `cd ${folder} && exec ${load} 3`);
      const tree = { folder, child, out: "" };
      child.stdout!.setEncoding("utf8").on("data", (text: string) => {
        tree.out += text;
      });
      return tree;
    });
    await until("they have begun", () => trees.every(({ out }) => out.includes("begun")));
    for (let round = 0; round < rounds; round++) await restart();
    const judged = () => agent.status().trees.map(({ refused }) => refused);
    await until("both have reached their limit", () => judged().every((refused) => refused > 0));
    await Promise.all(
      trees.map(async ({ folder, child }) => {
        writeFileSync(join(folder, "stop"), "");
        await once(child, "close");
      }),
    );
    for (const { out } of trees)
      expect(out).toMatch(new RegExp(`^made ${limit}, refused [1-9]\\d*, other 0, error 0$`, "m"));
    expect(manager.store.size).toBe(0);
  });

  test("under load loses no call whose path is read", async () => {
    await agent.startUnder(manager);
    const folder = join(agent.folder, "one");
    mkdirSync(folder);
    const load = compiled("test/agent/load.c");
    const child = agent.spawn({ id: "one", policy: "no-secret" }, "sh", "-c", `cd ${folder} && exec ${load} 3`);
    let out = "";
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    const judged = () => agent.status().trees[0]?.calls ?? 0;
    for (let round = 0; round <= rounds; round++) {
      if (round > 0) await restart();
      const before = judged();
      await until("calls are judged", () => judged() >= before + 100);
    }
    writeFileSync(join(folder, "stop"), "");
    await once(child, "close");
    expect(out).toMatch(/^made [1-9]\d+, refused 0, other 0, error 0$/m);
  });

  test("keeps what a tree has used, its number and its totals, and lets further processes join", async () => {
    await agent.startUnder(manager);
    const shell = new Shell("one");
    expect(await shell.make("a")).toBe("done\n");
    const before = agent.status().trees[0]!;
    await restart();
    expect(agent.said).toContain("tree 1 goes on: container one under two-folders");
    expect(agent.status().trees).toEqual([before]);
    expect((await agent.run({ id: "one", status: "running", bundle: "." }, "mkdir", "b")).status).toBe(0);
    expect(await shell.make("c")).toContain("Disk quota exceeded");
    await restart();
    expect((await agent.run({ id: "one", status: "running", bundle: "." }, "mkdir", "d")).out).toContain("quota");
    const other = new Shell("two");
    expect(await other.make("a")).toBe("done\n");
    expect(agent.status().trees.map(({ number }) => number)).toEqual([1, 2]);
    for (const one of [shell, other]) await one.end();
  });

  test("goes on with a container and its further processes", async () => {
    await agent.startUnder(manager);
    const shell = new Shell("one");
    await shell.make();
    const exec = agent.spawn({ id: "one", status: "running", bundle: "." }, "sh", "-c", "read line; mkdir x y");
    let out = "";
    exec.stderr!.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    await until("both are supervised", () => agent.status().trees[0]?.listeners === 2);
    await restart();
    expect(agent.status().trees).toMatchObject([{ listeners: 2 }]);
    expect(await shell.make("a")).toBe("done\n");
    exec.stdin!.end("\n");
    await once(exec, "close");
    expect(out).toMatch(/^mkdir: [^\n]*y[^\n]*: Disk quota exceeded\n$/);
    await shell.end();
  });

  test("lets a call that is made meanwhile, and a container that starts, wait", async () => {
    await agent.startUnder(manager);
    const shell = new Shell("one", "no-secret");
    const message = agent.message({ id: "two" });
    expect(await shell.make("a", "secret")).toMatch(/secret.*Permission denied/);
    expect(await agent.end()).toBe(0);
    shell.begin("b", "secrets");
    const started = agent.run({ message }, "echo", "started");
    await agent.startUnder(manager);
    await shell.finish();
    expect(shell.out).toMatch(/secrets.*Permission denied/);
    expect((await started).out).toBe("started\n");
    await shell.end();
  });

  test("does not take the command for the runtime", async () => {
    agent.write(
      "nothing.ts",
      'import { allow, deny, policy } from "portcullis";\n' +
        'export default policy((call) => call.name === "mkdir" || call.name === "mkdirat" ? deny("EDQUOT") : allow);\n',
    );
    await agent.startUnder(manager);
    // It makes no call of the filter between its start and the folder.
    const perl = ["perl", "-e", '$| = 1; print "begun\n"; <STDIN>; print mkdir("x") ? "made" : "$!"'];
    const child = agent.spawn({ policy: "nothing" }, ...perl);
    let out = "";
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    await until("it has begun", () => out.includes("begun"));
    await restart();
    child.stdin!.end("\n");
    await once(child, "close");
    expect(out).toContain("quota exceeded");
  });

  test("is counted", async () => {
    const path = join(agent.folder, "run/metrics.sock");
    await agent.startUnder(manager);
    const shell = new Shell("one");
    await shell.make("a");
    await restart();
    await restart(["--metrics", path]);
    const { get } = await import("node:http");
    const text = await new Promise<string>((resolve) => {
      get({ path: "/metrics", agent: false, socketPath: path }, async (response) => {
        resolve(Buffer.concat(await response.toArray()).toString());
      });
    });
    expect(text).toMatch(/^portcullis_restarts_total 2$/m);
    await shell.end();
  });
});

describe("a process whose paths were read before a restart", () => {
  const errors = { EPERM: -1, EACCES: -13, ENOENT: -2 } as const;

  /** A program that obeys lines (places.c). */
  class Attacker {
    #out = "";
    #lines = 0;
    readonly child: ChildProcess;

    constructor(id: string) {
      const folder = join(agent.folder, id);
      mkdirSync(folder);
      const program = compiled("test/agent/places.c", [], ["test/live/pin/from_stub.h"]);
      this.child = agent.spawn({ id, policy: "no-secret" }, "sh", "-c", `cd ${folder} && exec ${program}`);
      this.child.stdout!.setEncoding("utf8").on("data", (text: string) => {
        this.#out += text;
      });
    }

    /** One that had a window when its agent was restarted. */
    static async afterRestart(): Promise<Attacker> {
      await agent.startUnder(manager);
      const one = new Attacker("one");
      expect(await one.does("make a")).toBe(0);
      await restart();
      return one;
    }

    async does(line: string): Promise<number> {
      this.child.stdin!.write(`${line}\n`);
      this.#lines++;
      await until(`the answer to ${line}`, () => this.#out.split("\n").length > this.#lines);
      return Number(this.#out.split("\n")[this.#lines - 1]);
    }

    async end(): Promise<void> {
      const closed = once(this.child, "close");
      this.child.stdin!.end();
      await closed;
    }
  }

  test("gets a window beside memory of its own and of the former window, which it cannot change", async () => {
    const attacker = await Attacker.afterRestart();
    expect(await attacker.does("occupy 1")).toBe(1);
    expect([1, -200]).toContain(await attacker.does("former 2"));
    for (const name of ["b", "c"]) expect(await attacker.does(`make ${name}`)).toBe(0);
    expect(await attacker.does("make secret")).toBe(errors.EACCES);
    expect(await attacker.does("change")).toBe(0);
    expect([0, -200]).toContain(await attacker.does("stub d"));
    expect([errors.EACCES, -200]).toContain(await attacker.does("stub secret"));
    expect(await attacker.does("make e")).toBe(0);
    await attacker.end();
  });

  test("is refused where it leaves no place", async () => {
    const attacker = await Attacker.afterRestart();
    expect(await attacker.does("fill")).toBe(8);
    expect(await attacker.does("make b")).toBe(errors.EPERM);
    expect(await attacker.does("make secret")).toBe(errors.EACCES);
    expect([errors.EPERM, -200]).toContain(await attacker.does("stub c"));
    expect(await attacker.does("leave")).toBe(8);
    expect(await attacker.does("make d")).toBe(0);
    await attacker.end();
    await until("the events are written", () => agent.eventLines.length >= 3);
    const reason = expect.stringMatching(/the caller has other memory at the addresses that portcullis uses [^)]*\)$/);
    expect(agent.eventLines[0]).toMatchObject({ call: "mkdir", errno: "EPERM", reason });
  });
});

describe("without a loss that is silent,", () => {
  /** A shell that has made one folder, whose agent has left it to the store. */
  async function left(): Promise<{ readonly shell: Shell; readonly memory: string }> {
    await agent.startUnder(manager);
    const shell = new Shell("one");
    expect(await shell.make("a")).toBe("done\n");
    expect(await agent.end()).toBe(0);
    manager.settle();
    return { shell, memory: [...manager.store.keys()].find((name) => /^portcullis-[0-9a-f]{16}$/.test(name))! };
  }

  /** The stored memory with a changed content. */
  const changed = (change: (bytes: Buffer) => Uint8Array) => (name: string) => {
    const bytes = takeSealedMemory(manager.store.get(name)!)!;
    manager.lose(name);
    manager.store.set(name, sealedMemory("test", change(Buffer.from(bytes))));
  };
  const content = (more: object) =>
    changed((bytes) => {
      const text = serialize({ ...(deserialize(bytes.subarray(32)) as object), ...more });
      return Buffer.concat([sha256(text), text]);
    });

  test.each<[what: string, why: RegExp, damage: (memory: string) => void]>([
    ["damaged memory", /is damaged/, changed((bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.from("x")]))],
    ["short memory", /is damaged/, changed((bytes) => bytes.subarray(0, 10))],
    ["empty memory", /gone on with them already/, (name) => takeSealedMemory(manager.store.get(name)!)],
    ["another format", new RegExp(`portcullis .* in format 999, not ${savedFormat}\\b`), content({ format: 999 })],
    ["another boot", /has been started again/, content({ boot: "other" })],
    ["no memory", /no state of them is left/, (name) => manager.lose(name)],
  ])("a tree with %s loses the calls that need the agent", async (_, why, damage) => {
    const { shell, memory } = await left();
    damage(memory);
    shell.begin("b");
    await agent.startUnder(manager);
    await shell.finish();
    expect(shell.out).toContain("Function not implemented");
    expect(agent.said).toMatch(why);
    expect(agent.said).toMatch(/1 listener closed/);
    expect(agent.status().trees).toEqual([]);
    manager.settle();
    expect(manager.store.size).toBe(0);
    await shell.end();
    const other = new Shell("two");
    expect(await other.make("a")).toBe("done\n");
    await other.end();
  });

  test("a tree whose listener is gone is named", async () => {
    const { shell } = await left();
    const name = [...manager.store.keys()].find((one) => one.endsWith("-1-0"))!;
    manager.lose(name);
    await agent.startUnder(manager);
    expect(agent.said).toMatch(/tree 1: 1 of 1 listeners are missing/);
    expect(await shell.make("b")).toContain("Function not implemented");
    await shell.end();
  });

  test("trees that the store has no room for are named", async () => {
    await agent.startUnder(manager, [], 2);
    const shells = ["one", "two"].map((id) => new Shell(id));
    for (const shell of shells) await shell.make("a");
    const ended = agent.end();
    await ended;
    expect(agent.said).toMatch(/tree [12] does not go on: the service manager stores 2 descriptors at most/);
    await agent.startUnder(manager);
    expect(agent.status().trees).toHaveLength(1);
    const said = await Promise.all(shells.map((shell) => shell.make("b")));
    expect(said.filter((text) => text === "done\n")).toHaveLength(1);
    expect(said.filter((text) => text.includes("Function not implemented"))).toHaveLength(1);
    for (const shell of shells) await shell.end();
  });

  test("an agent that is killed leaves the static part, and the next one starts containers", async () => {
    await agent.startUnder(manager);
    const shell = new Shell("one");
    await shell.make("a");
    await restart();
    await agent.end("SIGKILL");
    manager.settle();
    expect(manager.store.size).toBe(0);
    expect(await shell.make("b")).toContain("Function not implemented");
    await agent.startUnder(manager);
    expect(agent.status().trees).toEqual([]);
    expect(await shell.make("c")).toContain("Function not implemented");
    const other = new Shell("two");
    expect(await other.make("a", "b", "c")).toMatch(/^mkdir: [^\n]*c[^\n]*quota exceeded\ndone\n$/);
    for (const one of [shell, other]) await one.end();
  });

  test("an agent without a store ends, and its trees lose the calls that need it", async () => {
    await agent.startUnder(manager, [], 0);
    const shell = new Shell("one");
    await shell.make("a");
    await agent.end();
    manager.settle();
    expect(manager.store.size).toBe(0);
    expect(await shell.make("b")).toContain("Function not implemented");
    await shell.end();
  });
});

test("the stored memory is its user's, and sealed", async () => {
  const { fstatSync, writeSync } = await import("node:fs");
  const memory = sealedMemory("test", Buffer.from("content"));
  expect(fstatSync(memory).mode & 0o777).toBe(0o600);
  expect(() => writeSync(memory, "x", 0)).toThrow(/EPERM/);
  expect(Buffer.from(takeSealedMemory(memory)!).toString()).toBe("content");
  expect(takeSealedMemory(memory)).toHaveLength(0);
  close(memory);
});
