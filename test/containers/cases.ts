/** What a policy of the agent does in a container, for any runtime. */
import { spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, chownSync, linkSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { TestAgent } from "../agent/agent.ts";
import { portcullis } from "../cli/harness.ts";
import { until } from "../support/patience.ts";
import { type Container, type Outcome, Place, Running, type Runtime } from "./runtime.ts";

/** The agent has them in its folder. */
const policies = {
  folders: `import { allow, deny, perTree, policy } from "portcullis";
const made = perTree.counter();
export default policy((call) => {
  if (call.name !== "mkdir") return allow;
  if (made.get() >= 2n) return deny("EDQUOT", "two folders are enough");
  made.add();
  return allow;
});
`,
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
  serving: readFileSync("deploy/kubernetes/policies/serving.ts", "utf8"),
};

/** Forks until it is refused, or 50 times. */
const forkBomb = [
  "perl",
  "-e",
  '$| = 1; while ($n < 50 && defined($child = fork)) { sleep 1000 if !$child; $n++ } print "$n children: $!\\n"; <STDIN>',
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
   print "listens\\n"; <STDIN>`,
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

/** `make test-containers` prints a table of these lines (tools/container-table.mjs). */
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
    let agent: TestAgent;
    let places: Place[];
    let containers: Container[];
    let stop: (() => Promise<void>) | undefined;
    beforeAll(async () => {
      stop = await runtime.start?.();
    });
    afterAll(() => stop?.());
    beforeEach(async () => {
      agent = new TestAgent(Object.fromEntries(Object.entries(policies).map(([name, text]) => [`${name}.ts`, text])));
      [places, containers] = [[], []];
      await agent.start();
    });
    afterEach(async ({ task }) => {
      note(runtime.name, task.name, outcomes.get(task.result?.state) ?? "failed");
      for (const container of containers) await new Running(runtime.remove(container)).end();
      await agent.close();
      for (const place of places) place.remove();
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
      places.push(place);
      const id = `portcullis-${process.pid}-${runtime.name.replaceAll(" ", "-")}-${places.length}`;
      const made = { id, root: place.root, shared: place.shared, profile, command, ...options };
      containers.push(made);
      return made;
    };

    const run = (given: Container): Promise<Outcome> => new Running(runtime.run(given)).end();

    /** Starts a container and waits for a text that it prints. */
    const start = async (given: Container, ready: string): Promise<Running> => {
      const running = new Running(runtime.run(given));
      await until(ready, () => running.out.includes(ready) || running.failure);
      return running;
    };

    const idOf = async (given: Container): Promise<string> =>
      runtime.id === undefined ? given.id : (await new Running(runtime.id(given)).end()).out.trim();

    const event = async (given: Container, expected: object): Promise<void> => {
      await until("the event", () => agent.eventLines.length > 0);
      expect(agent.eventLines).toContainEqual(
        expect.objectContaining({ kind: "decision", containerId: await idOf(given), ...expected }),
      );
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
      first.say("");
      await first.end();
      await event(bomb, { call: "clone", errno: "EAGAIN", rule: expect.stringMatching(/children\.ts:6:/) });
      const otherId = await idOf(other);
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

    const namespaces = runtime.maps ? [false, true] : [false]; // of users
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
      const running = new Running(runtime.run(given));
      const socket = join(given.shared, "http");
      await until("nginx answers", async () => (await answerOf(socket)) === 200 || running.failure);
      for (let round = 0; round < 20; round++) {
        const answers = await Promise.all(Array.from({ length: 10 }, () => answerOf(socket)));
        expect(answers).toEqual(answers.map(() => 200));
      }
      const [tree] = agent.status().trees;
      expect(tree).toMatchObject({ refused: 0, policy: { name: "nginx" } });
      await new Running(runtime.kill(given)).end();
      await running.end();
    });

    test("serving: the state of the tree holds for `exec`", async () => {
      const given = container(await profileOf("serving"), listener);
      const running = await start(given, "listens");
      const { out } = await new Running(
        runtime.exec(given, ["sh", "-c", "exec 2>&1; echo executed; exec /bin/true"]),
      ).end();
      expect(out).toMatch(/^executed\n.*Permission denied/);
      await event(given, { call: "execve", errno: "EACCES", rule: expect.stringMatching(/serving\.ts:12:/) });
      expect(agent.status().trees).toHaveLength(1);
      running.say("");
      await running.end();
    });

    test("a count is shared with `exec`, and not with another container", async () => {
      const profile = await profileOf("folders");
      const first = container(profile, ["sh", "-c", "mkdir /tmp/a && echo ready; read line"]);
      const running = await start(first, "ready");
      const made = (name: string) => new Running(runtime.exec(first, ["mkdir", `/tmp/${name}`])).end();
      expect(await made("b")).toEqual({ status: 0, out: "" });
      expect((await made("c")).out).toContain("Disk quota exceeded");
      await event(first, { call: "mkdir", errno: "EDQUOT", rule: expect.stringMatching(/folders\.ts:5:/) });
      const other = await run(container(profile, ["sh", "-c", "mkdir /tmp/a /tmp/b && echo made"]));
      expect(other.out).toBe("made\n");
      running.say("");
      await running.end();
    });

    test("a container that is killed: its tree ends, and another one goes on", async () => {
      const profile = await profileOf("folders");
      const command = ["sh", "-c", "mkdir /tmp/a && echo ready; read line; mkdir /tmp/b && echo made"];
      const [killed, other] = [container(profile, command), container(profile, command)];
      const [first, second] = [await start(killed, "ready"), await start(other, "ready")];
      await new Running(runtime.kill(killed)).end();
      expect((await first.end()).status).not.toBe(0);
      await until("one tree is left", () => agent.status().trees.length === 1);
      second.say("");
      expect((await second.end()).out).toBe("ready\nmade\n");
      await until("no tree is left", () => agent.status().trees.length === 0);
      expect(agent.eventLines).toEqual([]);
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
      expect(agent.said).toContain("has another digest");
    });

    test("an agent that is killed: the calls that need it fail", async () => {
      const given = container(await profileOf("folders"), [
        "sh",
        "-c",
        "echo ready; read line; mkdir /tmp/a; echo goes on",
      ]);
      // `sh` executes mkdir, which needs the agent, too.
      const running = await start(given, "ready");
      await agent.end("SIGKILL");
      running.say("");
      const { out } = await running.end();
      expect(out).toContain("Function not implemented");
      expect(out).toContain("goes on");
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
        running.say("");
        await running.end();
      });
  });
}
