/** Root's units of examples/systemd in a machine with systemd, and containers of crun under their agent. */
import { copyFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { AgentStatus } from "../../src/agent/control.ts";
import { foldersByParameter } from "../agent/folder-policies.ts";
import { type Additions, configuration, Place, whyNone } from "../containers/runtime.ts";
import { until } from "../support/patience.ts";
import { compiled } from "../support/run.ts";
import { type Command, Machine, whyNoMachine } from "./machine.ts";

export const unit = "portcullis-agent.service";

/** The agent has them in its folder. */
export const policies = {
  folders: foldersByParameter,
  paths: `import { allow, deny, policy } from "portcullis";
export default policy((call) =>
  (call.name === "mkdir" || call.name === "mkdirat") && call.args.path.text.matches("/shared/secret") ? deny("EACCES") : allow);
`,
  objects: `import { allow, deny, policy } from "portcullis";
export default policy((call) =>
  call.name === "openat" && call.args.path.resolved.under("/shared/closed") ? deny("EACCES", "an object") : allow);
`,
  kills: `import { allow, kill, perTree, policy } from "portcullis";
const made = perTree.counter();
export default policy((call) => {
  if (call.name !== "mkdir" && call.name !== "mkdirat") return allow;
  if (made.get() >= 1n) return kill("process", "one folder");
  made.add();
  return allow;
});
`,
};

/** Why it cannot run here; undefined if it can. */
export function whyNoService(): string | undefined {
  return whyNone("crun") ?? whyNoMachine();
}

export interface Container {
  readonly id: string;
  /** Has its root, and the folder that is /shared in it. */
  readonly place: Place;
  /** The same folder in the machine. */
  readonly folder: string;
  readonly command: Command;
}

export class RootService {
  readonly machine = new Machine();
  readonly #containers: Container[] = [];
  readonly #profiles = new Map<string, Promise<string>>();

  /** Boots the machine. Its sockets listen. */
  async boot(): Promise<void> {
    await this.machine.boot();
    for (const [name, text] of Object.entries(policies))
      this.machine.write(`/etc/portcullis/policies/${name}.ts`, text);
    await this.machine.ask("systemctl", "enable", "--now", "portcullis-agent.socket");
  }

  /** A policy as `linux.seccomp` of config.json. */
  profileOf(policy: keyof typeof policies, ...words: readonly string[]): Promise<string> {
    const all = ["portcullis", "export", "oci", ...words, `/etc/portcullis/policies/${policy}.ts`];
    const made = this.#profiles.get(all.join(" ")) ?? this.machine.ask(...all);
    this.#profiles.set(all.join(" "), made);
    return made;
  }

  /** Starts a shell in a container. /shared/load and /shared/notifier are programs of the tests. */
  start(profile: string, script: string, additions: Additions = {}): Container {
    const place = new Place(this.machine.shared);
    const folder = join("/shared", basename(place.folder));
    const id = `container-${this.#containers.length}`;
    const command = ["sh", "-c", `exec 2>&1; ${script}`];
    const inside = { root: join(folder, "rootfs"), shared: join(folder, "shared"), profile, command };
    writeFileSync(join(place.folder, "config.json"), configuration(inside, undefined, additions));
    for (const source of ["test/agent/load.c", "test/systemd/notifier.c"])
      copyFileSync(compiled(source), join(place.shared, basename(source, ".c")));
    const crun = this.machine.start("crun", "--cgroup-manager", "disabled", "run", "--bundle", folder, id);
    const started = { id, place, folder, command: crun };
    this.#containers.push(started);
    return started;
  }

  async output(policy: keyof typeof policies, script: string, additions: Additions = {}): Promise<string> {
    const { out } = await this.start(await this.profileOf(policy), script, additions).command.end();
    return out;
  }

  /** A container that makes the folders of each line that it is given (`make`). Two are permitted. */
  async folders(): Promise<Container> {
    const script = "cd /shared; while read names; do for name in $names; do mkdir $name; done; echo done; done";
    return this.start(await this.profileOf("folders"), script);
  }

  async status(): Promise<AgentStatus> {
    return JSON.parse(await this.machine.ask("portcullis", "agent", "status", "--json")) as AgentStatus;
  }

  async property(name: string, of = unit): Promise<string> {
    return (await this.machine.ask("systemctl", "show", "--value", "--property", name, of)).trim();
  }

  journal(): Promise<string> {
    return this.machine.ask("journalctl", "--unit", unit, "--output", "cat", "--no-pager");
  }

  async restart(): Promise<void> {
    await this.machine.ask("systemctl", "restart", unit);
  }

  /** Waits until the main process is another one. */
  async succeeds(former: string): Promise<void> {
    await until("another agent", async () => !["0", former].includes(await this.property("MainPID")));
  }

  /** Changes the service by a drop-in until the next one. */
  async dropIn(text: string): Promise<void> {
    this.machine.write("/etc/systemd/system/portcullis-agent.service.d/test.conf", text);
    await this.machine.ask("systemctl", "daemon-reload");
  }

  close(): Promise<void> {
    for (const { place } of this.#containers) place.remove();
    return this.machine.close();
  }
}

/** What a container of `folders` says about these folders. */
export async function make({ command }: Pick<Container, "command">, names: string): Promise<string> {
  const begin = command.out.length;
  command.say(`${names}\n`);
  await until("the folders are made", () => command.out.slice(begin).includes("done\n"));
  return command.out.slice(begin);
}

/** The third folder is refused. */
export const refusedThird = /^mkdir: [^\n]*c[^\n]*: Disk quota exceeded\ndone\n$/;
