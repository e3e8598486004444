/** Addresses for servers that tests start. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A loopback address that only this process uses, with a free port. */
export async function freeAddress(): Promise<Address> {
  const { pid } = process;
  const host = `127.${1 + ((pid >> 16) & 127)}.${(pid >> 8) & 255}.${pid & 255}`;
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return { host, port };
}
