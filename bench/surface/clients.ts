/** Clients of the loads: HTTP/1.1, HTTP/2 and text protocols over TCP, TLS and Unix sockets. */
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect as http2Connect } from "node:http2";
import { request as httpsRequest } from "node:https";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as tlsConnect } from "node:tls";

/** The limit of a response in milliseconds; the machine can be busy. */
const patience = 30_000;

/** The number of bytes at the beginning and at the end of a response that are compared. */
const shown = 1 << 15;

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface HttpOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly socketPath?: string;
}

/** Sends one request on a connection of its own. The certificate is self-signed. */
export function http(
  url: string,
  { method = "GET", headers = {}, body, socketPath }: HttpOptions = {},
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const start = url.startsWith("https:") ? httpsRequest : httpRequest;
    const agent = { agent: false as const, rejectUnauthorized: false, timeout: patience };
    const socket = socketPath === undefined ? {} : { socketPath };
    const sent = start(url, { method, headers, ...agent, ...socket }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    sent.on("timeout", () => sent.destroy(new Error(`${url} does not answer`)));
    sent.on("error", reject);
    sent.end(body);
  });
}

/** @throws Error unless the response has one of the statuses */
export async function expectStatus(
  statuses: number | readonly number[],
  url: string,
  options: HttpOptions = {},
): Promise<HttpResponse> {
  const response = await http(url, options);
  if ([statuses].flat().includes(response.status)) return response;
  throw new Error(`${options.method ?? "GET"} ${url}: ${response.status} in place of ${statuses}`);
}

/** Sends several requests at once on one HTTP/2 connection. */
export async function http2(origin: string, paths: readonly string[]): Promise<void> {
  const session = http2Connect(origin, { rejectUnauthorized: false });
  session.on("error", () => {});
  try {
    const one = (path: string) =>
      new Promise<void>((resolve, reject) => {
        const stream = session.request({ ":path": path });
        stream.setTimeout(patience, () => reject(new Error(`${origin}${path} does not answer`)));
        stream.on("error", reject);
        stream.on("end", resolve);
        stream.resume();
        stream.end();
      });
    await Promise.all(paths.map(one));
  } finally {
    session.destroy();
  }
}

/** A conversation in a text protocol. */
export class Dialogue {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #closed = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (data) => {
      const received = Buffer.concat([this.#received, data]);
      // The middle of a long response is not compared.
      const isLong = received.length > 4 * shown;
      this.#received = isLong ? Buffer.concat([received.subarray(0, shown), received.subarray(-shown)]) : received;
      this.#wake?.();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#closed = true;
      this.#wake?.();
    });
  }

  /** Connects to a port of 127.0.0.1, or to a Unix socket. */
  static async open(at: number | string, options: { readonly tls?: boolean } = {}): Promise<Dialogue> {
    const where = typeof at === "string" ? { path: at } : { port: at, host: "127.0.0.1" };
    const isTls = options.tls === true;
    const socket = isTls ? tlsConnect({ ...where, rejectUnauthorized: false }) : connect(where);
    await new Promise<void>((resolve, reject) => {
      socket.once(isTls ? "secureConnect" : "connect", resolve);
      socket.once("error", reject);
    });
    return new Dialogue(socket);
  }

  send(data: string | Buffer): void {
    this.#socket.write(data);
  }

  /** Sends the text, waits until the responses since match, and returns them. */
  async ask(data: string | Buffer, until: RegExp): Promise<string> {
    this.#received = Buffer.alloc(0);
    this.send(data);
    const deadline = Date.now() + patience;
    for (;;) {
      const text = this.#received.toString("latin1");
      if (until.test(text)) return text;
      const left = deadline - Date.now();
      if (this.#closed || left <= 0)
        throw new Error(`no answer to ${JSON.stringify(data.toString().slice(0, 80))}: ${text.slice(0, 200)}`);
      const more = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await Promise.race([more, sleep(Math.min(left, 200))]);
    }
  }

  /** Waits until the other side has closed the connection. */
  async closed(): Promise<void> {
    const deadline = Date.now() + patience;
    while (!this.#closed && Date.now() < deadline) await sleep(20);
  }

  /** Closes the connection with a reset, in every state of the server. */
  abort(): void {
    this.#socket.resetAndDestroy();
  }

  close(): void {
    this.#socket.end();
    this.#socket.destroySoon();
  }
}
