/**
 * The proxy of a tree: HTTP (CONNECT, and requests with an absolute URI) and SOCKS 5 on one port, and connections to
 * addresses, whose own address stands for a name. It reads bytes that a hostile tree chooses, in a process of its own.
 */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Connector, type ConnectorOptions, HostError } from "./connector.ts";
import { normalHost } from "./names.ts";
import type { HostRoute } from "./refusal.ts";
import { localNameOn, refusingList } from "./rules.ts";
import { chosenMethod, noMethod, parseGreeting, parseRequest, replies, reply, version } from "./socks.ts";

export interface ProxyOptions extends ConnectorOptions {
  /** The name for which an address stands. */
  readonly nameOf: (address: string) => string | undefined;
  /** More connections at a time are closed. */
  readonly mostConnections?: number;
  /** Milliseconds until a connection that has not said where it leads is closed. */
  readonly requestTime?: number;
}

const defaults = { mostConnections: 512, requestTime: 20_000 } as const;
const longestSocksMessage = 4 + 256 + 2;

export class HostProxy {
  readonly #options: ProxyOptions;
  readonly #connector: Connector;
  readonly #http: Server;
  readonly #requestTime: number;
  #connections = 0;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#connector = new Connector(options);
    this.#requestTime = options.requestTime ?? defaults.requestTime;
    this.#http = createServer({
      maxHeaderSize: 32 << 10,
      headersTimeout: 0, // only a server that listens itself has its limits
      requestTimeout: 0, // an upload may take long
      keepAliveTimeout: this.#requestTime,
    });
    this.#http.on("connect", (message: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#tunnel(message, socket, head),
    );
    this.#http.on("request", (message, response) => {
      this.#asked(message.socket);
      response.once("close", () => this.#awaitRequest(message.socket));
      this.#forward(message, response);
    });
    this.#http.on("clientError", (_error, socket) => socket.destroy());
  }

  /** A connection to the proxy's port. The first byte tells the protocol. */
  accept(socket: Socket): void {
    if (!this.#admit(socket)) return;
    socket.setTimeout(this.#requestTime, () => socket.destroy());
    const leave = (): void => void socket.destroy();
    socket.once("end", leave);
    socket.once("data", (bytes: Buffer) => {
      socket.off("end", leave);
      socket.setTimeout(0);
      socket.removeAllListeners("timeout");
      socket.pause();
      socket.unshift(bytes);
      if (bytes[0] === version) void this.#socks(socket);
      else {
        this.#awaitRequest(socket);
        this.#http.emit("connection", socket);
        socket.resume();
      }
    });
  }

  readonly #deadlines = new WeakMap<Duplex, NodeJS.Timeout>();

  /** Closes the connection unless the head of its next request is whole in time. */
  #awaitRequest(socket: Duplex): void {
    this.#asked(socket);
    if (socket.destroyed) return;
    if (!this.#deadlines.has(socket)) socket.once("close", () => this.#asked(socket));
    this.#deadlines.set(
      socket,
      setTimeout(() => socket.destroy(), this.#requestTime),
    );
  }

  #asked(socket: Duplex): void {
    clearTimeout(this.#deadlines.get(socket));
  }

  /** A connection to any other address. */
  acceptAddress(socket: Socket): void {
    const { localAddress, localPort } = socket;
    if (!this.#admit(socket) || localAddress === undefined || localPort === undefined) return;
    socket.pause();
    void this.#hostOf(localAddress, localPort)
      .then((host) => this.#join(socket, host, localPort, "address"))
      .catch(() => reset(socket));
  }

  /** An address that stands for no name is a host itself, and this machine's own may be listed by a local name. */
  async #hostOf(address: string, port: number): Promise<string> {
    const host = normalHost(address) ?? address;
    const name = this.#options.nameOf(host);
    if (name !== undefined) return name;
    const { lists } = this.#options;
    if (refusingList(lists, host, port) === undefined) return host;
    if (host === "127.0.0.1" || host === "::1") return localNameOn(lists, port) ?? host;
    return (await this.#connector.nameLeadingTo(host, port)) ?? host;
  }

  #admit(socket: Socket): boolean {
    socket.on("error", () => socket.destroy());
    const { mostConnections = defaults.mostConnections } = this.#options;
    if (this.#connections >= mostConnections) {
      const host = normalHost(socket.localAddress ?? "") ?? "?";
      const reason = `${mostConnections} connections are open already`;
      this.#connector.refuse({ host, port: socket.localPort ?? 0, route: "address", reason });
      reset(socket);
      return false;
    }
    this.#connections++;
    socket.once("close", () => this.#connections--);
    return true;
  }

  /** Connects both ways, and runs `begin` before the first byte. @throws HostError */
  async #join(
    client: Duplex,
    host: string,
    port: number,
    route: HostRoute,
    begin: (server: Socket) => void = () => undefined,
  ): Promise<void> {
    const server = await this.#connector.connect(host, port, route);
    const end = (): void => {
      server.destroy();
      client.destroy();
    };
    server.on("error", end);
    client.on("error", end);
    server.on("close", () => {
      if (!client.writableEnded) client.destroy(); // else the last bytes are still being written
    });
    client.on("close", () => server.destroy());
    if (client.destroyed) return end();
    begin(server);
    client.pipe(server);
    server.pipe(client);
  }

  // ── HTTP ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #tunnel({ url = "" }: IncomingMessage, client: Duplex, head: Buffer): void {
    this.#asked(client);
    client.on("error", () => client.destroy());
    const { host, port } = authority(url);
    if (port === undefined) return respond(client, "400 Bad Request", "CONNECT needs HOST:PORT");
    this.#join(client, host, port, "connect", (server) => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (head.length > 0) server.write(head);
    }).catch((error: unknown) => {
      const { status, text } = failure(error);
      respond(client, status, text);
    });
  }

  #forward(message: IncomingMessage, response: ServerResponse): void {
    const target = /^http:\/\/([^/?#]*)([^#]*)/i.exec(message.url ?? "");
    const { host, port = 80 } = authority(target?.[1] ?? "");
    if (target === null) {
      response.writeHead(400, plain).end("portcullis: this is a proxy: a request needs an absolute http URI\n");
      return;
    }
    const path = target[2]!.startsWith("/") ? target[2]! : `/${target[2]}`;
    void this.#exchange(message, response, { host, port, path }).catch((error: unknown) => {
      const { status, text } = failure(error);
      if (response.headersSent) response.destroy();
      else
        response.writeHead(Number.parseInt(status, 10), { ...plain, connection: "close" }).end(`portcullis: ${text}\n`);
    });
  }

  async #exchange(
    message: IncomingMessage,
    response: ServerResponse,
    { host, port, path }: { readonly host: string; readonly port: number; readonly path: string },
  ): Promise<void> {
    const server = await this.#connector.connect(host, port, "http");
    await new Promise<void>((resolve, reject) => {
      const { method = "GET" } = message;
      const name = host.includes(":") ? `[${host}]` : host;
      // The name that was judged, whatever the client's header says.
      const headers = ["Host", port === 80 ? name : `${name}:${port}`, ...endToEnd(message, ["host"])];
      const onward = request({
        createConnection: () => server,
        method,
        path,
        headers: [...headers, "Connection", "close"],
      });
      onward.on("response", (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? "", endToEnd(answer, []));
        answer.pipe(response);
        answer.on("error", reject);
      });
      onward.on("error", (error) => reject(new HostError(`${host}:${port}: ${error.message}`, false)));
      response.on("close", () => {
        server.destroy();
        resolve();
      });
      message.pipe(onward);
    });
  }

  // ── SOCKS ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #socks(client: Socket): Promise<void> {
    const timer = setTimeout(() => client.destroy(), this.#requestTime);
    try {
      const greeting = await nextMessage(client, parseGreeting);
      if (!greeting.methods.includes(0)) return void client.end(noMethod);
      client.write(chosenMethod);
      const { command, host, port } = await nextMessage(client, parseRequest);
      if (command !== 1) return void client.end(reply(replies.noCommand));
      clearTimeout(timer);
      await this.#join(client, host, port, "socks", () => client.write(reply(replies.succeeded)));
    } catch (error) {
      if (!(error instanceof HostError)) return void client.destroy();
      client.end(reply(error.isRefused ? replies.notAllowed : replies.unreachable));
      client.resume();
    } finally {
      clearTimeout(timer);
    }
  }
}

const plain = { "content-type": "text/plain; charset=utf-8" } as const;

/** `HOST:PORT` or `HOST`; the port is undefined if it is missing or none. */
function authority(text: string): { readonly host: string; readonly port: number | undefined } {
  const parts = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/s.exec(text);
  if (parts === null) return { host: text, port: undefined };
  const port = parts[3] === undefined ? undefined : Number(parts[3]);
  const host = parts[1] ?? parts[2] ?? "";
  return port === undefined || (port > 0 && port < 65_536) ? { host, port } : { host: text, port: undefined };
}

/** Headers about one connection (RFC 9110, 7.6.1), which the proxy does not pass on. */
const hopByHop = new Set(
  "connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer upgrade".split(" "),
);

/** Names and values in turn, as `rawHeaders` has them. */
function endToEnd(message: IncomingMessage, without: readonly string[]): string[] {
  const { rawHeaders } = message;
  const named = (message.headers.connection ?? "").split(",").map((one) => one.trim().toLowerCase());
  const forwarded: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!.toLowerCase();
    if (hopByHop.has(name) || named.includes(name) || without.includes(name)) continue;
    forwarded.push(rawHeaders[index]!, rawHeaders[index + 1]!);
  }
  return forwarded;
}

function failure(error: unknown): { readonly status: string; readonly text: string } {
  if (!(error instanceof HostError)) return { status: "502 Bad Gateway", text: "the connection failed" };
  return { status: error.isRefused ? "403 Forbidden" : "502 Bad Gateway", text: error.message };
}

function respond(client: Duplex, status: string, text: string): void {
  const body = Buffer.from(`portcullis: ${text}\n`);
  const head = `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  client.end(Buffer.concat([Buffer.from(head), body]));
  client.resume(); // reads the end
}

function reset(socket: Socket): void {
  socket.resetAndDestroy();
}

/** Reads one message, and leaves the bytes behind it to the next reader. */
function nextMessage<T extends { readonly size: number }>(
  client: Socket,
  parse: (bytes: Uint8Array) => T | "malformed" | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let have = Buffer.alloc(0);
    const finish = (): void => {
      client.off("data", take);
      client.off("close", abandon);
      client.off("end", abandon);
      client.pause();
    };
    const abandon = (): void => {
      finish();
      reject(new Error("the connection has ended"));
    };
    const take = (bytes: Buffer): void => {
      have = Buffer.concat([have, bytes]);
      const parsed = parse(have);
      if (parsed === undefined && have.length <= longestSocksMessage) return;
      finish();
      if (parsed === undefined || parsed === "malformed") return reject(new Error("no SOCKS message"));
      if (have.length > parsed.size) client.unshift(have.subarray(parsed.size));
      resolve(parsed);
    };
    client.on("data", take);
    client.once("close", abandon);
    client.once("end", abandon);
    client.resume();
  });
}
