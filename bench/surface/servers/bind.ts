/**
 * BIND of Debian: a primary with static, dynamic and signed zones, a secondary and a forwarder beside another named,
 * over UDP, TCP, TLS and HTTPS, and the commands of rndc.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "../../support/port.ts";
import { expectStatus } from "../clients.ts";
import type { Instance, Server } from "../server.ts";
import { eventually, figure, type Site } from "../site.ts";
import { signal } from "./signals.ts";

export const bind: Server = {
  name: "bind",
  packages: ["bind9", "bind9-utils", "bind9-dnsutils", "openssl"],
  programs: ["named", "rndc", "dig", "nsupdate", "openssl"],
  program: "/usr/sbin/named",
  generator: ["dnsperf", "dnsperf"],
  published: { init: 75, serving: 113, common: 53, union: 135, reduction: 44.4 },
  cut: {
    role: "command",
    call: "getcwd",
    why: "the folder of the configuration is entered, after privileges are given up and the threads are started",
  },
  paperCut: {
    role: "command",
    call: "epoll_pwait",
    why: "`isc_app_ctxrun`, now `isc_loopmgr_run`: the first wait for events",
  },
  configure,
};

const run = promisify(execFile);
const secret = Buffer.from("a secret of loopback").toString("base64");

function zone(serial: number): string {
  const hosts = Array.from({ length: 200 }, (_, index) => `host${index} A 10.0.0.${index % 250}\n`);
  return `$TTL 60
@ SOA ns.example. admin.example. ${serial} 60 60 600 60
@ NS ns
ns A 127.0.0.1
www A 10.0.0.1
www AAAA fd00::1
@ MX 10 www
text TXT "${"t".repeat(200)}" "${"u".repeat(200)}"
alias CNAME www
* .wild A 10.1.0.1
${hosts.join("")}`.replace("* .wild", "*.wild");
}

async function configure(site: Site): Promise<Instance> {
  const ports = { dns: 0, tls: 0, https: 0, control: 0, statistics: 0, other: 0 };
  for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();
  const { certificate, key } = site.certificate();
  const data = site.folderOf("data", "bind");
  const keys = site.folderOf("data/keys", "bind");
  const other = site.folderOf("other");
  const owned = async (name: string, content: string) => {
    site.write(name, content);
    if (site.isRoot) await run("chown", ["bind", site.path(name)]);
  };
  for (const name of ["static", "dynamic", "signed", "frozen"]) await owned(`data/${name}.zone`, zone(1));
  site.write("other/remote.zone", zone(7));
  site.write("other/outside.zone", zone(9));
  const pidFile = site.path("data/named.pid");
  const log = site.path("data/queries.log");
  const keyText = `key "load" { algorithm hmac-sha256; secret "${secret}"; };\n`;
  const keyFile = site.write("load.key", keyText);
  const file = site.write(
    "named.conf",
    `${keyText}
controls { inet 127.0.0.1 port ${ports.control} allow { 127.0.0.1; } keys { "load"; }; };
statistics-channels { inet 127.0.0.1 port ${ports.statistics} allow { 127.0.0.1; }; };
tls certificate { cert-file "${certificate}"; key-file "${key}"; };
http local { endpoints { "/dns-query"; }; };
dnssec-policy "quick" { keys { ksk lifetime unlimited algorithm ecdsa256; zsk lifetime unlimited algorithm ecdsa256; }; };
options {
  directory "${data}"; key-directory "${keys}"; pid-file "${pidFile}"; session-keyfile "${data}/session.key";
  managed-keys-directory "${keys}"; dump-file "${data}/dump.db"; statistics-file "${data}/named.stats"; recursing-file "${data}/recursing";
  listen-on port ${ports.dns} { 127.0.0.1; }; listen-on-v6 { none; };
  listen-on port ${ports.tls} tls certificate { 127.0.0.1; };
  listen-on port ${ports.https} tls certificate http local { 127.0.0.1; };
  recursion yes; allow-query { any; }; allow-transfer { any; }; allow-new-zones yes; notify yes; also-notify { 127.0.0.1 port ${ports.other}; };
  forwarders { 127.0.0.1 port ${ports.other}; }; forward only; dnssec-validation no; minimal-responses no; querylog yes;
  max-cache-size 16m; zone-statistics full;
};
logging {
  channel queries { file "${log}" versions 3 size 200k; print-time yes; };
  channel main { file "${data}/named.log"; severity debug 1; };
  category queries { queries; }; category default { main; };
};
zone "example" { type primary; file "static.zone"; };
zone "dynamic" { type primary; file "dynamic.zone"; allow-update { key "load"; }; ixfr-from-differences yes; };
zone "frozen" { type primary; file "frozen.zone"; allow-update { key "load"; }; };
zone "signed" { type primary; file "signed.zone"; dnssec-policy "quick"; inline-signing yes; };
zone "remote" { type secondary; file "remote.zone"; primaries { 127.0.0.1 port ${ports.other}; }; };
`,
  );
  const otherFile = site.write(
    "other.conf",
    `options { directory "${other}"; pid-file "${other}/named.pid"; session-keyfile "${other}/session.key"; listen-on port ${ports.other} { 127.0.0.1; };
  listen-on-v6 { none; }; recursion no; allow-transfer { any; }; notify no; dnssec-validation no; };
controls { };
zone "remote" { type primary; file "remote.zone"; };
zone "outside" { type primary; file "outside.zone"; };
`,
  );
  site.helper(["named", "-f", "-n", "1", "-c", otherFile]);
  const { random } = site;
  const dig = async (...words: readonly string[]) => {
    const at = words.some((word) => word.startsWith("-p")) ? [] : ["-p", `${ports.dns}`];
    const { stdout } = await run("dig", ["@127.0.0.1", ...at, "+time=10", "+tries=2", ...words]);
    if (/no servers could be reached|Transfer failed/.test(stdout))
      throw new Error(`dig ${words.join(" ")}: ${stdout}`);
    return stdout;
  };
  const rndc = (...words: readonly string[]) =>
    run("rndc", ["-s", "127.0.0.1", "-p", `${ports.control}`, "-k", keyFile, ...words]);
  const update = async (zoneName: string, ...lines: readonly string[]) => {
    const script = [`server 127.0.0.1 ${ports.dns}`, `zone ${zoneName}`, ...lines, "send", ""].join("\n");
    await run("nsupdate", ["-k", keyFile, site.write("update", script)]);
  };
  const host = () => `host${random.below(200)}`;
  return {
    command: ["named", "-f", "-n", "2", ...(site.isRoot ? ["-u", "bind"] : []), "-c", file],
    pidFile,
    async ready() {
      if (!(await dig("www.example", "A")).includes("10.0.0.1")) throw new Error("named does not answer");
    },
    burst() {
      const queries = site.write(
        "rate",
        Array.from({ length: 200 }, (_, index) => `host${index}.example A\n`).join(""),
      );
      const words = ["-s", "127.0.0.1", "-p", `${ports.dns}`, "-d", queries, "-l", "1", "-c", "8"];
      return figure(/Queries completed:\s+(\d+)/, "dnsperf", words);
    },
    features: [
      {
        name: "queries by UDP",
        async load() {
          for (const type of random.shuffled(["A", "AAAA", "MX", "TXT", "SOA", "NS", "ANY", "CAA"])) {
            await dig("www.example", type);
            await dig(`${host()}.example`, type, "+edns=0", "+bufsize=4096");
          }
          await dig("text.example", "TXT", "+noedns", "+ignore");
          await dig(`${random.name()}.wild.example`, "A");
          await dig("alias.example", "A");
          await dig(`${random.name("missing")}.example`, "A");
        },
      },
      {
        name: "queries by TCP",
        async load() {
          await dig("www.example", "A", "+tcp");
          await dig("+tcp", "+keepopen", `${host()}.example`, `${host()}.example`, "text.example");
        },
      },
      { name: "queries by TLS", load: async () => void (await dig(`-p${ports.tls}`, "+tls", "www.example")) },
      {
        name: "queries by HTTPS",
        async load() {
          await dig(`-p${ports.https}`, "+https", "www.example");
          await dig(`-p${ports.https}`, "+https-get", `${host()}.example`);
        },
      },
      {
        name: "a signed zone",
        async load() {
          await eventually(async () => {
            const text = await dig("signed", "DNSKEY", "+dnssec");
            if (!text.includes("RRSIG")) throw new Error("the zone is not signed");
          });
          await dig("missing.signed", "A", "+dnssec");
          await rndc("dnssec", "-status", "signed");
          await rndc("loadkeys", "signed");
        },
      },
      {
        name: "transfers of zones (AXFR, IXFR)",
        async load() {
          await dig("example", "AXFR");
          await update("dynamic", `update add ${random.name()}.dynamic 60 A 10.2.0.1`);
          await dig("dynamic", "IXFR=1");
          await dig("dynamic", "AXFR");
        },
      },
      {
        name: "a secondary zone",
        async load() {
          await eventually(async () => {
            if (!(await dig("www.remote", "A")).includes("10.0.0.1")) throw new Error("the zone is not transferred");
          });
          await rndc("retransfer", "remote");
          await rndc("refresh", "remote");
          await sleep(300);
        },
      },
      {
        name: "dynamic updates",
        async load() {
          for (let turn = 0; turn < 3; turn += 1) {
            const name = random.name("u");
            await update(
              "dynamic",
              `update add ${name}.dynamic 60 A 10.3.0.${turn}`,
              `update add ${name}.dynamic 60 TXT "x"`,
            );
            await dig(`${name}.dynamic`, "A");
            await update("dynamic", `update delete ${name}.dynamic A`);
          }
          await rndc("sync", "-clean", "dynamic");
        },
      },
      {
        name: "a zone that is frozen and thawed",
        async load() {
          await update("frozen", `update add ${random.name()}.frozen 60 A 10.4.0.1`);
          await rndc("freeze", "frozen");
          await rndc("thaw", "frozen");
        },
      },
      {
        name: "recursion through a forwarder",
        async load() {
          for (let turn = 0; turn < 5; turn += 1) await dig(`${host()}.outside`, "A");
          await dig("outside", "SOA", "+tcp");
          await dig(`${random.name("missing")}.outside`, "A");
        },
      },
      {
        name: "zones added and removed",
        async load() {
          const name = random.name("zone");
          await owned(`data/${name}.zone`, zone(1));
          await rndc("addzone", name, `{ type primary; file "${name}.zone"; };`);
          await dig(`www.${name}`, "A");
          await rndc("modzone", name, `{ type primary; file "${name}.zone"; allow-query { any; }; };`);
          await rndc("delzone", "-clean", name);
        },
      },
      {
        name: "rndc: status, dumps, statistics, caches, tracing",
        async load() {
          const commands = [
            "status",
            "stats",
            "recursing",
            "dumpdb -all",
            "flush",
            "flushname www.outside",
            "flushtree outside",
          ];
          const others = ["trace 1", "notrace", "zonestatus example", "showzone example", "notify example"];
          for (const words of random.shuffled([
            ...commands,
            ...others,
            "validation status",
            "secroots -",
            "tcp-timeouts",
            "nta -d",
          ])) {
            await rndc(...words.split(" "));
          }
          await rndc("querylog", "off");
          await rndc("querylog", "on");
        },
      },
      {
        name: "statistics by HTTP",
        async load() {
          await expectStatus(200, `http://127.0.0.1:${ports.statistics}/json/v1/server`);
          await expectStatus(200, `http://127.0.0.1:${ports.statistics}/xml/v3`);
        },
      },
      {
        name: "many clients",
        async load() {
          const script = site.write("queries", Array.from({ length: 200 }, () => `${host()}.example A\n`).join(""));
          await Promise.all(Array.from({ length: 4 }, () => dig("-f", script)));
        },
      },

      {
        // By size: each query is a line, and a file has 200 KB.
        name: "log rotation",
        async load() {
          const script = site.write("logged", Array.from({ length: 2500 }, () => `${host()}.example A\n`).join(""));
          await dig("-f", script, "+short");
          if (!existsSync(`${log}.0`)) throw new Error(`${log} is not rotated`);
        },
      },
      {
        name: "reload (rndc and HUP)",
        async load() {
          await owned("data/static.zone", zone(2 + random.below(1000)));
          await rndc("reload", "example");
          await rndc("reconfig");
          await rndc("reload");
          await sleep(500);
          signal(pidFile, "SIGHUP");
          await sleep(500);
          await dig("www.example", "A");
        },
      },
    ],
  };
}
