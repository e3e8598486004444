/** The proxy over loopback connections; a resolver of the test gives the addresses of names. */
import { createServer as createHttpServer, request } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { Connector } from "./connector.ts";
import { parsePattern } from "./names.ts";
import { HostProxy, type ProxyOptions } from "./proxy.ts";
import type { HostAnswer, HostQuestion, HostRefusal } from "./refusal.ts";
import type { HostList } from "./rules.ts";

const open: (Server | Socket)[] = [];
afterEach(() => {
  for (const one of open.splice(0)) "destroy" in one ? one.destroy() : one.close();
});

async function listen(server: Server): Promise<number> {
  open.push(server);
  server.on("connection", (socket) => open.push(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function list(rule: string, ...texts: readonly string[]): HostList {
  const patterns = texts.map((text) => {
    const result = parsePattern(text);
    if ("error" in result) throw new Error(result.error);
    return result.pattern;
  });
  return { patterns, rule };
}

interface World {
  readonly proxy: number;
  readonly refusals: HostRefusal[];
}

async function start(lists: readonly HostList[], options: Partial<ProxyOptions> = {}): Promise<World> {
  const refusals: HostRefusal[] = [];
  const proxy = new HostProxy({
    lists,
    onRefused: (refusal) => refusals.push(refusal),
    resolve: async () => ["127.0.0.1"],
    isPublic: () => true,
    nameOf: () => undefined,
    ...options,
  });
  return { proxy: await listen(createServer({ allowHalfOpen: true }, (socket) => proxy.accept(socket))), refusals };
}

/** Sends bytes, and returns all that comes back until the end. */
async function exchange(port: number, ...parts: readonly (string | Uint8Array)[]): Promise<Buffer> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  open.push(socket);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  const ended = new Promise<void>((resolve) => {
    socket.on("end", resolve);
    socket.on("error", () => resolve());
    socket.on("close", () => resolve());
  });
  for (const part of parts) socket.write(part);
  await ended;
  socket.end();
  return Buffer.concat(chunks);
}

/** Answers each connection with a line, and ends it. */
const greeter = (text: string) =>
  createServer((socket) => {
    socket.on("error", () => undefined);
    socket.end(text);
  });

const tunnel = (target: string) => `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`;

function socks(host: string | Uint8Array, port: number, command = 1): Uint8Array[] {
  const name = typeof host === "string" ? Buffer.from(host, "latin1") : host;
  return [Uint8Array.of(5, 1, 0), Uint8Array.of(5, command, 0, 3, name.length, ...name, port >> 8, port & 255)];
}

describe("a permitted host", () => {
  it("is reached by CONNECT, and bytes behind the request are passed on", async () => {
    const echo = await listen(createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)));
    const { proxy, refusals } = await start([list("--hosts", `a.org:${echo}`)]);
    const socket = connect({ port: proxy, host: "127.0.0.1" });
    open.push(socket);
    socket.write(`${tunnel(`A.org.:${echo}`)}hello`);
    const text = await new Promise<string>((resolve) => {
      let got = "";
      socket.on("data", (bytes) => {
        got += String(bytes);
        if (got.endsWith("hello")) resolve(got);
      });
    });
    expect(text).toBe("HTTP/1.1 200 Connection established\r\n\r\nhello");
    expect(refusals).toEqual([]);
  });

  it("is reached by SOCKS, also if all bytes come at once", async () => {
    const port = await listen(greeter("hello"));
    const { proxy } = await start([list("--hosts", `a.org:${port}`)]);
    const answer = await exchange(proxy, Buffer.concat(socks("a.org", port)));
    expect(answer.subarray(0, 4)).toEqual(Buffer.from([5, 0, 5, 0]));
    expect(answer.subarray(12).toString()).toBe("hello");
  });

  it("gets a request with an absolute URI, with the judged name as its Host", async () => {
    const port = await listen(
      createHttpServer((message, response) => {
        response.setHeader("X-Kept", "1");
        response.end(`${message.method} ${message.url} ${JSON.stringify(message.headers)}`);
      }),
    );
    const { proxy } = await start([list("--hosts", `a.org:${port}`)]);
    const answer = await new Promise<string>((resolve, reject) => {
      const sent = request(
        {
          ...{ port: proxy, host: "127.0.0.1", method: "POST", path: `http://a.org:${port}/x?y=1`, agent: false },
          headers: { host: "evil.org", "proxy-authorization": "secret", "x-own": "1", connection: "x-own, close" },
        },
        (response) => {
          let text = String(response.headers["x-kept"]);
          response.on("data", (bytes) => {
            text += String(bytes);
          });
          response.on("end", () => resolve(text));
        },
      );
      sent.on("error", reject);
      sent.end("body");
    });
    expect(answer).toContain("1POST /x?y=1 ");
    expect(answer).toContain(`"host":"a.org:${port}"`);
    expect(answer).not.toMatch(/evil|secret|x-own/);
  });

  it("that cannot be reached is an error, and no refusal", async () => {
    const port = await listen(greeter(""));
    open.pop();
    const { proxy, refusals } = await start([list("--hosts", "a.org:1", `b.org:${port}`)], {
      resolve: async (name) => {
        if (name === "b.org") throw Object.assign(new Error("none"), { code: "ENOTFOUND" });
        return ["127.0.0.1"];
      },
    });
    expect(String(await exchange(proxy, tunnel("a.org:1")))).toMatch(/^HTTP\/1.1 502 .*ECONNREFUSED/s);
    expect(String(await exchange(proxy, tunnel(`b.org:${port}`)))).toMatch(/^HTTP\/1.1 502 .*ENOTFOUND/s);
    expect((await exchange(proxy, ...socks("a.org", 1))).subarray(0, 4)).toEqual(Buffer.from([5, 0, 5, 4]));
    expect(refusals).toEqual([]);
  });
});

describe("a host that no entry permits", () => {
  const lists = [list("--hosts", "a.org", "*.b.org", "10.0.0.1:80")];
  it.each([
    ...["127.0.0.1:443", "[::1]:443", "169.254.169.254:80", "0x7f.1:443", "localhost.:443", "2130706433:80"],
    ...["[::ffff:127.0.0.1]:80", "b.org:443", "a.org:22", "evil.org:443", "a.org.evil.org:443", "10.0.0.1:443"],
  ])("CONNECT %s is refused with the list", async (target) => {
    const { proxy, refusals } = await start(lists);
    expect(String(await exchange(proxy, tunnel(target)))).toMatch(/^HTTP\/1.1 403 .*no entry permits.*\(--hosts\)/s);
    expect(refusals).toEqual([expect.objectContaining({ route: "connect", rule: "--hosts" })]);
  });

  it.each([
    "a.org\0.evil.org",
    "evil.org\0.a.org",
    "a.org%00",
    "user@a.org",
    "a.org ",
    "a..org",
    "\xffa.org",
    "*.b.org",
    "",
  ])("SOCKS %j is no name", async (host) => {
    const { proxy, refusals } = await start(lists);
    expect([...(await exchange(proxy, ...socks(host, 443))).subarray(0, 4)]).toEqual([5, 0, 5, 2]);
    expect(refusals).toEqual([{ host, port: 443, route: "socks", reason: "this is no name and no address of a host" }]);
  });

  it("needs an entry in every list", async () => {
    const { proxy, refusals } = await start([...lists, list("policy.ts:3:10", "b.org")]);
    await exchange(proxy, tunnel("a.org:443"));
    expect(refusals).toEqual([expect.objectContaining({ host: "a.org", rule: "policy.ts:3:10" })]);
  });

  it.each([
    "CONNECT a.org HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.org\r\n\r\n",
    "GET ftp://a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n",
  ])("%j is a bad request", async (text) => {
    const { proxy } = await start(lists);
    const answer = await exchange(proxy, text.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    expect(String(answer)).toMatch(/^HTTP\/1.1 400 /);
  });

  it("cannot be asked for by UDP or by a listening socket", async () => {
    const { proxy } = await start(lists);
    for (const command of [2, 3]) {
      expect([...(await exchange(proxy, ...socks("a.org", 443, command))).subarray(0, 4)]).toEqual([5, 0, 5, 7]);
    }
  });
});

describe("a name that leads elsewhere", () => {
  const addresses = [["10.0.0.1"], ["169.254.169.254", "fd00::1"], ["::ffff:127.0.0.1"], ["64:ff9b::a00:1"]];
  it.each(addresses.map((one) => [one]))("to %j is refused", async (found) => {
    const { proxy, refusals } = await start([list("--hosts", "a.org", "*.a.localhost")], {
      resolve: async () => found,
      isPublic: undefined,
    });
    expect(String(await exchange(proxy, tunnel("a.org:443")))).toMatch(/^HTTP\/1.1 403 .*not public/s);
    await exchange(proxy, tunnel("x.a.localhost:443"));
    expect(refusals).toHaveLength(2);
  });

  it("first to a public address and then to a private one (rebinding) is resolved once for a connection", async () => {
    const port = await listen(greeter("inside"));
    let asked = 0;
    const { proxy, refusals } = await start([list("--hosts", `a.org:${port}`)], {
      resolve: async () => (asked++ === 0 ? ["127.0.0.1"] : ["127.0.0.2"]),
      isPublic: (address) => address === "127.0.0.1",
    });
    expect(String(await exchange(proxy, tunnel(`a.org:${port}`)))).toMatch(/200 .*inside$/s);
    expect(asked).toBe(1);
    expect(String(await exchange(proxy, tunnel(`a.org:${port}`)))).toMatch(/403 /);
    expect(refusals).toEqual([expect.objectContaining({ reason: expect.stringContaining("127.0.0.2") })]);
  });

  it("is permitted if the address is listed itself", async () => {
    const port = await listen(greeter("inside"));
    const { proxy } = await start([list("--hosts", `a.org:${port}`, `127.0.0.1:${port}`)], { isPublic: undefined });
    expect(String(await exchange(proxy, tunnel(`a.org:${port}`)))).toMatch(/200 .*inside$/s);
  });

  it("may be `localhost` if that is listed", async () => {
    const port = await listen(greeter("inside"));
    const { proxy } = await start([list("--hosts", `localhost:${port}`, `a.localhost:${port}`)], {
      resolve: undefined,
      isPublic: undefined,
    });
    for (const host of ["localhost", "LOCALHOST.", "a.localhost"])
      expect(String(await exchange(proxy, tunnel(`${host}:${port}`)))).toMatch(/200 .*inside$/s);
  });
});

describe("a redirection", () => {
  it("to another host is not followed by the proxy, and is refused when the program follows it", async () => {
    const port = await listen(
      createHttpServer((_message, response) => {
        response.writeHead(302, { location: "http://169.254.169.254/" }).end();
      }),
    );
    const { proxy, refusals } = await start([list("--hosts", `a.org:${port}`)]);
    const get = (url: string) => exchange(proxy, `GET ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(String(await get(`http://a.org:${port}/`))).toMatch(/^HTTP\/1.1 302 .*169\.254/s);
    expect(String(await get("http://169.254.169.254/"))).toMatch(/^HTTP\/1.1 403 /);
    expect(refusals).toEqual([expect.objectContaining({ host: "169.254.169.254", port: 80, route: "http" })]);
  });
});

describe("a connection to an address", () => {
  /** The address of the test's connection is always 127.0.0.1, and stands for `name`. */
  async function startTransparent(entries: (port: number) => readonly string[], options: Partial<ProxyOptions> = {}) {
    const refusals: HostRefusal[] = [];
    const lists: HostList[] = [];
    const proxy = new HostProxy({
      lists,
      onRefused: (refusal) => refusals.push(refusal),
      nameOf: () => undefined,
      ...options,
    });
    const port = await listen(createServer({ allowHalfOpen: true }, (socket) => proxy.acceptAddress(socket)));
    lists.push(list("--hosts", ...entries(port)));
    return { port, refusals };
  }

  it("that stands for no permitted name is refused", async () => {
    const { port, refusals } = await startTransparent(() => ["a.org"]);
    expect(await exchange(port, "hello")).toHaveLength(0);
    expect(refusals).toEqual([expect.objectContaining({ host: "127.0.0.1", port, route: "address" })]);
  });

  it("that stands for a name on a port that is not permitted is refused", async () => {
    const { port, refusals } = await startTransparent(() => ["a.org"], { nameOf: () => "a.org" });
    expect(await exchange(port, "hello")).toHaveLength(0);
    expect(refusals).toEqual([expect.objectContaining({ host: "a.org", port, rule: "--hosts" })]);
  });

  it("that stands for a name is one to the addresses of the name", async () => {
    const asked: string[] = [];
    const { port, refusals } = await startTransparent((own) => [`a.org:${own}`], {
      nameOf: () => "a.org",
      resolve: async (name) => {
        asked.push(name);
        return ["10.0.0.1"];
      },
    });
    expect(await exchange(port, "hello")).toHaveLength(0);
    expect(asked).toEqual(["a.org"]);
    expect(refusals).toEqual([expect.objectContaining({ host: "a.org", reason: expect.stringContaining("10.0.0.1") })]);
  });
});

describe("an address that a permitted name leads to", () => {
  const lists = [list("--hosts", "b.org", "a.org", "*.c.org")];
  const connector = new Connector({
    lists,
    onRefused: () => undefined,
    resolve: async (name) => {
      if (name === "b.org") throw new Error("no such name");
      return ["93.184.215.14", "2606:2800:0:0::1"];
    },
  });

  it("is one to that name, on its ports", async () => {
    expect(await connector.nameLeadingTo("93.184.215.14", 443)).toBe("a.org");
    expect(await connector.nameLeadingTo("2606:2800::1", 80)).toBe("a.org");
    expect(await connector.nameLeadingTo("93.184.215.14", 22)).toBeUndefined();
    expect(await connector.nameLeadingTo("93.184.215.15", 443)).toBeUndefined();
  });
});

describe("a hostile program", () => {
  it("that opens many connections is refused beyond the limit, and others work after it", async () => {
    const port = await listen(greeter("hello"));
    const { proxy, refusals } = await start([list("--hosts", `a.org:${port}`)], { mostConnections: 4 });
    const idle = Array.from({ length: 8 }, () => connect({ port: proxy, host: "127.0.0.1" }));
    const closed = await Promise.all(
      idle.slice(4).map((socket) => new Promise((resolve) => socket.on("error", resolve).on("close", resolve))),
    );
    expect(closed).toHaveLength(4);
    expect(refusals).toHaveLength(4);
    expect(refusals[0]?.reason).toContain("4 connections");
    const gone = Promise.all(idle.slice(0, 4).map((socket) => new Promise((resolve) => socket.on("close", resolve))));
    for (const socket of idle) socket.destroy();
    await gone;
    await expect.poll(async () => String(await exchange(proxy, tunnel(`a.org:${port}`)))).toMatch(/200 .*hello$/s);
  });

  it("that says nothing is closed after a time", async () => {
    const { proxy } = await start([list("--hosts", "a.org")], { requestTime: 50 });
    expect(await exchange(proxy)).toHaveLength(0);
    for (const part of [
      Uint8Array.of(5),
      Uint8Array.of(5, 1),
      "GET http://a.org/ HTTP/1.1\r\nHost: a",
      "CONNECT a.org",
    ])
      expect(await exchange(proxy, part)).toHaveLength(0);
  });

  it("that sends random bytes reaches nothing, and the proxy goes on", async () => {
    const port = await listen(greeter("hello"));
    const { proxy } = await start([list("--hosts", `a.org:${port}`)], { requestTime: 500 });
    const starts = [
      "",
      "\x05",
      "\x05\x01\x00",
      "\x05\x01\x00\x05\x01\x00",
      "CONNECT ",
      "GET http://",
      "POST http://a.org/ HTTP/1.1\r\n",
    ];
    const bytes = fc.tuple(
      fc.constantFrom(...starts),
      fc.uint8Array({ maxLength: 400 }),
      fc.constantFrom("", "\r\n\r\n"),
    );
    for (const samples of [fc.sample(bytes, 60), fc.sample(bytes, 60)]) {
      const answers = samples.map(async ([first, middle, last]) => {
        const answer = await exchange(proxy, Buffer.concat([Buffer.from(first, "latin1"), middle, Buffer.from(last)]));
        expect(String(answer)).not.toContain("hello");
      });
      await Promise.all(answers);
    }
    expect(String(await exchange(proxy, tunnel(`a.org:${port}`)))).toMatch(/200 .*hello$/s);
  });

  it("that sends long headers is refused", async () => {
    const { proxy } = await start([list("--hosts", "a.org")]);
    const answer = String(await exchange(proxy, `GET http://a.org/ HTTP/1.1\r\nX: ${"x".repeat(40_000)}\r\n\r\n`));
    expect(answer).not.toContain("200");
  });
});

describe("a name that no list permits", () => {
  function asking(answer: HostAnswer) {
    const [asked, refused]: [HostQuestion[], HostRefusal[]] = [[], []];
    const connector = new Connector({
      lists: [{ rule: "--hosts", patterns: [] }],
      onRefused: (refusal) => refused.push(refusal),
      ask: async (question) => {
        asked.push(question);
        return answer;
      },
      resolve: async () => ["127.0.0.1"],
    });
    return { asked, refused, connect: (host: string) => connector.connect(host, 443, "connect") };
  }

  it("is asked about, and refused without an answer that allows it", async () => {
    for (const answer of ["denied", "late", "too-many"] as const) {
      const { asked, refused, connect } = asking(answer);
      await expect(connect("A.org.")).rejects.toThrow(/no entry permits this host on port 443, and/);
      expect(asked).toMatchObject([{ host: "a.org", port: 443, rule: "--hosts" }]);
      expect(refused).toHaveLength(1);
    }
  });

  it("still leads to no private address, when it is allowed", async () => {
    const { connect } = asking("allowed");
    await expect(connect("a.org")).rejects.toThrow(/leads to 127\.0\.0\.1, which is not public/);
  });

  it.each(["127.0.0.1", "1.1.1.1", "0x7f.1", "::1", "localhost", "x.localhost"])(
    "%s is not asked about",
    async (host) => {
      const { asked, connect } = asking("allowed");
      await expect(connect(host)).rejects.toThrow(/no entry permits/);
      expect(asked).toEqual([]);
    },
  );
});
