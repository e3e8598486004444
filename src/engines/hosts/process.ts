/**
 * The process of a tree's proxy, dist/hosts.cjs: it reads its order from standard input, serves the sockets that it inherits,
 * and writes messages to standard output. It ends when standard input does, so with the process that has started it.
 */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { answer, StandIns } from "../../hosts/dns.ts";
import { type ProxyMessage, type ProxyOrder, parseAnswer } from "../../hosts/messages.ts";
import { HostProxy } from "../../hosts/proxy.ts";
import type { HostAnswer, HostQuestion, HostRefusal } from "../../hosts/refusal.ts";
import { isKnown, refusingList } from "../../hosts/rules.ts";
import { native } from "../../machine/native.ts";
import { hideFromCommand } from "../engine/run.ts";

/** Bytes of messages that the reader has not taken, and refusals in a second; beyond them refusals are counted. */
const mostUnread = 1 << 18;
const mostPerSecond = 200;
let dropped = 0;
let second = 0;
let reported = 0;

function send(message: ProxyMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function tell(refusal: HostRefusal): void {
  const now = Math.floor(performance.now() / 1000);
  if (now !== second) [second, reported] = [now, 0];
  if (reported >= mostPerSecond || process.stdout.writableLength > mostUnread) {
    dropped++;
    return;
  }
  reported++;
  if (dropped > 0) send({ kind: "dropped", count: dropped });
  dropped = 0;
  send({ kind: "refused", refusal });
}

/** By number; and by host and port, because programs open several connections to a host at once. */
const asked = new Map<number, { readonly key: string; readonly answer: (answer: HostAnswer) => void }>();
const open = new Map<string, Promise<HostAnswer>>();
let questions = 0;

function ask(about: HostQuestion): Promise<HostAnswer> {
  const key = `${about.host}:${about.port}`;
  const known = open.get(key);
  if (known !== undefined) return known;
  const question = ++questions;
  const answer = new Promise<HostAnswer>((resolve) => asked.set(question, { key, answer: resolve }));
  open.set(key, answer);
  send({ kind: "asks", question, about });
  return answer;
}

function take(line: string): void {
  const given = parseAnswer(line);
  const one = given === undefined ? undefined : asked.get(given.question);
  if (given === undefined || one === undefined) return;
  asked.delete(given.question);
  open.delete(one.key);
  one.answer(given.answer);
}

function serve({ lists, sockets, ports, addon, asks }: ProxyOrder): void {
  native(addon);
  hideFromCommand();
  const standIns = new StandIns();
  const proxy = new HostProxy({
    ...{ lists, onRefused: tell, nameOf: (address) => standIns.nameOf(address) },
    ask: asks ? ask : undefined,
  });
  const lookUp = (name: string) => (asks || isKnown(lists, name) ? standIns.addressOf(name) : undefined);
  let waiting = sockets.length;
  const begin = (): void => {
    waiting--;
    if (waiting === 0) send({ kind: "ready", port: 0 });
  };
  for (const { descriptor, use, family = "udp4" } of sockets) {
    if (use === "names") {
      const socket = createSocket(family);
      socket.on("message", (query, { port, address }) => {
        const given = answer(query, lookUp);
        if (given === undefined) return;
        if (given.refused !== undefined) tell(refusedName(given.refused));
        socket.send(given.bytes, port, address, () => undefined);
      });
      socket.bind({ fd: descriptor }, begin);
    } else {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
        use === "proxy" ? proxy.accept(socket) : proxy.acceptAddress(socket),
      );
      server.listen({ fd: descriptor }, begin);
    }
  }
  if (sockets.length === 0) listen([...ports]);

  /** On the first of these ports that is free. */
  function listen([port, ...others]: readonly number[]): void {
    if (port === undefined) process.exit(1);
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => proxy.accept(socket));
    server.once("error", () => listen(others));
    server.listen({ port, host: "127.0.0.1" }, () => send({ kind: "ready", port }));
  }

  function refusedName(host: string): HostRefusal {
    const rule = refusingList(lists, host, 443)?.rule;
    return { host, route: "names", reason: "no entry permits this host", ...(rule === undefined ? {} : { rule }) };
  }
}

const lines = createInterface({ input: process.stdin });
lines.once("line", (line) => {
  serve(JSON.parse(line) as ProxyOrder);
  lines.on("line", take);
});
lines.on("close", () => process.exit(0));
process.stdout.on("error", () => process.exit(0));
