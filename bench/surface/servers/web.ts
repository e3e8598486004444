/** The parts of the load that all web servers share: documents, requests, and broken connections. */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { wrk } from "../../support/wrk.ts";
import { Dialogue, expectStatus, http, http2 } from "../clients.ts";
import { onProcessor } from "../processors.ts";
import type { Feature, Instance } from "../server.ts";
import type { Site } from "../site.ts";

/** The ports of a web server, and the parts of its instance that other web servers do not share. */
interface WebServer extends Pick<Instance, "command" | "pidFile" | "features"> {
  readonly site: Site;
  readonly port: number;
  readonly tlsPort: number;
}

/** An instance with the features that all web servers share, and then the server's own. */
export function webInstance({ site, port, tlsPort, command, pidFile, features }: WebServer): Instance {
  const origin = `http://127.0.0.1:${port}`;
  return {
    command,
    pidFile,
    ready: async () => void (await expectStatus(200, `${origin}/index.html`)),
    burst: () => wrk(onProcessor("load"), `${origin}/index.html`).requests,
    features: [
      ...plainFeatures(site, port),
      tlsFeature(site, tlsPort),
      http2Feature(site, tlsPort),
      ...upstreamFeatures(site, origin),
      ...features,
    ],
  };
}

/** PHP at `page`, with and without a body of this size. */
export function phpFeature({ random }: Site, page: string, size: number): Feature {
  return {
    name: "FastCGI (PHP)",
    async load() {
      await expectStatus(200, `${page}?${random.name()}`);
      await expectStatus(200, page, { method: "POST", body: "p".repeat(size) });
    },
  };
}

/** A document that needs the password of `user:secret`. */
export async function expectPassword(url: string): Promise<void> {
  await expectStatus(401, url);
  const authorization = `Basic ${Buffer.from("user:secret").toString("base64")}`;
  await expectStatus(200, url, { headers: { authorization } });
}

/** Writes documents of several sizes below `www`: compressible ones, and random bytes. */
export function documents(site: Site): string {
  const root = site.folderOf("www");
  site.folderOf("www/list");
  site.write("www/index.html", "<p>index\n".repeat(100));
  for (const name of ["one", "two", "three"]) site.write(`www/list/${name}.txt`, `${name}\n`.repeat(1000));
  site.write("www/large.bin", randomBytes(3_000_000 + site.random.below(100_000)));
  site.write("www/text.html", "text ".repeat(20_000));
  site.write("www/unreadable.html", "no\n", 0o000);
  return root;
}

/** Requests for the documents at `origin`, over plain HTTP. */
function plainFeatures({ random }: Site, port: number): Feature[] {
  const origin = `http://127.0.0.1:${port}`;
  return [
    {
      name: "static files",
      async load() {
        for (const path of random.shuffled(["/", "/index.html", "/list/one.txt", "/list/two.txt", "/large.bin"])) {
          await expectStatus(200, origin + path);
          await expectStatus(200, origin + path, { method: "HEAD" });
        }
      },
    },
    {
      name: "ranges and conditions",
      async load() {
        const { headers } = await expectStatus(200, `${origin}/text.html`);
        const from = random.below(10_000);
        await expectStatus(206, `${origin}/large.bin`, { headers: { range: `bytes=${from}-${from + 5000}` } });
        await expectStatus(206, `${origin}/large.bin`, { headers: { range: "bytes=0-9,100-199,-50" } });
        const since = { "if-modified-since": headers["last-modified"]!, "if-none-match": headers.etag! };
        await expectStatus(304, `${origin}/text.html`, { headers: since });
      },
    },
    {
      name: "errors: missing, forbidden, malformed",
      async load() {
        await expectStatus(404, `${origin}/${random.name("missing")}`);
        await http(`${origin}/unreadable.html`);
        await expectStatus([400, 403, 404], `${origin}/%00`);
        const dialogue = await Dialogue.open(port);
        await dialogue.ask("NONSENSE\r\n\r\n", /4\d\d/).catch(() => {});
        dialogue.close();
      },
    },
    {
      name: "listing of a folder",
      load: async () => void (await expectStatus(200, `${origin}/list/`)),
    },
    {
      name: "compression",
      load: async () =>
        void (await expectStatus(200, `${origin}/text.html`, { headers: { "accept-encoding": "gzip" } })),
    },
    {
      name: "a persistent connection, pipelined",
      async load() {
        const dialogue = await Dialogue.open(port);
        const one = "GET /list/one.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
        await dialogue.ask(one.repeat(5), /(?:HTTP\/1\.1 200[\s\S]*){5}/);
        await sleep(50);
        await dialogue.ask("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", /200 OK[\s\S]*index/);
        await dialogue.closed();
      },
    },
    {
      name: "clients that leave",
      async load() {
        const early = await Dialogue.open(port);
        early.send("GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n");
        await sleep(20);
        early.abort();
        const silent = await Dialogue.open(port);
        silent.send("GET /ha");
        await sleep(20);
        silent.close();
        await expectStatus(200, `${origin}/`);
      },
    },
    {
      name: "many connections",
      async load() {
        const wanted = Array.from({ length: 40 + random.below(20) }, (_, turn) =>
          turn % 3 === 0 ? "/large.bin" : "/",
        );
        await Promise.all(wanted.map((path) => expectStatus(200, origin + path)));
      },
    },
  ];
}

function tlsFeature({ random }: Site, port: number): Feature {
  const origin = `https://127.0.0.1:${port}`;
  return {
    name: "TLS",
    async load() {
      for (const path of random.shuffled(["/", "/list/two.txt", "/large.bin"])) await expectStatus(200, origin + path);
      // Plain text on the TLS port.
      await http(`http://127.0.0.1:${port}/`).catch(() => {});
    },
  };
}

function http2Feature({ random }: Site, port: number): Feature {
  return {
    name: "HTTP/2",
    load: () => http2(`https://127.0.0.1:${port}`, random.shuffled(["/", "/list/one.txt", "/large.bin", "/missing"])),
  };
}

/** Requests that the server forwards to `/upstream/`. */
function upstreamFeatures({ random }: Site, origin: string): Feature[] {
  return [
    {
      name: "upstream: responses and uploads",
      async load() {
        for (const size of random.shuffled([10, 5000, 400_000])) {
          await expectStatus(200, `${origin}/upstream/${random.name()}?size=${size}`);
          await expectStatus(200, `${origin}/upstream/`, { method: "POST", body: Buffer.alloc(size, "b") });
        }
      },
    },
    {
      name: "upstream that is down",
      load: async () => void (await expectStatus([502, 503, 504], `${origin}/down/`)),
    },
  ];
}

/** The upstream accepts an upgrade of /socket/, then repeats each line. */
export function webSocketFeature(port: number): Feature {
  return {
    name: "a WebSocket through the proxy",
    async load() {
      const dialogue = await Dialogue.open(port);
      const upgrade =
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n";
      await dialogue.ask(`GET /socket/ HTTP/1.1\r\nHost: localhost\r\n${upgrade}\r\n`, /101 Switching/);
      await dialogue.ask("hello", /hello/);
      dialogue.close();
    },
  };
}
