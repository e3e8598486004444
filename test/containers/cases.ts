/** What a policy of the agent does in a container, for any runtime. */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TestAgent } from "../agent/agent.ts";
import { portcullis } from "../cli/harness.ts";
import { until } from "../support/patience.ts";
import { type Container, type Outcome, Place, Running, type Runtime } from "./runtime.ts";

const policies = {};

/** Forks until it is refused, or 50 times. */
const forkBomb = [
  "perl",
  "-e",
  '$| = 1; while ($n < 50 && defined($child = fork)) { sleep 1000 if !$child; $n++ } print "$n children: $!\\n"; <STDIN>',
];

export function containerCases(runtime: Runtime): void {
  const reason = runtime.missing();
  if (reason !== undefined) {
    test(`${runtime.name} cannot run`, (context) => context.skip(reason));
    return;
  }
  describe(runtime.name, () => {
    let agent: TestAgent;
    let places: Place[];
    let containers: Container[];
    beforeEach(async () => {
      agent = new TestAgent(policies);
      [places, containers] = [[], []];
      await agent.start();
    });
    afterEach(async () => {
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
      await until(`${ready} in ${running.out}`, () => running.out.includes(ready));
      return running;
    };

    const event = async (given: Container, expected: object): Promise<void> => {
      await until("the event", () => agent.eventLines.length > 0);
      expect(agent.eventLines).toContainEqual(
        expect.objectContaining({ kind: "decision", containerId: given.id, ...expected }),
      );
    };

    test("exec-once: the command executes no further program", async () => {
      const command = ["sh", "-c", "echo started; exec /bin/echo refused"];
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
      expect(agent.eventLines.some(({ containerId }) => containerId === other.id)).toBe(false);
    });
  });
}
