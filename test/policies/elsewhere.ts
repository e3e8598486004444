/** A TCP and a UDP server on one port of every loopback address, for tests of who may reach which. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { onTestFinished } from "vitest";

export interface Elsewhere {
  readonly port: number;
  /** The datagrams since the last look. They arrive in order: one of our own says that there are no more. */
  received(): Promise<readonly string[]>;
}

export async function serveElsewhere(): Promise<Elsewhere> {
  const server = createServer((socket) => socket.on("error", () => {}).resume());
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const datagrams = createSocket("udp4");
  datagrams.bind(port, "0.0.0.0");
  await once(datagrams, "listening");
  onTestFinished(() => {
    server.close();
    datagrams.close();
  });
  let seen: string[] = [];
  const end = "the last one";
  let ended = () => {};
  datagrams.on("message", (bytes) => {
    if (bytes.toString() === end) ended();
    else seen.push(bytes.toString());
  });
  return {
    port,
    async received() {
      const last = new Promise<void>((resolve) => {
        ended = resolve;
      });
      datagrams.send(end, port, "127.0.0.1");
      await last;
      const all = seen;
      seen = [];
      return all;
    },
  };
}
