/** Tests the ready policy `server` on Debian's servers, and against an attacker inside them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { DecisionEvent } from "../../src/events/event.ts";
import { type Address, freeAddress } from "../support/address.ts";
import { until } from "../support/patience.ts";
import { statusInShell } from "../support/processes.ts";
import { responseOf } from "../support/response.ts";
import { compiled, engine } from "../support/run.ts";

interface Server {
  readonly name: string;
  /** In the foreground, with its pid in the file. */
  command(address: Address, folder: string, pidFile: string): readonly string[];
  /** A client's request, and the end of the server's response. */
  readonly asks: string;
  readonly answers: RegExp;
}

const servers: readonly Server[] = [
  {
    name: "redis-server",
    command: ({ host, port }, folder, pidFile) => [
      "redis-server",
      "--bind",
      host,
      "--port",
      `${port}`,
      "--dir",
      folder,
      "--pidfile",
      pidFile,
      "--save",
      "",
    ],
    asks: "SET a kept\r\nBGSAVE\r\nGET a\r\nQUIT\r\n",
    answers: /^\+OK\r\n\+Background saving started\r\n\$4\r\nkept\r\n/,
  },
  {
    name: "memcached",
    command: ({ host, port }, _, pidFile) => [
      "memcached",
      "-l",
      host,
      "-p",
      `${port}`,
      "-U",
      "0",
      "-u",
      "nobody",
      "-P",
      pidFile,
    ],
    asks: "set a 0 0 4\r\nkept\r\nget a\r\nquit\r\n",
    answers: /^STORED\r\nVALUE a 0 4\r\nkept\r\nEND\r\n/,
  },
];

async function started({ command, asks, answers }: Server, before: readonly string[], events: string) {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-server-"));
  chmodSync(folder, 0o777);
  const address = await freeAddress();
  const pidFile = join(folder, "pid");
  const hijack = join(folder, "hijack");
  const said = openSync(join(folder, "said"), "w");
  // LD_PRELOAD takes no path with blanks, which the checkout's may have.
  const library = join(folder, "hijack.so");
  copyFileSync(compiled("test/policies/victims/hijack.c", ["-shared", "-fPIC"]), library);
  const inside = ["env", `LD_PRELOAD=${library}`, `HIJACK=${hijack}`, ...command(address, folder, pidFile)];
  const [program, ...words] = [...before, ...inside];
  const child = spawn(program!, words, { stdio: ["ignore", said, said] });
  let status: number | undefined;
  const ended = once(child, "exit").then(([code, signal]) => {
    status = statusInShell({ status: code, signal });
    return status;
  });
  const read = (file: string) => (existsSync(file) ? readFileSync(file, "utf8") : "");
  onTestFinished(async () => {
    if (status === undefined) child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  const answer = await until("an answer", async () => {
    if (status !== undefined) throw new Error(`the server has ended with ${status}\n${read(join(folder, "said"))}`);
    return responseOf(address, asks);
  });
  expect(answer).toMatch(answers);
  const pid = await until("its pid", () => Number(read(pidFile)) || undefined);
  return {
    /** Injected code runs in the server. */
    turn: () => process.kill(pid, "SIGWINCH"),
    stop: () => process.kill(pid, "SIGTERM"),
    ended,
    lines: () => read(hijack).trim().split("\n"),
    /** Except clone3, which every threaded program tries first. */
    decisions: () =>
      read(events)
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as DecisionEvent)
        .filter((event) => event.kind === "decision" && event.call !== "clone3"),
  };
}

const killed = 128 + (engine === "notify" ? 9 : 31);

describe.each(servers)("$name", (server) => {
  const guard = (folder: string) => {
    const events = join(folder, "events");
    const words = ["run", "--engine", engine, "-p", "server", "--events", events, "--"];
    return { before: [join(process.cwd(), "bin/portcullis"), ...words], events };
  };
  const eventFolder = () => {
    const folder = mkdtempSync(join(tmpdir(), "portcullis-server-events-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  };

  it("starts a shell when it is hijacked without a policy", async () => {
    const { turn, ended, lines } = await started(server, [], "");
    turn();
    expect(await ended).toBe(0);
    expect(lines()).toEqual(["bind ok", "listen ok", expect.stringMatching(/^kcmp /), "shell"]);
  });

  it("serves under the policy, and stops like without it", async () => {
    const { before, events } = guard(eventFolder());
    const { stop, ended, decisions } = await started(server, before, events);
    stop();
    expect([0, 128 + 15]).toContain(await ended);
    expect(decisions()).toEqual([]);
  });

  it("is ended when it is hijacked under the policy", async () => {
    const { before, events } = guard(eventFolder());
    const { turn, ended, lines, decisions } = await started(server, before, events);
    turn();
    expect(await ended).toBe(killed);
    expect(lines()).toEqual(["bind 13", "listen 13", "kcmp 1"]);
    expect(decisions().map(({ call, verdict }) => `${call} ${verdict}`)).toEqual([
      "bind deny",
      "listen deny",
      "kcmp deny",
      "execve kill-process",
    ]);
    if (engine === "notify") expect(decisions()[3]).toMatchObject({ phases: { phase: "serving" } });
  });
});
