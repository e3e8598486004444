/**
 * TCP ports for servers that measurements start. Several measurements run at a time, and a server binds its port some time
 * after the choice, so a port that is only free is not enough: no connection and no other measurement may take it until then.
 */
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/** fetch() and browsers connect to no port on a list of the Fetch standard ("bad port"); the highest on it is 10080. */
export const lowest = 10_081;
/** The kernel gives connections and binds of port 0 a port from here on: ip(7), ip_local_port_range. */
const ephemeral = Number(/^\d+/.exec(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8"))![0]);
const end = ephemeral > lowest + 1000 ? ephemeral : 32_768;
const attempts = 1000;

/** Whether this process could listen. The listener stays until the process ends, or is closed. */
async function listens(address: { readonly path: string } | { readonly port: number; readonly host: string }) {
  const server = createServer().unref();
  try {
    server.listen(address);
    await once(server, "listening");
    return server;
  } catch {
    return undefined;
  }
}

/** A free port of 127.0.0.1, which belongs to this process until its end: no other call of this function returns it. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const port = randomInt(lowest, end);
    // An abstract Unix socket ends with its process and needs no directory.
    if ((await listens({ path: `\0portcullis-port-${port}` })) === undefined) continue;
    const probe = await listens({ port, host: "127.0.0.1" });
    if (probe === undefined) continue;
    probe.close();
    await once(probe, "close");
    return port;
  }
  throw new Error(`none of ${attempts} ports between ${lowest} and ${end} is free`);
}
