/** Serves the metrics by HTTP, on a Unix socket or an address. */
import { createServer, type Server } from "node:http";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { SocketError } from "../observe/status/socket.ts";
import type { Metrics } from "./metrics.ts";
import { AgentSocket } from "./sockets.ts";

export type MetricsPlace = { readonly path: string } | { readonly host: string; readonly port: number };

/** Milliseconds in which a client must have asked, and read the answer. */
const patience = 10_000;
const mostConnections = 32;

/** `/run/portcullis/metrics.sock`, `127.0.0.1:9464`, `[::1]:9464` or `:9464`, which means the first of these. Undefined for any other text. */
export function metricsPlace(text: string): MetricsPlace | undefined {
  if (text.startsWith("/") || text.startsWith("./")) return { path: resolve(text) };
  const [, bracketed, plain = "", digits] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? (plain === "" || plain === "localhost" ? "127.0.0.1" : plain);
  const port = Number(digits);
  return isIP(host) !== 0 && port < 65_536 ? { host, port } : undefined;
}

/** Whether only processes of this machine can reach the address. */
export function isOfThisMachine(place: MetricsPlace): boolean {
  return "path" in place || place.host === "::1" || place.host.startsWith("127.");
}

export class MetricsServer {
  readonly #server: Server;
  readonly #socket: AgentSocket | undefined;

  private constructor(server: Server, socket: AgentSocket | undefined) {
    this.#server = server;
    this.#socket = socket;
  }

  /** @throws SocketError */
  static async open(place: MetricsPlace, metrics: Metrics): Promise<MetricsServer> {
    const server = createServer({ requestTimeout: patience, headersTimeout: patience }, (request, response) => {
      response.setTimeout(patience, () => response.destroy());
      if (request.method !== "GET" || request.url?.split("?")[0] !== "/metrics") {
        response.writeHead(404).end();
        return;
      }
      void metrics.text().then((text) => response.writeHead(200, { "Content-Type": metrics.contentType }).end(text));
    });
    server.maxConnections = mostConnections;
    server.on("clientError", (_, socket) => socket.destroy());
    if ("path" in place) {
      const isOwn = (uid: number): boolean => uid === 0 || uid === process.geteuid?.();
      const socket = await AgentSocket.open({
        ...{ path: place.path, mode: 0o600, given: undefined, mostOfUser: mostConnections, users: isOwn },
        take: (connection, _, ended) => {
          connection.once("close", ended);
          server.emit("connection", connection);
          connection.resume();
        },
        refused: () => undefined,
      });
      return new MetricsServer(server, socket);
    }
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) =>
        reject(new SocketError(`metrics cannot be served on ${place.host}:${place.port} (${error.code})`)),
      );
      server.listen({ ...place }, resolve);
    });
    return new MetricsServer(server, undefined);
  }

  close(): void {
    this.#socket?.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
