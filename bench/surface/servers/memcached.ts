/** memcached of Debian: TCP and TLS, items on disk (extstore, which excludes UDP), and all families of its three protocols. */
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../support/port.ts";
import { Dialogue } from "../clients.ts";
import type { Instance, Server } from "../server.ts";
import { figure, type Site } from "../site.ts";

export const memcached: Server = {
  name: "memcached",
  packages: ["memcached", "openssl"],
  programs: ["memcached", "openssl"],
  program: "/usr/bin/memcached",
  generator: ["libmemcached-tools", "memcaslap"],
  published: { init: 45, serving: 83, common: 27, union: 101, reduction: 55.4 },
  cut: {
    role: "command",
    call: "rename",
    why: "the pid file appears, after all threads are started and all ports are open",
  },
  paperCut: {
    role: "command",
    call: "epoll_wait",
    why: "`worker_libevent`: the first wait of a worker thread for events",
  },
  configure,
};

/** The end of a response of the text protocol, one line or several. */
const line = /\r\n$/;
const end = /(?:END|RESET|OK|ERROR.*)\r\n$/;

async function configure(site: Site): Promise<Instance> {
  const [port, tlsPort] = [await freePort(), await freePort()];
  const { certificate, key } = site.certificate();
  const pidFile = `${site.folderOf("run", "memcache")}/memcached.pid`;
  const disk = `${site.folderOf("disk", "memcache")}/items`;
  // The server would write larger items, or more than memory holds, to the disk in the background, during a later
  // burst.
  const items = site.write("items", "key\n32 32 1\nvalue\n100 100 1\ncmd\n0 0.1\n1 0.9\n");
  const { random } = site;
  const user = site.isRoot ? ["-u", "memcache"] : [];
  return {
    command: [
      ...["memcached", ...user, "-P", pidFile, "-m", "64", "-c", "64", "-t", "4", "-U", "0"],
      ...[
        "-l",
        `notls:127.0.0.1:${port},127.0.0.1:${tlsPort}`,
        "-Z",
        "-o",
        `ssl_chain_cert=${certificate},ssl_key=${key}`,
      ],
      ...["-o", `ext_path=${disk}:64m,ext_item_age=0,ext_item_size=512,ext_wbuf_size=2,ext_threads=1,ext_max_frag=0.5`],
      ...["-o", "hashpower=13,slab_reassign,slab_automove=1,idle_timeout=3"],
    ],
    pidFile,
    async ready() {
      await asked(port, ["version\r\n", line]);
    },
    burst() {
      const words = ["-s", `127.0.0.1:${port}`, "-F", items, "-w", "1k", "-T", "1", "-c", "16", "-t", "1s"];
      return figure(/Ops: (\d+)/, "memcaslap", words);
    },
    features: [
      {
        name: "storage commands",
        async load() {
          const [name, size] = [random.name(), 10 + random.below(5000)];
          const block = `${size}\r\n${"v".repeat(size)}\r\n`;
          await asked(
            port,
            [`set ${name} 0 0 ${block}`, /STORED/],
            [`add ${name} 0 0 ${block}`, /NOT_STORED/],
            [`replace ${name} 0 0 ${block}`, /STORED/],
            [`append ${name} 0 0 3\r\nabc\r\n`, /STORED/],
            [`prepend ${name} 0 0 3\r\nabc\r\n`, /STORED/],
            [`cas ${name} 0 0 3 1\r\nabc\r\n`, /EXISTS|STORED/],
            [`set ${name}-x 0 1 1 noreply\r\n1\r\nget ${name}-x\r\n`, /END/],
          );
        },
      },
      {
        name: "retrieval commands",
        async load() {
          const name = random.name();
          await asked(
            port,
            [`set ${name} 5 0 2\r\n10\r\n`, /STORED/],
            [`get ${name} missing\r\n`, end],
            [`gets ${name}\r\n`, end],
            [`gat 100 ${name}\r\n`, end],
            [`gats 100 ${name}\r\n`, end],
            [`incr ${name} 5\r\n`, /15/],
            [`decr ${name} 5\r\n`, /10/],
            [`touch ${name} 10\r\n`, /TOUCHED/],
            [`delete ${name}\r\n`, /DELETED/],
            ["nonsense\r\n", /ERROR/],
          );
        },
      },
      {
        name: "meta commands",
        async load() {
          const name = random.name();
          await asked(
            port,
            [`ms ${name} 5 T60 F3 c\r\nhello\r\n`, /HD/],
            [`mg ${name} t v s f c k O1\r\n`, /VA/],
            [`ma ${name} N60 J10 v\r\n`, /\r\n/],
            [`md ${name} q\r\nmn\r\n`, /MN/],
            [`me ${name}\r\n`, line],
          );
        },
      },
      {
        name: "statistics",
        async load() {
          const topics = [
            "",
            " settings",
            " items",
            " slabs",
            " sizes",
            " conns",
            " threads",
            " extstore",
            " detail on",
            " detail dump",
          ];
          await asked(port, ...topics.map((topic) => [`stats${topic}\r\n`, end] as const), ["stats reset\r\n", end]);
        },
      },
      {
        name: "administration: flush, verbosity, memory limit, slabs, LRU, crawler, certificates",
        async load() {
          await asked(
            port,
            ["version\r\n", line],
            ["verbosity 1\r\n", line],
            ["verbosity 0\r\n", line],
            ["cache_memlimit 128\r\n", line],
            ["slabs automove 0\r\n", line],
            ["slabs reassign 1 2\r\n", line],
            ["slabs automove 1\r\n", line],
            ["lru mode flat\r\n", line],
            ["lru mode segmented\r\n", line],
            ["lru tune 10 25 0.1 2.0\r\n", line],
            ["lru_crawler enable\r\n", line],
            ["lru_crawler crawl all\r\n", line],
            ["lru_crawler metadump all\r\n", /END|BUSY/],
            ["lru_crawler mgdump all\r\n", /EN|BUSY/],
            ["extstore recache_rate 2000\r\n", line],
            ["refresh_certs\r\n", line],
            ["flush_all 100000\r\n", line],
          );
        },
      },
      {
        name: "watchers",
        async load() {
          const watcher = await Dialogue.open(port);
          await watcher.ask("watch fetchers mutations evictions connevents\r\n", /OK/);
          await asked(port, ["set watched 0 0 1\r\n1\r\n", /STORED/], ["get watched\r\n", end]);
          await sleep(100);
          watcher.close();
        },
      },
      {
        name: "the binary protocol",
        async load() {
          const dialogue = await Dialogue.open(port);
          const name = random.name("b");
          await dialogue.ask(binary(0x01, name, Buffer.from("value"), Buffer.alloc(8)), /\x81/);
          for (const code of [0x00, 0x0c, 0x0b, 0x0a])
            await dialogue.ask(binary(code, code < 0x0a || code === 0x0c ? name : ""), /\x81/);
          await dialogue.ask(binary(0x1c, name, undefined, Buffer.alloc(4)), /\x81/);
          await dialogue.ask(binary(0x10, ""), /\x81/);
          await dialogue.ask(binary(0x04, name), /\x81/);
          await dialogue.ask(binary(0x07, ""), /\x81/);
          await dialogue.closed();
        },
      },
      {
        name: "large values and many keys in one request",
        async load() {
          const names = Array.from({ length: 50 }, (_, index) => `large${index}`);
          const dialogue = await Dialogue.open(port);
          for (const name of names) {
            const size = 20_000 + random.below(800_000);
            await dialogue.ask(`set ${name} 0 0 ${size}\r\n${"x".repeat(size)}\r\n`, /STORED|SERVER_ERROR/);
          }
          await dialogue.ask(`get ${names.join(" ")}\r\n`, end);
          dialogue.close();
        },
      },
      {
        name: "items on disk and back",
        async load() {
          const dialogue = await Dialogue.open(port);
          const names = Array.from({ length: 3000 }, (_, index) => `disk${index}`);
          const value = "d".repeat(2000);
          dialogue.send(names.map((name) => `set ${name} 0 0 2000 noreply\r\n${value}\r\n`).join(""));
          await dialogue.ask("version\r\n", /VERSION/);
          await sleep(1500);
          for (const name of names.slice(0, 200)) await dialogue.ask(`get ${name}\r\n`, end);
          dialogue.close();
        },
      },
      {
        name: "a hash table that grows",
        async load() {
          const dialogue = await Dialogue.open(port);
          for (let batch = 0; batch < 6; batch += 1) {
            const sets = Array.from({ length: 3000 }, (_, index) => `set grow${batch}-${index} 0 0 1 noreply\r\n1\r\n`);
            dialogue.send(sets.join(""));
            await dialogue.ask("version\r\n", /VERSION/);
          }
          dialogue.close();
        },
      },
      {
        name: "TLS",
        async load() {
          const dialogue = await Dialogue.open(tlsPort, { tls: true });
          await dialogue.ask("set tls 0 0 5\r\nhello\r\n", /STORED/);
          await dialogue.ask("get tls\r\n", end);
          await dialogue.ask("quit\r\n", /^$/);
          dialogue.close();
        },
      },
      {
        name: "more connections than the limit, and clients that leave",
        async load() {
          const dialogues = await Promise.all(Array.from({ length: 80 }, () => Dialogue.open(port)));
          for (const [index, dialogue] of dialogues.entries()) {
            dialogue.send("get large0\r\nget ");
            if (index % 2 === 0) dialogue.abort();
          }
          await sleep(200);
          for (const dialogue of dialogues) dialogue.close();
          await sleep(100);
        },
      },
      {
        name: "an idle connection that times out",
        async load() {
          const dialogue = await Dialogue.open(port);
          await dialogue.ask("version\r\n", /VERSION/);
          await dialogue.closed();
          dialogue.close();
        },
      },
    ],
  };
}

async function asked(port: number, ...questions: readonly (readonly [string, RegExp])[]): Promise<void> {
  const dialogue = await Dialogue.open(port);
  for (const [question, until] of questions) await dialogue.ask(question, until);
  dialogue.close();
}

/** A request of the binary protocol: a header of 24 bytes, extras, key, value. */
function binary(code: number, key: string, value = Buffer.alloc(0), extras = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt8(0x80, 0);
  header.writeUInt8(code, 1);
  header.writeUInt16BE(key.length, 2);
  header.writeUInt8(extras.length, 4);
  header.writeUInt32BE(extras.length + key.length + value.length, 8);
  return Buffer.concat([header, extras, Buffer.from(key), value]);
}
