/**
 * Runs a command on a pseudo terminal, relays it to the terminal of this process, and asks there about the questions of the
 * command's trees. While a question is open, the command gets no keys, and what it writes waits.
 */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { constants } from "node:os";
import { ReadStream } from "node:tty";
import { safeText } from "../../../diagnostics/width.ts";
import { sessionOf } from "../../../machine/proc.ts";
import { copySize, disturbSize, openPseudoTerminal, writeUnchanged } from "../../../machine/pseudo-terminal.ts";
import { approvalSockets } from "../client.ts";
import { ended, type OpenQuestion, OpenQuestions } from "../open-questions.ts";
import type { Answer } from "../protocol.ts";
import { aboutText } from "../text.ts";
import { Prompt } from "./prompt.ts";

/** Milliseconds in which programs notice a change of their terminal's size, and in which the last output arrives. */
const settling = 50;

/** Further messages about sockets that cannot be used are not shown. */
const mostFaults = 8;

export interface TerminalOptions {
  readonly command: readonly string[];
  /** The only socket to follow; undefined: those of the trees that the command starts. */
  readonly socket: string | undefined;
  /** With the answer `always`: how long it holds. */
  readonly seconds: number | undefined;
}

/**
 * Standard input and output must be the terminal; standard error becomes the command's terminal, too, if it is one.
 *
 * @returns the command's exit status, 128 and the number if a signal has ended it, or 127 if it cannot be started
 * @throws SystemCallError if there are no pseudo terminals
 */
export async function runOnTerminal({ command, socket, seconds }: TerminalOptions): Promise<number> {
  const { stdin, stdout } = process;
  const { master, slave } = openPseudoTerminal(stdout.fd);
  // The command leads a session, whose terminal is the first that it opens (tty_ioctl(4), TIOCSCTTY).
  const redirected = process.stderr.isTTY ? 'exec <>"$1" >&0 2>&0' : 'exec <>"$1" >&0';
  const child = spawn("/bin/sh", ["-c", `${redirected}; shift; exec "$@"`, "sh", slave, ...command], {
    detached: true,
    stdio: ["ignore", "ignore", process.stderr.isTTY ? "ignore" : "inherit"],
  });
  const relay = new ReadStream(master);
  const over = new AbortController();
  let isAsking = false;
  /** The question that has no answer yet. */
  let asked: { readonly prompt: Prompt; readonly answer: (answer: Answer) => void } | undefined;
  // Bytes, which need not be UTF-8.
  stdin.setRawMode(true).setEncoding("latin1");
  writeUnchanged(stdin.fd);
  stdin.on("data", (keys: string) => {
    if (asked === undefined) {
      relay.write(keys, "latin1");
      return;
    }
    const { echo, answer, rest = "" } = asked.prompt.read(keys);
    stdout.write(echo);
    if (answer === undefined) return;
    asked.answer(answer);
    asked = undefined;
    relay.write(rest, "latin1");
  });
  relay.on("data", (text: Buffer) => {
    if (stdout.write(text)) return;
    relay.pause();
    stdout.once("drain", () => isAsking || relay.resume());
  });
  // EIO: no process has the slave open, or this terminal has gone, and then the command's goes, too.
  for (const one of [relay, stdin, stdout]) one.on("error", () => relay.destroy());
  stdin.on("end", () => relay.destroy());
  const resize = (change: () => void) => relay.destroyed || change();
  stdout.on("resize", () => resize(() => copySize(stdout.fd, master)));

  const faults = new Set<string>();
  const questions = new OpenQuestions({
    question: () => void ask(),
    fault: (text) => {
      // The tree can make sockets that are refused again with each search.
      if (faults.has(text) || faults.size >= mostFaults) return;
      faults.add(text);
      stdout.write(`\r\nportcullis: ${safeText(text)}\r\n`);
    },
  });
  const ask = async (): Promise<void> => {
    if (isAsking) return;
    isAsking = true;
    for (let one = questions.find(() => true); one !== undefined; one = questions.find(() => true)) {
      relay.pause();
      await askAbout(one);
    }
    isAsking = false;
    resize(() => disturbSize(master));
    setTimeout(() => resize(() => copySize(stdout.fd, master)), settling);
    relay.resume();
  };
  const askAbout = async (one: OpenQuestion): Promise<void> => {
    const prompt = new Prompt(`${randomInt(100_000, 1_000_000)}`, one.line.repeatable);
    stdout.write(prompt.text(`${one.name}: ${aboutText(one.line)}`));
    asked = {
      prompt,
      answer(answer) {
        const lasting = answer === "always" && seconds !== undefined ? { for: seconds } : {};
        one.client.answer({ question: one.line.question, answer, ...lasting });
      },
    };
    await ended(one);
    asked = undefined;
    if (one.ended.reason === "late" || one.ended.reason === "withdrawn")
      stdout.write(`\r\nportcullis: ${safeText(one.name)} has ended: ${one.ended.reason}\r\n`);
  };
  const sockets = () =>
    socket === undefined
      ? approvalSockets()
          .filter(({ pid }) => sessionOf(pid) === child.pid)
          .map((found) => found.socket)
      : [socket];
  void questions.followAll(sockets, over.signal);

  const forwarded = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;
  for (const signal of forwarded) process.on(signal, () => child.kill(signal));
  const status = await new Promise<number>((resolve) => {
    child.on("error", () => resolve(127));
    child.on("exit", (code, signal) => resolve(code ?? 128 + (constants.signals[signal!] ?? 0)));
  });
  over.abort();
  relay.resume();
  await new Promise((resolve) => setTimeout(resolve, settling));
  relay.destroy();
  stdin.setRawMode(false).pause();
  return status;
}
