/** The capabilities of root's service (examples/systemd, docs/containers.md): the ones that it has, and what each is for. */
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { capabilityNames } from "../../src/abi/capability-names.ts";
import type { Additions } from "../containers/runtime.ts";
import { RootService, whyNoService } from "./root-service.ts";

const reason = whyNoService();
if (reason !== undefined) test("no systemd can run", (context) => context.skip(reason));

const ofUser = { process: { user: { uid: 1000, gid: 1000 } } } as const;
/** As root has them in containers of docker, podman and containerd. */
const usual = ["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE"].map(
  (name) => `CAP_${name}`,
);
const ofRoot = { process: { capabilities: { bounding: usual, effective: usual, permitted: usual } } } as const;

const maskOf = (...names: readonly string[]): string =>
  names
    .reduce((mask, name) => mask | (1n << BigInt(capabilityNames.indexOf(name))), 0n)
    .toString(16)
    .padStart(16, "0");

describe.skipIf(reason !== undefined)("root's service", () => {
  const service = new RootService();
  beforeAll(() => service.boot());
  afterAll(() => service.close());

  test("has three capabilities, and no_new_privs", async () => {
    await service.restart();
    const text = readFileSync(service.machine.path(`/proc/${await service.property("MainPID")}/status`), "utf8");
    const three = maskOf("CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_KILL");
    for (const set of ["CapBnd", "CapPrm", "CapEff"]) expect(text).toContain(`${set}:\t${three}\n`);
    for (const set of ["CapInh", "CapAmb"]) expect(text).toContain(`${set}:\t${maskOf()}\n`);
    expect(text).toContain("NoNewPrivs:\t1\n");
    expect(text).toContain("Uid:\t0\t0\t0\t0\n");
  });

  const reads = { root: "reads", user: "reads", kill: "status 137\n" };
  test.each<[without: string, expected: Readonly<Record<"root" | "user" | "kill", string>>]>([
    ["nothing", reads],
    ["CAP_SYS_PTRACE", { ...reads, root: "does not read", user: "does not read" }],
    ["CAP_DAC_READ_SEARCH", { ...reads, user: "does not read" }],
    ["CAP_KILL", { ...reads, kill: "status 1\n" }],
  ])("needs each of them: without %s", async (without, expected) => {
    await service.dropIn(without === "nothing" ? "" : `[Service]\nCapabilityBoundingSet=~${without}\n`);
    await service.restart();
    const paths = "mkdir /shared/a && echo reads || echo does not read; mkdir /shared/secret || echo refused";
    for (const [additions, whose] of [
      [ofRoot, "root"],
      [ofUser, "user"],
    ] as const) {
      const out = await service.output("paths", paths, additions);
      expect(out.split("\n").filter((line) => !line.startsWith("mkdir:"))).toEqual([expected[whose], "refused", ""]);
    }
    expect(await service.output("kills", "mkdir /shared/a /shared/b; echo status $?", ofUser)).toContain(expected.kill);
  });

  describe("with the drop-in for `.resolved`,", () => {
    const pattern = /```ini\n# \/etc\/systemd\/system\/portcullis-agent\.service\.d\/objects\.conf\n([^`]*)```/;
    const added = pattern.exec(readFileSync("docs/containers.md", "utf8"))?.[1] ?? "";
    // `private` is for CAP_DAC_OVERRIDE, `other` for its owner and CAP_FOWNER, and new files of `group` keep their bit by CAP_FSETID.
    const script = `cat /shared/open && echo open; cat /shared/closed/file || echo refused; cat /shared/private && echo private
dd if=/shared/other iflag=noatime status=none && echo other
perl -e 'umask 0; sysopen F, "/shared/group/file", 0x41, 02755'; stat -c %a /shared/group/file`;

    const opened = async (additions: Additions): Promise<readonly string[]> => {
      const { command, place } = service.start(
        await service.profileOf("objects"),
        "read line; . /shared/script",
        additions,
      );
      const { shared } = place;
      for (const folder of ["closed", "group"]) mkdirSync(join(shared, folder));
      for (const name of ["open", "closed/file", "private", "other"]) writeFileSync(join(shared, name), "");
      writeFileSync(join(shared, "script"), script);
      chmodSync(join(shared, "private"), 0);
      chownSync(join(shared, "other"), 1, 1);
      chownSync(join(shared, "group"), 0, 5);
      chmodSync(join(shared, "group"), 0o2777);
      command.say("\n");
      const { out } = await command.end();
      return out.split("\n").filter((line) => line !== "" && !line.includes(": "));
    };
    const whole = ["open", "refused", "private", "other", "2755"];
    const user = ["open", "refused", "755"];

    test.each<[without: string, root: readonly string[], user: readonly string[]]>([
      ["nothing", whole, user],
      ["CAP_SYS_CHROOT", [], []],
      ["CAP_SETUID", whole, []],
      ["CAP_SETGID", whole, []],
      ["CAP_DAC_OVERRIDE", whole.filter((one) => one !== "private"), user],
      ["CAP_FOWNER", whole.filter((one) => one !== "other"), user],
      ["CAP_FSETID", [...whole.slice(0, -1), "755"], user],
    ])("opens objects, and needs each: without %s", async (without, root, other) => {
      expect(added).toMatch(/^\[Service\]\nCapabilityBoundingSet=/);
      await service.dropIn(without === "nothing" ? added : `${added}CapabilityBoundingSet=~${without}\n`);
      await service.restart();
      expect({ root: await opened(ofRoot), user: await opened(ofUser) }).toEqual({ root, user: other });
    });
  });
});
