/** The ready policy agent-socket on ssh-agent and ssh-add: one agent is reached, whatever the path to it, and no other. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../support/patience.ts";
import { guarded, portcullis } from "../support/run.ts";

const folder = mkdtempSync(join(tmpdir(), "portcullis-agent-"));
const agents: ChildProcess[] = [];

async function startAgent(name: string): Promise<void> {
  const path = join(folder, name);
  agents.push(spawn("ssh-agent", ["-D", "-a", path], { stdio: "ignore" }));
  await until(`the socket of ${name}`, () => existsSync(path));
}

beforeAll(async () => {
  await startAgent("agent.sock");
  await startAgent("other.sock");
  symlinkSync("agent.sock", join(folder, "link"));
  symlinkSync("other.sock", join(folder, "link-to-other"));
  const key = join(folder, "key");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "for the test", "-f", key]);
  for (const name of ["agent.sock", "other.sock"])
    execFileSync("ssh-add", ["-q", key], { env: { ...process.env, SSH_AUTH_SOCK: join(folder, name) } });
});
afterAll(() => {
  for (const agent of agents) agent.kill();
  rmSync(folder, { recursive: true, force: true });
});

function list(socket: string) {
  const env = { ...process.env, SSH_AUTH_SOCK: socket };
  return guarded("policies/agent-socket.ts", ["ssh-add", "-l"], ["--set", `agent=${join(folder, "agent.sock")}`], {
    env,
  });
}

describe("agent-socket", () => {
  it.each(["agent.sock", "link", "../DOTS/agent.sock"])("reaches the agent by %s", (name) => {
    const ran = list(join(folder, name.replace("../DOTS", `../${folder.slice(folder.lastIndexOf("/") + 1)}`)));
    expect(ran.stdout).toContain("for the test");
    expect(ran.status).toBe(0);
    expect(ran.decisions).toEqual([]);
  });

  it("names the users that can put another socket at the agent's path", () => {
    const run = (...options: readonly string[]) =>
      portcullis([
        ...["run", "-p", "policies/agent-socket.ts", "--set", `agent=${join(folder, "agent.sock")}`, ...options],
        ...["--", "true"],
      ]);
    expect(run().stderr).toContain("P0609");
    expect(run().stderr).toContain(`resolved.is "${join(folder, "agent.sock")}"`);
    expect(run("--strict-paths")).toMatchObject({ status: 125, stdout: "" });
  });

  it("by text reaches it by its name only, and names the users that can put another socket there", () => {
    const run = (name: string, ...options: readonly string[]) =>
      portcullis(
        [
          ...["run", "--engine", "notify", "-p", "policies/agent-socket.ts", "--set", "by-text=true"],
          ...["--set", `agent=${join(folder, "agent.sock")}`, ...options, "--", "ssh-add", "-l"],
        ],
        { env: { ...process.env, SSH_AUTH_SOCK: join(folder, name) } },
      );
    expect(run("agent.sock").stdout).toContain("for the test");
    expect(run("agent.sock").stderr).toContain("P0609");
    expect(run("agent.sock", "--strict-paths")).toMatchObject({ status: 125, stdout: "" });
    expect(run("link").stderr).toContain("Permission denied");
  });

  it.each(["other.sock", "link-to-other"])("does not reach another agent by %s", (name) => {
    const ran = list(join(folder, name));
    expect(ran.stdout).not.toContain("for the test");
    expect(ran.stderr).toContain("Permission denied");
    expect(ran.decisions).toMatchObject([{ call: "connect", verdict: "deny", errno: "EACCES" }]);
  });
});
