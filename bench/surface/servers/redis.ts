/** Redis of Debian: both kinds of persistence, a replica, TLS and a Unix socket, and all families of commands. */
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../support/port.ts";
import { Dialogue } from "../clients.ts";
import type { Instance, Server } from "../server.ts";
import { eventually, figure, type Site } from "../site.ts";

export const redis: Server = {
  name: "redis",
  packages: ["redis-server", "openssl"],
  programs: ["redis-server", "openssl"],
  program: "/usr/bin/redis-server",
  generator: ["redis-tools", "redis-benchmark"],
  published: { init: 42, serving: 84, common: 33, union: 93, reduction: 54.8 },
  cut: {
    role: "command",
    call: "newfstatat",
    why: "the folder of the append-only file is looked for, after all threads are started and all ports are open",
  },
  paperCut: { role: "command", call: "epoll_wait", why: "`aeMain`: the first wait for events" },
  remarks: ["Snapshots and rewrites of the append-only file are written by a child, so serving needs new processes."],
  configure,
};

/** Commands of each family as text; `K` stands for a key of its own. */
const families: Readonly<Record<string, readonly string[]>> = {
  "strings and bits": [
    ...[
      "SET K 1",
      "GET K",
      "GETSET K 2",
      "APPEND K 3",
      "INCR K",
      "DECRBY K 2",
      "INCRBYFLOAT K 1.5",
      "STRLEN K",
      "GETRANGE K 0 -1",
    ],
    ...[
      "SETRANGE K 2 x",
      "MSET K a K2 b",
      "MGET K K2",
      "SETEX K 10 v",
      "PSETEX K 10000 v",
      "SETNX K v",
      "GETDEL K",
      "GETEX K2 EX 10",
    ],
    ...[
      "SETBIT K 7 1",
      "GETBIT K 7",
      "BITCOUNT K",
      "BITPOS K 1",
      "BITOP NOT K3 K",
      "BITFIELD K INCRBY u8 0 1",
      "LCS K K2",
    ],
  ],
  hashes: [
    ...[
      "HSET H a 1 b 2",
      "HGET H a",
      "HGETALL H",
      "HINCRBY H a 3",
      "HDEL H b",
      "HKEYS H",
      "HVALS H",
      "HSCAN H 0",
      "HRANDFIELD H",
    ],
    ...["HEXISTS H a", "HLEN H", "HSETNX H c 1", "HEXPIRE H 10 FIELDS 1 a"],
  ],
  lists: [
    ...[
      "RPUSH L a b c",
      "LPUSH L z",
      "LRANGE L 0 -1",
      "LPOP L",
      "RPOP L",
      "LINSERT L BEFORE b x",
      "LSET L 0 y",
      "LTRIM L 0 5",
      "LLEN L",
    ],
    ...[
      "LPOS L b",
      "LMOVE L L2 LEFT RIGHT",
      "LREM L 0 b",
      "BLPOP L2 1",
      "BLMOVE L L2 LEFT LEFT 0.1",
      "LMPOP 1 L LEFT",
      "BRPOP none 0.1",
    ],
  ],
  sets: [
    ...[
      "SADD S a b c",
      "SMEMBERS S",
      "SISMEMBER S a",
      "SPOP S",
      "SRANDMEMBER S 2",
      "SADD S2 b c",
      "SINTER S S2",
      "SUNION S S2",
    ],
    ...["SDIFFSTORE S3 S S2", "SSCAN S 0", "SMOVE S S2 a", "SREM S a", "SCARD S2"],
  ],
  "sorted sets and places": [
    ...[
      "ZADD Z 1 a 2 b 3 c",
      "ZRANGE Z 0 -1",
      "ZRANGEBYSCORE Z 1 2",
      "ZINCRBY Z 5 a",
      "ZRANK Z a",
      "ZPOPMIN Z",
      "ZUNIONSTORE Z2 1 Z",
    ],
    ...["ZSCAN Z 0", "ZREM Z a", "ZCARD Z", "BZPOPMAX Z2 0.1", "GEOADD G 13.3 38.1 p 15.0 37.5 q", "GEODIST G p q"],
    ...["GEOSEARCH G FROMMEMBER p BYRADIUS 300 km"],
  ],
  streams: [
    ...[
      "XADD X * f v",
      "XADD X * f w",
      "XLEN X",
      "XRANGE X - +",
      "XREAD COUNT 1 STREAMS X 0",
      "XGROUP CREATE X group 0",
    ],
    ...[
      "XREADGROUP GROUP group me COUNT 1 STREAMS X >",
      "XPENDING X group",
      "XINFO STREAM X",
      "XTRIM X MAXLEN 1",
      "XREAD BLOCK 50 STREAMS X $",
    ],
  ],
  "estimates and sorting": [
    "PFADD P a b c",
    "PFCOUNT P",
    "PFMERGE P2 P",
    "RPUSH N 3 1 2",
    "SORT N",
    "SORT N STORE N2",
    "SORT_RO N DESC",
  ],
  keys: [
    ...[
      "SET K v",
      "EXISTS K",
      "TYPE K",
      "EXPIRE K 100",
      "PEXPIREAT K 9999999999999",
      "TTL K",
      "PERSIST K",
      "RENAME K K9",
      "COPY K9 K8",
    ],
    ...[
      "DUMP K9",
      "OBJECT ENCODING K9",
      "OBJECT FREQ K9",
      "TOUCH K9",
      "SCAN 0 COUNT 100",
      "RANDOMKEY",
      "KEYS K*",
      "MOVE K8 1",
      "UNLINK K9",
    ],
    ...["DBSIZE", "SELECT 1", "SWAPDB 0 1", "SWAPDB 0 1", "SELECT 0"],
  ],
  "transactions and scripts": [
    ...[
      "MULTI",
      "INCR T",
      "EXEC",
      "WATCH T",
      "UNWATCH",
      "MULTI",
      "DISCARD",
      "EVAL 'return redis.call(\"incr\", KEYS[1])' 1 T",
    ],
    ...[
      "SCRIPT LOAD 'return 1'",
      "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0",
      "SCRIPT EXISTS x",
      "SCRIPT FLUSH ASYNC",
    ],
    ...[
      "FUNCTION LOAD REPLACE \"#!lua name=one\\nredis.register_function('one', function() return 1 end)\"",
      "FCALL one 0",
      "FUNCTION LIST",
    ],
  ],
  "the connection and its users": [
    ...[
      "PING",
      "ECHO hello",
      "CLIENT ID",
      "CLIENT SETNAME load",
      "CLIENT LIST",
      "CLIENT INFO",
      "CLIENT TRACKING ON",
      "CLIENT NO-EVICT ON",
    ],
    ...[
      "HELLO 3",
      "HELLO 2",
      "ACL LIST",
      "ACL SETUSER guest on nopass ~* +get",
      "ACL GENPASS",
      "ACL WHOAMI",
      "AUTH guest none",
      "RESET",
    ],
  ],
  administration: [
    ...[
      "INFO everything",
      "CONFIG GET *",
      "CONFIG SET maxmemory 200mb",
      "CONFIG SET hz 20",
      "CONFIG REWRITE",
      "CONFIG RESETSTAT",
    ],
    ...[
      "SLOWLOG GET",
      "LATENCY LATEST",
      "LATENCY DOCTOR",
      "MEMORY USAGE K",
      "MEMORY DOCTOR",
      "MEMORY STATS",
      "MEMORY PURGE",
      "TIME",
    ],
    ...[
      "COMMAND COUNT",
      "COMMAND DOCS get",
      "LASTSAVE",
      "ROLE",
      "DEBUG SLEEP 0.01",
      "DEBUG OBJECT K",
      "MODULE LIST",
      "LOLWUT",
      "WAIT 0 10",
    ],
    ...[
      "CONFIG SET loglevel notice",
      "CONFIG SET activedefrag no",
      "CONFIG SET lazyfree-lazy-user-del yes",
      "FAILOVER ABORT",
    ],
  ],
};

/** Requests of the load generator. */
const burst = 20_000;

/** The beginning of any response of the protocol. */
const reply = /^(?:[+\-:$*%~_,#(=>|][^\r]*\r\n)/;

async function configure(site: Site): Promise<Instance> {
  const [port, tlsPort, otherPort] = [await freePort(), await freePort(), await freePort()];
  const { certificate, key } = site.certificate();
  const folder = site.folderOf("data");
  const other = site.folderOf("other");
  const [pidFile, log, socket] = [site.path("redis.pid"), site.path("redis.log"), site.path("redis.socket")];
  const { random } = site;
  const file = site.write(
    "redis.conf",
    `bind 127.0.0.1
port ${port}
tls-port ${tlsPort}
tls-cert-file ${certificate}
tls-key-file ${key}
tls-auth-clients no
unixsocket ${socket}
daemonize no
pidfile ${pidFile}
logfile ${log}
dir ${folder}
save 3600 1 300 100
appendonly yes
appendfsync everysec
io-threads 2
enable-debug-command local
maxmemory-policy allkeys-lru
`,
  );
  site.helper(["redis-server", "--bind", "127.0.0.1", "--port", `${otherPort}`, "--dir", other, "--save", ""]);
  const expectUntil = (pattern: RegExp, question: string) =>
    eventually(async () => {
      const dialogue = await Dialogue.open(port);
      const text = await dialogue.ask(`${question}\r\n`, reply).finally(() => dialogue.close());
      if (!pattern.test(text)) throw new Error(`${question}: ${text.slice(0, 100)}`);
    });
  return {
    command: ["redis-server", file],
    pidFile,
    async ready() {
      await asked(port, ["PING"]);
    },
    burst() {
      figure(/"GET","([\d.]+)"/, "redis-benchmark", [
        ..."-c 16 -t get --csv -n".split(" "),
        `${burst}`,
        "-p",
        `${port}`,
      ]);
      return burst;
    },
    features: [
      ...Object.entries(families).map(([name, commands]) => ({
        name: `commands: ${name}`,
        load: () =>
          asked(
            port,
            commands.map((words) => words.replaceAll(/\b([A-Z])(?=\d?\b)/g, (letter) => `${letter.toLowerCase()}`)),
          ),
      })),
      {
        name: "publish and subscribe, and a monitor",
        async load() {
          const [subscriber, monitor] = [await Dialogue.open(port), await Dialogue.open(port)];
          await monitor.ask("MONITOR\r\n", /OK/);
          await subscriber.ask("SUBSCRIBE news\r\nPSUBSCRIBE n*\r\nSSUBSCRIBE shard\r\n", /shard/);
          await asked(port, ["PUBLISH news hello", "SPUBLISH shard hello", "PUBSUB CHANNELS"]);
          await subscriber.ask("UNSUBSCRIBE news\r\n", /unsubscribe/);
          subscriber.close();
          monitor.abort();
        },
      },
      {
        name: "large values and many clients",
        async load() {
          const value = "v".repeat(200_000 + random.below(500_000));
          const dialogues = await Promise.all(Array.from({ length: 30 }, () => Dialogue.open(port)));
          const one = (dialogue: Dialogue, index: number) =>
            dialogue.ask(`*3\r\n$3\r\nSET\r\n$6\r\nbig${100 + index}\r\n$${value.length}\r\n${value}\r\n`, reply);
          await Promise.all(dialogues.map(one));
          await Promise.all(
            dialogues.map((dialogue, index) => dialogue.ask(`GET big${100 + index}\r\n`, /\$\d+\r\n[\s\S]*\r\n$/)),
          );
          for (const [index, dialogue] of dialogues.entries()) index % 2 === 0 ? dialogue.close() : dialogue.abort();
        },
      },
      {
        name: "a pipeline of many keys, and their deletion in the background",
        async load() {
          const dialogue = await Dialogue.open(port);
          const sets = Array.from({ length: 5000 }, (_, index) => `SET key:${index} ${random.below(1000)}\r\n`);
          dialogue.send(sets.join(""));
          await dialogue.ask("ECHO done\r\n", /done/);
          await dialogue.ask("FLUSHDB ASYNC\r\n", /OK/);
          dialogue.close();
        },
      },
      {
        name: "snapshots (SAVE, BGSAVE)",
        async load() {
          await asked(port, ["SET saved 1", "BGSAVE SCHEDULE"]);
          await expectUntil(/rdb_bgsave_in_progress:0/, "INFO persistence");
          await asked(port, ["SAVE"]);
        },
      },
      {
        name: "the append-only file: writing and rewriting",
        async load() {
          await asked(port, [
            "CONFIG SET appendfsync always",
            "SET logged 1",
            "CONFIG SET appendfsync everysec",
            "SET logged 2",
          ]);
          await asked(port, ["BGREWRITEAOF"]);
          await expectUntil(/aof_rewrite_in_progress:0[\s\S]*aof_rewrite_scheduled:0/, "INFO persistence");
          await sleep(1500);
          await asked(port, ["CONFIG SET appendonly no", "CONFIG SET appendonly yes"]);
          await expectUntil(/aof_rewrite_in_progress:0[\s\S]*aof_rewrite_scheduled:0/, "INFO persistence");
        },
      },
      {
        name: "replication: as the primary, and as a replica",
        async load() {
          await asked(otherPort, [`REPLICAOF 127.0.0.1 ${port}`]);
          await expectUntil(/connected_slaves:1[\s\S]*state=online/, "INFO replication");
          await asked(port, ["SET replicated 1", "WAIT 1 1000"]);
          await asked(otherPort, ["REPLICAOF NO ONE"]);
          await asked(port, [`REPLICAOF 127.0.0.1 ${otherPort}`]);
          await expectUntil(/master_link_status:up/, "INFO replication");
          await asked(port, ["REPLICAOF NO ONE"]);
        },
      },
      {
        name: "keys that move to another server (MIGRATE)",
        async load() {
          const name = random.name();
          await asked(port, [`SET ${name} 1`, `MIGRATE 127.0.0.1 ${otherPort} ${name} 0 1000`]);
        },
      },
      {
        name: "TLS",
        async load() {
          const dialogue = await Dialogue.open(tlsPort, { tls: true });
          await dialogue.ask("SET tls hello\r\n", /OK/);
          await dialogue.ask("GET tls\r\n", /hello/);
          dialogue.close();
        },
      },
      {
        name: "a Unix socket",
        async load() {
          const dialogue = await Dialogue.open(socket);
          await dialogue.ask("PING\r\n", /PONG/);
          dialogue.close();
        },
      },
      {
        name: "keys that expire",
        async load() {
          await asked(port, ["SET short 1 PX 50", "HSET fields a 1", "HPEXPIRE fields 50 FIELDS 1 a"]);
          await sleep(300);
          await asked(port, ["GET short"]);
          // The server reopens its log file for each line.
          if (!existsSync(log) || readFileSync(log).length === 0) throw new Error("the server writes no log");
        },
      },
    ],
  };
}

/** Sends the commands on one connection, one after the other; refusals are responses too. */
async function asked(port: number, commands: readonly string[]): Promise<void> {
  const dialogue = await Dialogue.open(port);
  for (const words of commands) await dialogue.ask(`${words}\r\n`, reply);
  dialogue.close();
}
