/** The verdict `ask`: calls wait for answers of people, and attacks of the tree on its own questions. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { canSeparate } from "../../src/machine/landlock-abi.ts";
import { ApprovalClient } from "../../src/observe/approvals/client.ts";
import type { AnswerLine, QuestionLine, ServerLine } from "../../src/observe/approvals/protocol.ts";
import { jsonLinesSoFar } from "../support/json-lines.ts";
import { patience, until } from "../support/patience.ts";
import { prepare, victim } from "./run.ts";

const policy = (folder: string) => `import { allow, ask, deny, perTree, policy } from "portcullis";
const asked = perTree.counter();
const isClosed = perTree.flag();
export default policy((call) => {
  if (call.name === "getppid") { asked.add(); return ask("it counts"); }
  if (call.name === "getsid") return asked.get() > 0n ? deny("ECHILD") : allow;
  if (call.name === "mkdir") return ask("it makes a directory");
  if (call.name === "fork") return ask("it forks");
  if (call.name === "unlink") return call.args.path.text.under(${JSON.stringify(folder)}) ? ask("it removes") : allow;
  if (call.name === "openat") return call.args.path.resolved.under(${JSON.stringify(folder)}) ? ask("it opens") : allow;
  if (call.name === "chdir") isClosed.set(true);
  if (call.name === "getpgid") return isClosed.get() ? deny("EACCES") : ask("it is open");
  return allow;
});
`;

let folder = "";
let socket = "";
const started: ChildProcess[] = [];
beforeAll(async () => {
  await prepare();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-approvals-"));
  socket = join(folder, "socket");
  writeFileSync(join(folder, "p.ts"), policy(folder));
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.stdin!.end();
    if (child.exitCode === null) await new Promise((ended) => child.once("exit", ended));
  }
  rmSync(folder, { recursive: true, force: true });
});

interface Tree {
  /** Makes a call in a thread of its own. */
  readonly order: (line: string) => void;
  /** The result of the call with this label. */
  readonly result: (label: string) => Promise<string>;
  readonly results: () => readonly string[];
  readonly events: () => readonly Readonly<Record<string, unknown>>[];
}

async function start(...options: readonly string[]): Promise<Tree> {
  const events = join(folder, "events");
  const words = ["run", "--ask-socket", socket, "--events", events, ...options, "-p", join(folder, "p.ts"), "--"];
  const child = spawn("bin/portcullis", [...words, victim("questions")], { stdio: ["pipe", "pipe", "inherit"] });
  started.push(child);
  let out = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  const lines = () => out.split("\n").slice(0, -1);
  await until("the victim starts", () => out.includes("ready\n") || child.exitCode !== null);
  return {
    order: (line) => child.stdin!.write(`${line}\n`),
    result: (label) =>
      until(`${label} ends`, () =>
        lines()
          .find((line) => line.startsWith(`${label} `))
          ?.slice(label.length + 1),
      ),
    results: lines,
    events: () => jsonLinesSoFar(events),
  };
}

/** A person outside of the tree. */
class Person {
  readonly #client: ApprovalClient;
  readonly lines: ServerLine[] = [];
  private constructor(client: ApprovalClient) {
    this.#client = client;
  }

  static async at(path: string): Promise<Person> {
    const client = await ApprovalClient.open(path);
    const person = new Person(client);
    void (async () => {
      for await (const line of client.lines()) person.lines.push(line);
    })().catch(() => undefined);
    return person;
  }

  question(number: number): Promise<QuestionLine> {
    const isIt = (line: ServerLine): line is QuestionLine => line.kind === "question" && line.question === number;
    return until(`question ${number}`, () => this.lines.find(isIt));
  }

  closed(number: number): Promise<string> {
    return until(`the end of question ${number}`, () =>
      this.lines.flatMap((line) => (line.kind === "closed" && line.question === number ? [line.answer] : [])).at(0),
    );
  }

  async says(number: number, answer: AnswerLine["answer"], rest: Pick<AnswerLine, "for"> = {}): Promise<void> {
    await this.question(number);
    this.#client.answer({ question: number, answer, ...rest });
  }

  close(): void {
    this.#client.close();
  }
}

describe("a call that asks", () => {
  test("passes if a person allows it, and fails if one denies it", async () => {
    const tree = await start();
    const person = await Person.at(socket);
    tree.order("a getppid");
    expect(await person.question(1)).toMatchObject({
      ...{ call: "getppid", reason: "it counts", rule: expect.stringMatching(/p\.ts:5:/), repeatable: true },
    });
    await person.says(1, "allow");
    expect(await tree.result("a")).toBe("passed");
    tree.order("b getppid");
    await person.says(2, "deny");
    expect(await tree.result("b")).toBe("EPERM");
    const decisions = () => tree.events().filter(({ call }) => call === "getppid");
    await until("both events", () => decisions().length === 2);
    expect(decisions()).toMatchObject([
      { verdict: "ask", answered: "allowed" },
      { verdict: "ask", answered: "denied", errno: "EPERM" },
    ]);
  });

  test("changes no state before it is allowed", async () => {
    const tree = await start();
    const person = await Person.at(socket);
    tree.order("a getppid");
    await person.question(1);
    tree.order("before count");
    expect(await tree.result("before")).toBe("passed");
    await person.says(1, "deny");
    await tree.result("a");
    tree.order("denied count");
    expect(await tree.result("denied")).toBe("passed");
    tree.order("b getppid");
    await person.says(2, "allow");
    await tree.result("b");
    tree.order("allowed count");
    expect(await tree.result("allowed")).toBe("ECHILD");
  });

  test("fails if no answer comes in time", async () => {
    const tree = await start("--ask-timeout", "300ms");
    tree.order("a getppid");
    expect(await tree.result("a")).toBe("EPERM");
    await until("its event", () => tree.events().some(({ answered }) => answered === "late"));
  });

  test("fails at once with a time of 0", async () => {
    const tree = await start("--ask-timeout", "0");
    tree.order("a getppid");
    expect(await tree.result("a")).toBe("EPERM");
    expect(existsSync(socket)).toBe(false);
  });

  test("does not delay others", async () => {
    const tree = await start();
    const person = await Person.at(socket);
    tree.order("a getppid");
    await person.question(1);
    for (let at = 0; at < 200; at++) tree.order(`n${at} count`);
    for (let at = 0; at < 200; at++) expect(await tree.result(`n${at}`)).toBe("passed");
    expect(tree.results()).not.toContain("a passed");
    await person.says(1, "allow");
    expect(await tree.result("a")).toBe("passed");
  });

  test("is denied if the policy refuses it by the time of the answer", async () => {
    const tree = await start();
    const person = await Person.at(socket);
    tree.order("a getpgid");
    await person.question(1);
    tree.order("b chdir /");
    expect(await tree.result("b")).toBe("passed");
    await person.says(1, "allow");
    expect(await tree.result("a")).toBe("EACCES");
  });

  test("waits although a signal comes, whose handler runs afterwards", async () => {
    const tree = await start();
    const person = await Person.at(socket);
    tree.order("a signalled");
    await person.question(1);
    await new Promise((wake) => setTimeout(wake, 500));
    await person.says(1, "allow");
    expect(await tree.result("a")).toBe("passed");
    expect(person.lines.filter(({ kind }) => kind === "question")).toHaveLength(1);
  });

  test.each([
    ["a process", 9, false],
    ["a process", 15, false],
    ["a traced process", 9, true],
    ["a traced process", 15, true],
    ["a traced process", 2, true],
  ])("of %s is withdrawn when signal %d ends it", async (_, signal, isTraced) => {
    const tree = await start();
    const person = await Person.at(socket);
    if (isTraced) tree.order("z catch");
    if (isTraced) expect(await tree.result("z")).toBe("passed");
    tree.order("a child");
    await person.question(1);
    tree.order(`b kill ${signal}`);
    expect(await tree.result("b")).toBe("passed");
    expect(await person.closed(1)).toBe("withdrawn");
    tree.order("c getppid");
    await person.says(2, "allow");
    expect(await tree.result("c")).toBe("passed");
  });

  test("creates a process that is followed", async () => {
    const tree = await start();
    const person = await Person.at(socket);
    tree.order("a fork");
    await person.says(1, "allow");
    expect(await tree.result("a")).toBe("passed");
  });

  test("of a mode that enforces nothing passes", async () => {
    const tree = await start("--audit");
    tree.order("a getppid");
    expect(await tree.result("a")).toBe("passed");
    await until("its event", () => tree.events().some(({ verdict, audit }) => verdict === "ask" && audit === true));
  });
});

describe("the answer always", () => {
  test("holds for equal calls only, and for its time", async () => {
    const [one, two] = ["one", "two"].map((name) => join(folder, name));
    const tree = await start();
    const person = await Person.at(socket);
    for (const name of [one!, two!]) writeFileSync(name, "");
    tree.order(`a unlink ${one}`);
    expect(await person.question(1)).toMatchObject({ memory: { path: one }, repeatable: true });
    await person.says(1, "always");
    expect(await tree.result("a")).toBe("passed");
    tree.order(`b unlink ${one}`);
    expect(await tree.result("b")).toBe("ENOENT");
    tree.order(`c unlink ${two}`);
    await person.says(2, "always", { for: 1 });
    expect(await tree.result("c")).toBe("passed");
    await new Promise((wake) => setTimeout(wake, 1100));
    tree.order(`d unlink ${two}`);
    await person.says(3, "deny");
    expect(await tree.result("d")).toBe("EPERM");
    expect(tree.events().filter(({ answered }) => answered === "allowed-before")).toHaveLength(1);
  });

  test("is refused if the policy does not read the memory of an argument", async () => {
    const tree = await start();
    const person = await Person.at(socket);
    tree.order(`a mkdir ${folder}/d`);
    expect((await person.question(1)).repeatable).toBe(false);
    await person.says(1, "always");
    await until("the error", () => person.lines.some(({ kind }) => kind === "error"));
    await person.says(1, "allow");
    expect(await tree.result("a")).toBe("passed");
  });

  test("that allows once does not allow the next equal call", async () => {
    const name = join(folder, "one");
    writeFileSync(name, "");
    const tree = await start();
    const person = await Person.at(socket);
    tree.order(`a unlink ${name}`);
    await person.says(1, "allow");
    expect(await tree.result("a")).toBe("passed");
    tree.order(`b unlink ${name}`);
    await person.says(2, "deny");
    expect(await tree.result("b")).toBe("EPERM");
  });
});

describe("memory behind pointers", () => {
  test("that has changed since the question is asked about again", async () => {
    const [harmless, secret] = ["harmless", "secret"].map((name) => join(folder, name));
    for (const name of [harmless!, secret!]) writeFileSync(name, "");
    const tree = await start();
    const person = await Person.at(socket);
    tree.order(`set set-shared ${harmless}`);
    await tree.result("set");
    tree.order("a unlink-shared");
    expect(await person.question(1)).toMatchObject({ memory: { path: harmless } });
    tree.order(`swap set-shared ${secret}`);
    await tree.result("swap");
    await person.says(1, "allow");
    expect(await person.question(2)).toMatchObject({ memory: { path: secret } });
    expect(existsSync(secret!)).toBe(true);
    await person.says(2, "deny");
    expect(await tree.result("a")).toBe("EPERM");
    expect(existsSync(secret!)).toBe(true);
  });

  test("leads to an object that is held until the answer", async () => {
    const tree = await start();
    const person = await Person.at(socket);
    tree.order(`a open ${join(folder, "p.ts")}`);
    await person.says(1, "deny");
    expect(await tree.result("a")).toBe("EPERM");
    tree.order(`b open ${join(folder, "p.ts")}`);
    await person.says(2, "allow");
    expect(await tree.result("b")).toBe("passed");
  });
});

describe("a host that no list permits", () => {
  /** The status of the proxy's answer to CONNECT. */
  const connect = `
const { request } = require("node:http");
const port = Number(new URL(process.env.HTTPS_PROXY).port);
const asked = request({ port, method: "CONNECT", path: process.argv[1] });
asked.on("connect", ({ statusCode }) => { console.log(statusCode); process.exit(0); }).end();
`;
  const allowAll = 'import { allow, policy } from "portcullis";\nexport default policy(() => allow);\n';
  const reach = (host: string): Promise<string> => {
    writeFileSync(join(folder, "all.ts"), allowAll);
    const options = [
      "--ask-socket",
      socket,
      "--hosts",
      "listed.test",
      "--ask-hosts",
      "-q",
      "-p",
      join(folder, "all.ts"),
    ];
    const child = spawn("bin/portcullis", ["run", ...options, "--", process.execPath, "-e", connect, host], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    started.push(child);
    let out = "";
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    return new Promise((ended) => child.on("close", () => ended(out.trim())));
  };
  const person = () =>
    until("the socket", () => (existsSync(socket) ? Person.at(socket).catch(() => undefined) : undefined));

  test("is refused by an answer that denies it", async () => {
    const status = reach("unlisted.test:443");
    const one = await person();
    expect(await one.question(1)).toMatchObject({ host: "unlisted.test", port: 443, rule: "--hosts" });
    await one.says(1, "deny");
    expect(await status).toBe("403");
  });

  test("is looked up after an answer that allows it", async () => {
    const status = reach("unlisted.test:443");
    const one = await person();
    await one.says(1, "allow");
    expect(await status).toBe("502"); // there is no such name
  });

  test("is refused without a question if it is an address", async () => {
    expect(await reach("127.0.0.1:80")).toBe("403");
  });
});

describe("the tree", () => {
  test("cannot answer its own question", async () => {
    const tree = await start();
    const person = await Person.at(socket);
    tree.order("a getppid");
    await person.question(1);
    tree.order(`b answer ${socket}`);
    expect(await tree.result("b")).toBe("ECONNRESET");
    tree.order(`c answer-as-orphan ${socket}`);
    expect(await tree.result("c")).toBe("ECONNRESET");
    expect(tree.results()).not.toContain("a passed");
    await person.says(1, "allow");
    expect(await tree.result("a")).toBe("passed");
  });

  test("reaches no process outside that could answer for it", async (context) => {
    if (!canSeparate()) context.skip("no signal scopes in this kernel (Landlock, Linux 6.12)");
    const tree = await start();
    tree.order(`a signal ${process.pid}`);
    expect(await tree.result("a")).toBe("EPERM");
  });

  test("cannot answer by the command either", async () => {
    const words = ["run", "-q", "--ask-socket", socket, "--ask-timeout", "2s", "-p", join(folder, "p.ts"), "--"];
    const script = `mkdir ${folder}/d & bin/portcullis approvals allow --socket ${socket} 1; echo "status $?"; wait`;
    const ran = spawnSync("bin/portcullis", [...words, "sh", "-c", script], {
      encoding: "utf8",
      timeout: patience.command,
    });
    expect(ran.stdout).toMatch(/status (?:1|125)/);
    expect(existsSync(join(folder, "d"))).toBe(false);
  });

  test("gets a refusal for more questions than can be open", async () => {
    const tree = await start();
    const person = await Person.at(socket);
    for (let at = 0; at < 24; at++) tree.order(`n${at} getppid`);
    await person.question(16);
    await until("8 refusals", () => tree.results().filter((line) => line.endsWith(" EPERM")).length === 8);
    for (let number = 1; number <= 16; number++) await person.says(number, "allow");
    await until("16 answers", () => tree.results().filter((line) => line.endsWith(" passed")).length === 16);
    const refused = () => tree.events().filter(({ answered }) => answered === "too-many");
    const count = () => refused().reduce((sum, { count = 1 }) => sum + Number(count), 0);
    await until("the events", () => count() === 8);
  });
});

describe("portcullis approvals", () => {
  const approvals = (...words: readonly string[]) =>
    spawnSync("bin/portcullis", ["approvals", ...words], { encoding: "utf8", timeout: patience.command });

  test("lists and answers", async () => {
    const tree = await start();
    tree.order("a getppid");
    const listed = await until("the question", () => {
      const { stdout } = approvals("--socket", socket);
      return stdout.includes("getppid") ? stdout : undefined;
    });
    expect(listed).toMatch(/^\d+\.1 \(\d+ s\): questions\[\d+\]: getppid\(\): it counts, by .*p\.ts:5:/);
    expect(approvals("allow", "--socket", socket, "7")).toMatchObject({
      ...{ status: 1, stderr: "portcullis: question 7 is not open\n" },
    });
    expect(approvals("allow", "--socket", socket, "1")).toMatchObject({ status: 0, stderr: "" });
    expect(await tree.result("a")).toBe("passed");
  });

  test("reads answers from its input, while it watches", async () => {
    const tree = await start();
    const watching = spawn("bin/portcullis", ["approvals", "watch", "--socket", socket], { stdio: "pipe" });
    let out = "";
    watching.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    tree.order("a getppid");
    await until("the prompt", () => out.includes("a: allow"));
    watching.stdin.write("d\n");
    expect(await tree.result("a")).toBe("EPERM");
    tree.order("b getppid");
    await until("the second prompt", () => out.split("a: allow").length === 3);
    watching.stdin.write("a\n");
    expect(await tree.result("b")).toBe("passed");
    watching.stdin.end();
    watching.kill();
  });
});
