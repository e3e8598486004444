/** What a policy of the agent does in a container, for any runtime. */
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { TestAgent } from "../agent/agent.ts";
import { foldersByParameter } from "../agent/folder-policies.ts";
import { Manager } from "../agent/manager.ts";
import { portcullis } from "../cli/harness.ts";
import { ordinaryUser, programFor, reachableFolder } from "../support/ordinary-user.ts";
import { until } from "../support/patience.ts";
import { compiled } from "../support/run.ts";
import { type Container, type Outcome, Place, type Run, type Runtime } from "./runtime.ts";

/** The agent has them in its folder. */
const policies = {
  folders: foldersByParameter,
  // A path in the caller's memory, and the object of a path in the container's root.
  paths: `import { allow, deny, policy } from "portcullis";
export default policy((call) => {
  if (call.name !== "openat") return allow;
  if (call.args.path.text.matches("/shared/named*")) return deny("EACCES", "a path");
  return allow;
});
`,
  objects: `import { allow, deny, policy } from "portcullis";
export default policy((call) => {
  if (call.name !== "openat") return allow;
  return call.args.path.resolved.under("/shared/closed") ? deny("EACCES", "an object") : allow;
});
`,
  // An open of a FIFO waits for a writer, and meanwhile no other one begins.
  rooms: `import { allow, deny, perTree, policy } from "portcullis";
const opens = perTree.rooms({ sides: ["open"], exclusive: ["open"], timeout: "300ms", late: deny("EDEADLK", "another open") });
export default policy((call) => {
  if (call.name === "openat" && call.args.path.text.matches("/shared/fifo*")) opens.enter("open");
  return allow;
});
`,
  serving: readFileSync("deploy/kubernetes/policies/serving.ts", "utf8"),
};

/** Forks until it is refused, or 50 times. */
const forkBomb = [
  "perl",
  "-e",
  '$| = 1; while ($n < 50 && defined($child = fork)) { sleep 1000 if !$child; $n++ } print "$n children: $!\\n"; open F, "</shared/line"; <F>',
];

/** Opens /tmp/.netrc between two connections, whose errors it prints. */
const thief = [
  "perl",
  "-MSocket",
  "-e",
  `sub try { socket my $s, AF_UNIX, SOCK_STREAM, 0; connect $s, pack_sockaddr_un "/shared/absent"; print "$!\\n" }
   try; open my $f, "<", "/tmp/.netrc"; try`,
];

/** Listens on /shared/socket. */
const listener = [
  "perl",
  "-MSocket",
  "-e",
  `$| = 1; socket my $s, AF_UNIX, SOCK_STREAM, 0 or die; bind $s, pack_sockaddr_un "/shared/socket" or die; listen $s, 9 or die;
   print "listens\\n"; open F, "</shared/line"; <F>`,
];

const nginxConfiguration = `daemon off;
pid /tmp/nginx.pid;
error_log stderr;
user root root;
worker_processes 2;
events {}
http {
  access_log off;
  client_body_temp_path /tmp/a;
  proxy_temp_path /tmp/b;
  fastcgi_temp_path /tmp/c;
  uwsgi_temp_path /tmp/d;
  scgi_temp_path /tmp/e;
  server { listen unix:/shared/http; location / { root /shared; } }
}
`;

function answerOf(socketPath: string): Promise<number | undefined> {
  return new Promise((resolved) => {
    request({ socketPath, path: "/nginx.conf" }, (response) => {
      response.resume().on("end", () => resolved(response.statusCode));
    })
      .on("error", () => resolved(undefined))
      .end();
  });
}

/**
 * `make test-containers` prints these lines (tools/container-table.mjs): a runtime, a case and its outcome; or a runtime, the
 * word "event" and an event that a case has expected.
 */
function note(...line: readonly string[]): void {
  const file = process.env["PORTCULLIS_CONTAINER_CASES"];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
}

/** By vitest's state of a test before its afterEach. */
const outcomes: ReadonlyMap<string | undefined, string> = new Map([
  ["run", "ran"],
  ["pass", "ran"],
  ["skip", "not run"],
]);

export function containerCases(runtime: Runtime): void {
  const reason = runtime.missing();
  if (reason !== undefined) {
    note(runtime.name, reason, "not run");
    test(`${runtime.name} cannot run`, (context) => context.skip(reason));
    return;
  }
  describe(runtime.name, () => {
    const user = runtime.rootless ? { program: programFor(reachableFolder("rootless")), uid: ordinaryUser } : undefined;
    let agent: TestAgent;
    let manager: Manager;
    let places: Map<Container, Place>;
    let stop: (() => Promise<void>) | undefined;
    beforeAll(async () => {
      stop = await runtime.start?.();
    });
    afterAll(() => stop?.());
    beforeEach(async () => {
      const texts = Object.fromEntries(Object.entries(policies).map(([name, text]) => [`${name}.ts`, text]));
      agent = new TestAgent(texts, user);
      places = new Map();
      manager = new Manager(join(agent.folder, "notify"));
      await agent.startUnder(manager);
    });
    afterEach(async ({ task }) => {
      note(runtime.name, task.name, outcomes.get(task.result?.state) ?? "failed");
      try {
        for (const container of places.keys()) await runtime.remove(container);
      } finally {
        await agent.close();
        manager.close();
      }
      for (const place of places.values()) place.remove();
    });

    const profileOf = async (policy: string, ...settings: readonly string[]): Promise<string> => {
      const source = policy in policies ? join(agent.policies, `${policy}.ts`) : policy;
      const words = settings.flatMap((setting) => ["--set", setting]);
      const { status, out, err } = await portcullis("export", "oci", "--listener", agent.socket, ...words, source);
      expect({ status, err }).toMatchObject({ status: 0 });
      return out;
    };

    const container = (profile: string, command: readonly string[], options: Partial<Container> = {}): Container => {
      const place = new Place();
      const id = `portcullis-${process.pid}-${runtime.name.replaceAll(/\W+/g, "-")}-${places.size}`;
      const made = { id, root: place.root, shared: place.shared, profile, command, ...options };
      places.set(made, place);
      return made;
    };

    const say = (given: Container): void => places.get(given)!.say();

    const run = (given: Container): Promise<Outcome> => runtime.run(given).end();

    /** Starts a container and waits for a text that it prints. */
    const start = async (given: Container, ready: string): Promise<Run> => {
      const running = runtime.run(given);
      await until(ready, () => running.out.includes(ready) || running.failure);
      return running;
    };

    /** One that names the container, as docs/containers.md shows it. */
    const event = async (
      given: Container,
      expected: { readonly call: string; readonly errno: string; readonly [member: string]: unknown },
    ): Promise<void> => {
      const whole = { kind: "decision", ...(await runtime.origin(given)), ...expected };
      await until("the event", () => agent.eventLines.some((line) => line["containerId"] === whole.containerId));
      expect(agent.eventLines).toContainEqual(expect.objectContaining(whole));
      const found = agent.eventLines.find(
        (line) => line["containerId"] === whole.containerId && line["errno"] === whole.errno,
      )!;
      const { namespace, pod, container, containerId, call, errno, rule, reason } = found;
      const words = { namespace, pod, container, containerId, call, errno, rule: rule ?? reason };
      note(runtime.name, "event", Object.values(words).filter(Boolean).join(" "));
    };

    test("exec-once: the command executes no further program", async () => {
      const command = ["sh", "-c", "exec 2>&1; echo started; exec /bin/echo refused"];
      const given = container(await profileOf("exec-once", "read-only-proc=false"), command);
      const { status, out } = await run(given);
      expect(out).toMatch(/^started\n.*Permission denied/);
      expect(status).not.toBe(0);
      await event(given, { call: "execve", errno: "EACCES", rule: expect.stringMatching(/exec-once\.ts:11:/) });
    });

    test("children: a fork bomb is stopped in its own container", async () => {
      const profile = await profileOf("children", "most=8");
      const [bomb, other] = [
        container(profile, forkBomb),
        container(profile, ["sh", "-c", "sleep 0; sleep 0; echo done"]),
      ];
      const first = await start(bomb, "children");
      expect(first.out).toContain("7 children: Resource temporarily unavailable");
      expect(await run(other)).toEqual({ status: 0, out: "done\n" });
      say(bomb);
      await first.end();
      await event(bomb, { call: "clone", errno: "EAGAIN", rule: expect.stringMatching(/children\.ts:6:/) });
      const { containerId: otherId } = await runtime.origin(other);
      expect(agent.eventLines.some(({ containerId }) => containerId === otherId)).toBe(false);
    });

    test("a path in memory: refused by its text", async () => {
      const given = container(await profileOf("paths"), ["sh", "-c", "echo x >/shared/other; cat </shared/named"]);
      writeFileSync(join(given.shared, "named"), "");
      const { out } = await run(given);
      expect(out).toMatch(/Permission denied/);
      expect(readFileSync(join(given.shared, "other"), "utf8")).toBe("x\n");
      await event(given, { call: "openat", errno: "EACCES", rule: expect.stringMatching(/paths\.ts:4:/) });
    });

    // An ordinary user's agent may not take the rights of a caller in a container.
    if (runtime.rootless)
      test("an object: nothing is opened, and the event says why", async () => {
        const given = container(await profileOf("objects"), ["cat", "/shared/open"]);
        writeFileSync(join(given.shared, "open"), "open\n");
        expect((await run(given)).out).not.toContain("open\n");
        await event(given, { call: "openat", errno: "EACCES" });
      });
    const namespaces = runtime.rootless ? [] : runtime.maps ? [false, true] : [false]; // of users
    test.each(namespaces)("an object of a path, in the container's root (user namespace: %s)", async (maps) => {
      const script = `exec 2>&1
ln -s /shared/closed/secret /tmp/absolute; ln -s ../../../../shared/closed /tmp/above
for path in /shared/open /shared/closed/secret /tmp/absolute /tmp/above/secret ../../shared/closed/secret /shared/bound; do
  cat $path || echo refused $path
done
cd /shared/closed/within; cat ../secret || echo refused relative; cat ../../open
echo made >/tmp/made; cat /tmp/made; stat -c %u:%g /tmp/made; cat /proc/self/status || echo proc
${runtime.maps ? "cat /shared/private || echo private" : ""}`;
      const given = container(await profileOf("objects"), ["sh", "-c", script], { maps });
      for (const folder of ["closed", "closed/within"]) mkdirSync(join(given.shared, folder));
      for (const [name, text] of Object.entries({ open: "open", "closed/secret": "secret" }))
        writeFileSync(join(given.shared, name), `${text}\n`);
      // Root may read it, and the root of a container without capabilities may not.
      chmodSync(join(given.shared, "open"), 0o644);
      writeFileSync(join(given.shared, "private"), "private file\n", { mode: 0o600 });
      chownSync(join(given.shared, "private"), 1, 1);
      // A hard link is the same object below another directory.
      linkSync(join(given.shared, "closed/secret"), join(given.shared, "bound"));
      const { out } = await run(given);
      expect(out.split("\n").filter((line) => !line.startsWith("cat:"))).toEqual([
        "open",
        ...["/shared/closed/secret", "/tmp/absolute", "/tmp/above/secret", "../../shared/closed/secret"].map(
          (path) => `refused ${path}`,
        ),
        "secret",
        ...["refused relative", "open", "made", "0:0", "proc", ...(runtime.maps ? ["private"] : []), ""],
      ]);
      await until("the rule's event", () => agent.eventLines.some(({ rule }) => rule !== undefined));
      await event(given, { call: "openat", errno: "EACCES", rule: expect.stringMatching(/objects\.ts:4:/) });
    });

    if (runtime.maps)
      test.each([
        ["the service's capabilities", "", false, "root directory"],
        ["CAP_SYS_CHROOT, and a user namespace", ",+sys_chroot", true, "users, groups or capabilities"],
      ])("an object, if the agent has %s: nothing is opened, and the event says why", async (_, more, maps, why) => {
        await agent.end();
        const service = `--bounding-set=-all,+sys_ptrace,+dac_read_search,+kill${more}`;
        await agent.startBy("setpriv", service, "--inh-caps=-all");
        const given = container(await profileOf("objects"), ["cat", "/shared/open"], { maps });
        writeFileSync(join(given.shared, "open"), "open\n");
        expect((await run(given)).out).not.toContain("open\n");
        await event(given, { call: "openat", errno: "EACCES", reason: expect.stringContaining(why) });
      });

    test("a room: two processes open one after the other", async () => {
      const script = "exec 2>&1; cat /shared/fifo1 & cat /shared/fifo2 & wait; echo over";
      const given = container(await profileOf("rooms"), ["sh", "-c", script]);
      const fifos = ["fifo1", "fifo2"].map((name) => join(given.shared, name));
      spawnSync("mkfifo", ["-m", "666", ...fifos]);
      const running = await start(given, "Resource deadlock avoided");
      const late = running.out.match(/Resource deadlock avoided/g);
      // Whichever process is in the room has a writer now.
      const writers = fifos.map((path) => openSync(path, constants.O_RDWR));
      await until("the event", () => agent.eventLines.length > 0);
      for (const writer of writers) closeSync(writer);
      expect((await running.end()).out).toContain("over\n");
      expect(late).toHaveLength(1);
      await event(given, { call: "openat", errno: "EDEADLK" });
    });

    test("no-secrets: no connection after a secret", async () => {
      const given = container(await profileOf("no-secrets", "read-only-proc=false"), thief);
      const { out } = await run(given);
      expect(out).toBe("No such file or directory\nPermission denied\n");
      await event(given, { call: "connect", errno: "EACCES", rule: expect.stringMatching(/no-secrets\.ts:/) });
    });

    test("nginx: its phases under load", async ({ skip }) => {
      if (spawnSync("nginx", ["-v"]).status !== 0) skip("nginx is not installed");
      const profile = await profileOf("nginx", "read-only-proc=false");
      const given = container(profile, ["nginx", "-c", "/shared/nginx.conf", "-e", "stderr"]);
      writeFileSync(join(given.shared, "nginx.conf"), nginxConfiguration);
      const running = runtime.run(given);
      const socket = join(given.shared, "http");
      await until("nginx answers", async () => (await answerOf(socket)) === 200 || running.failure);
      for (let round = 0; round < 20; round++) {
        const answers = await Promise.all(Array.from({ length: 10 }, () => answerOf(socket)));
        expect(answers).toEqual(answers.map(() => 200));
      }
      const [tree] = agent.status().trees;
      expect(tree).toMatchObject({ refused: 0, policy: { name: "nginx" } });
      await runtime.kill(given);
      await running.end();
    });

    const { refusesExec } = runtime;
    if (refusesExec !== undefined)
      test("`exec`: the runtime itself refuses it", async () => {
        const given = container(await profileOf("folders"), ["sh", "-c", "echo ready; read line </shared/line"]);
        const running = await start(given, "ready");
        const { status, out } = await runtime.exec(given, ["echo", "executed"]);
        expect(status).not.toBe(0);
        expect(out).toMatch(refusesExec);
        say(given);
        await running.end();
      });
    else {
      test("serving: the state of the tree holds for `exec`", async () => {
        const given = container(await profileOf("serving"), listener);
        const running = await start(given, "listens");
        const { out } = await runtime.exec(given, ["sh", "-c", "exec 2>&1; echo executed; exec /bin/true"]);
        expect(out).toMatch(/^executed\n.*Permission denied/);
        await event(given, { call: "execve", errno: "EACCES", rule: expect.stringMatching(/serving\.ts:12:/) });
        expect(agent.status().trees).toHaveLength(1);
        say(given);
        await running.end();
      });

      test("a count is shared with `exec`, and not with another container", async () => {
        const profile = await profileOf("folders");
        const first = container(profile, ["sh", "-c", "mkdir /tmp/a && echo ready; read line </shared/line"]);
        const running = await start(first, "ready");
        const made = (name: string) => runtime.exec(first, ["mkdir", `/tmp/${name}`]);
        expect(await made("b")).toEqual({ status: 0, out: "" });
        expect((await made("c")).out).toContain("Disk quota exceeded");
        await event(first, { call: "mkdir", errno: "EDQUOT", rule: expect.stringMatching(/folders\.ts:6:/) });
        const other = await run(container(profile, ["sh", "-c", "mkdir /tmp/a /tmp/b && echo made"]));
        expect(other.out).toBe("made\n");
        say(first);
        await running.end();
      });
    }

    test("a container that is killed: its tree ends, and another one goes on", async () => {
      const profile = await profileOf("folders");
      const command = ["sh", "-c", "mkdir /tmp/a && echo ready; read line </shared/line; mkdir /tmp/b && echo made"];
      const [killed, other] = [container(profile, command), container(profile, command)];
      const [first, second] = [await start(killed, "ready"), await start(other, "ready")];
      await runtime.kill(killed);
      expect((await first.end()).status).not.toBe(0);
      await until("one tree is left", () => agent.status().trees.length === 1);
      say(other);
      expect((await second.end()).out).toBe("ready\nmade\n");
      await until("no tree is left", () => agent.status().trees.length === 0);
      expect(agent.eventLines).toEqual([]);
    });

    test("an agent that is restarted under load: no call fails, and the count goes on, also for `exec`", async () => {
      const most = 500;
      const given = container(await profileOf("folders", `most=${most}`), [
        "sh",
        "-c",
        "cd /shared && exec /shared/load 3",
      ]);
      copyFileSync(compiled("test/agent/load.c"), join(given.shared, "load"));
      const running = await start(given, "begun");
      const [before] = agent.status().trees;
      for (let round = 0; round < 3; round++) {
        expect(await agent.end()).toBe(0);
        await agent.startUnder(manager);
      }
      await until("the limit is reached", () => agent.status().trees[0]!.refused > 0);
      expect(agent.status().trees).toMatchObject([{ number: before!.number, started: before!.started }]);
      if (refusesExec === undefined)
        expect((await runtime.exec(given, ["mkdir", "/tmp/further"])).out).toContain("Disk quota exceeded");
      await event(given, { call: "mkdir", errno: "EDQUOT", rule: expect.stringMatching(/folders\.ts:6:/) });
      writeFileSync(join(given.shared, "stop"), "");
      const { out } = await running.end();
      expect(out).toMatch(new RegExp(`^made ${most}, refused [1-9]\\d*, other 0, error 0$`, "m"));
      expect(manager.store.size).toBe(0);
    });

    test("without an agent: the container does not start", async () => {
      const profile = await profileOf("folders");
      await agent.end();
      const { status, out } = await run(container(profile, ["echo", "started"]));
      expect(status).not.toBe(0);
      expect(out).not.toMatch(/^started/m);
    });

    test("an agent of another policy text: the container does not start", async () => {
      const profile = await profileOf("folders");
      agent.write("folders.ts", policies.paths);
      await until("the agent has compiled it", () => !profile.includes(agent.digest("folders")));
      const { status, out } = await run(container(profile, ["echo", "started"]));
      expect(status).not.toBe(0);
      expect(out).not.toMatch(/^started/m);
      await until("the agent says why", () => agent.said.includes("has another digest"));
    });

    test("an agent that is killed: the calls that need it fail", async () => {
      const given = container(await profileOf("folders"), [
        "sh",
        "-c",
        "echo ready; read line </shared/line; mkdir /tmp/a; echo goes on",
      ]);
      // `sh` executes mkdir, which needs the agent, too.
      const running = await start(given, "ready");
      await agent.end("SIGKILL");
      say(given);
      const { out } = await running.end();
      expect(out).toContain("Function not implemented");
      expect(out).toContain("goes on");
    });

    if (runtime.rootless)
      test("a command that its user may not read: its calls are judged", async () => {
        const given = container(await profileOf("folders"), ["/shared/hidden", "/tmp/a", "/tmp/b", "/tmp/c"]);
        const hidden = join(given.shared, "hidden");
        copyFileSync("/usr/bin/mkdir", hidden);
        chmodSync(hidden, 0o711);
        expect((await run(given)).out).toMatch(/^\S+: [^\n]*\/tmp\/c[^\n]*: Disk quota exceeded\n$/);
        await event(given, { call: "mkdir", errno: "EDQUOT", rule: expect.stringMatching(/folders\.ts:6:/) });
      });

    if (runtime.pods)
      test("a pod: its containers have states and events of their own", async () => {
        const profile = await profileOf("folders");
        const command = ["sh", "-c", "mkdir /tmp/a && echo ready; read line </shared/line; mkdir /tmp/d"];
        const first = container(profile, command);
        const second = container(profile, command, { pod: first.id });
        const runs = [await start(first, "ready"), await start(second, "ready")];
        const mkdir = (given: Container, name: string) => runtime.exec(given, ["mkdir", `/tmp/${name}`]);
        expect(await mkdir(first, "b")).toEqual({ status: 0, out: "" });
        expect((await mkdir(first, "c")).out).toContain("Disk quota exceeded");
        await event(first, { call: "mkdir", errno: "EDQUOT", rule: expect.stringMatching(/folders\.ts:6:/) });
        expect(await mkdir(second, "b")).toEqual({ status: 0, out: "" });
        expect(agent.eventLines.map((line) => line["container"])).toEqual([first.id]);
        for (const one of [first, second]) say(one);
        for (const run of runs) expect((await run.end()).out).toContain("Disk quota exceeded");
        await event(second, { pod: first.id, call: "mkdir", errno: "EDQUOT" });
      });

    if (runtime.maps)
      test("a user namespace: paths and counts", async () => {
        const maps = { maps: true };
        const given = container(
          await profileOf("paths"),
          ["sh", "-c", "exec 2>&1; cat </shared/named; cat </shared/other"],
          maps,
        );
        for (const name of ["named", "other"]) writeFileSync(join(given.shared, name), "text\n");
        expect((await run(given)).out).toMatch(/Permission denied\ntext\n$/);
        await event(given, { call: "openat", errno: "EACCES", rule: expect.stringMatching(/paths\.ts:4:/) });
        const bomb = container(await profileOf("children", "most=8"), forkBomb, maps);
        const running = await start(bomb, "children");
        expect(running.out).toContain("7 children: Resource temporarily unavailable");
        say(bomb);
        await running.end();
      });
  });
}
