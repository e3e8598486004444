/** The seventeen servers of the benchmark of proposals (Debian 12 and 13), with a load that is recorded and another one. */
import { readdirSync } from "node:fs";
import type { Place, Request, ServerProgram } from "./program.ts";
import { ask, atOnce, certificate, get, signal, silent, site, url, wsgiApplication } from "./requests.ts";

const remote = (place: Place, command: string, answer: RegExp): Request => [
  `ssh -F none -i ${place.folder}/user -p ${place.port} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes root@127.0.0.1 ${command} 2>&1`,
  answer,
];

/** A shell executes the last command of a line in place of itself. */
const recordedSessions = (place: Place): readonly Request[] => [
  remote(place, "echo hello", /hello/),
  remote(place, "'cat /etc/hostname'", /\w/),
  remote(place, "'cat /etc/hostname | wc -l'", /\d/),
];
/** Of recorded programs: a proposal allows no other one. */
const sessions = (place: Place): readonly Request[] => [
  remote(place, "'cat /etc/passwd | wc -l; exit 7'; echo status $?", /\d\nstatus 7/),
  remote(place, `'cat ${place.folder}/large' | wc -c`, /300000/),
];

const sql = ({ other, folder }: Place, text: string, answer: RegExp): Request => [
  `mariadb --no-defaults --skip-ssl -h 127.0.0.1 -P ${other} -e "${text}" 2>&1 || cat ${folder}/said`,
  answer,
];

const etcd = ({ port }: Place, words: string, answer: RegExp): Request => [
  `ETCDCTL_API=3 etcdctl --endpoints=127.0.0.1:${port} ${words} 2>&1`,
  answer,
];

const page = ({ port, folder }: Place, script: string, answer: RegExp, method = "GET", body = ""): Request => [
  `printf '${body}' | SCRIPT_FILENAME=${folder}/${script} SCRIPT_NAME=/${script} REQUEST_METHOD=${method} CONTENT_LENGTH=${body.length} CONTENT_TYPE=text/plain cgi-fcgi -bind -connect 127.0.0.1:${port}`,
  answer,
];

/** Debian names it after the version. */
const phpFpm =
  readdirSync("/usr/sbin")
    .filter((name) => name.startsWith("php-fpm"))
    .at(-1) ?? "php-fpm";

const mail = ({ port }: Place, lines: number): Request => [
  `python3 -c "import smtplib; smtplib.SMTP('127.0.0.1', ${port}, timeout=20).sendmail('a@localhost', ['b@localhost'], ('x' * 70 + chr(10)) * ${lines}); print('accepted')"`,
  /accepted/,
];

const ftp = ({ port }: Place, path: string, answer: RegExp, options = ""): Request => [
  `curl -gsS -m 10 ${options} 'ftp://127.0.0.1:${port}/${path}' | tail -c 100`,
  answer,
];

const reloadPrometheus = (place: Place): Request => [
  `curl -sS -m 10 -X POST ${url(place, "/-/reload")} -w '%{http_code}'`,
  /200/,
];

const publish = ({ port }: Place, words: string): Request => [
  `timeout 10 mosquitto_sub -p ${port} -t a/b -C 1 ${words} & sleep 0.3; mosquitto_pub -p ${port} -t a/b -m hello ${words}; wait`,
  /hello/,
];

/** The seventeen servers of which three died under an earlier version's proposals. */
const known: readonly Omit<ServerProgram, "kind">[] = [
  {
    name: "haproxy",
    package: "haproxy",
    files: ({ port, other, origin, folder }) => ({
      "haproxy.cfg": `global
  nbthread 2
  pidfile ${folder}/pid
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend plain
  bind 127.0.0.1:${port}
  default_backend origin
frontend tls
  bind 127.0.0.1:${other} ssl crt ${folder}/both.pem
  default_backend origin
backend origin
  server one 127.0.0.1:${origin}
`,
    }),
    prepare: () => certificate,
    command: ({ folder }) => ["haproxy", "-W", "-f", `${folder}/haproxy.cfg`],
    ready: (place) => get(place, "/", /hello/),
    recorded: (place) => [
      get(place, "/", /hello/),
      [`curl -sSk -m 10 https://127.0.0.1:${place.other}/`, /hello/],
      get(place, "/missing", /404/),
      signal(place, "USR2", 1),
    ],
    later: (place) => [
      atOnce(place, "/", 20),
      silent(place),
      [`curl -sSk -m 10 https://127.0.0.1:${place.other}/large | wc -c`, /300000/],
      signal(place, "USR2", 1),
      [`curl -sSk -m 10 https://127.0.0.1:${place.other}/`, /hello/],
      get(place, "/", /hello/),
    ],
  },
  {
    name: "unbound",
    package: "unbound",
    files: ({ port, folder }) => ({
      "unbound.conf": `server:
  interface: 127.0.0.1
  port: ${port}
  do-daemonize: no
  chroot: ""
  directory: "${folder}"
  pidfile: "${folder}/pid"
  username: "unbound"
  use-syslog: no
  local-zone: "example." static
  local-data: "www.example. IN A 10.1.2.3"
  local-data: "www.example. IN AAAA fd00::1"
`,
    }),
    command: ({ folder }) => ["unbound", "-d", "-p", "-c", `${folder}/unbound.conf`],
    ready: (place) => ask(place, "www.example +short", /10\.1\.2\.3/),
    recorded: (place) => [
      ask(place, "www.example +short", /10\.1\.2\.3/),
      ask(place, "no.example", /NXDOMAIN/),
      signal(place, "HUP", 1),
    ],
    later: (place) => [
      ask(place, "www.example AAAA +short", /fd00::1/),
      ask(place, "www.example +tcp +short", /10\.1\.2\.3/),
      ask(place, "www.example +bufsize=512 +short", /10\.1\.2\.3/),
      silent(place),
      signal(place, "HUP", 1),
      ask(place, "www.example +short", /10\.1\.2\.3/),
    ],
  },
  {
    name: "dnsmasq",
    package: "dnsmasq-base",
    command: ({ port, folder }) => [
      ...["dnsmasq", "-k", "-p", `${port}`, "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "-u", "nobody"],
      ...["--listen-address=127.0.0.1", "--bind-interfaces", "--address=/www.example/10.1.2.3"],
      ...["--log-queries", `--log-facility=${folder}/log`, `--pid-file=${folder}/pid`],
    ],
    ready: (place) => ask(place, "www.example +short", /10\.1\.2\.3/),
    recorded: (place) => [
      ask(place, "www.example +short", /10\.1\.2\.3/),
      ask(place, "other.example", /REFUSED/),
      ask(place, "www.example +tcp +short", /10\.1\.2\.3/),
      signal(place, "USR2", 0.5),
    ],
    later: (place) => [
      ask(place, "www.example +tcp +short", /10\.1\.2\.3/),
      ask(place, "www.example AAAA", /status: /),
      signal(place, "USR2", 0.5),
      ask(place, "www.example +short", /10\.1\.2\.3/),
    ],
  },
  {
    name: "mosquitto",
    package: "mosquitto",
    files: ({ port, folder }) => ({
      "mosquitto.conf": `listener ${port} 127.0.0.1\nallow_anonymous true\nlog_dest file ${folder}/log\nuser mosquitto\n`,
    }),
    command: ({ folder }) => ["mosquitto", "-c", `${folder}/mosquitto.conf`],
    ready: ({ port }) => [`mosquitto_pub -p ${port} -t x -m y && echo published`, /published/],
    recorded: (place) => [publish(place, "")],
    later: (place) => [publish(place, "-q 2"), publish(place, "-V 5"), silent(place), publish(place, "")],
  },
  {
    name: "squid",
    package: "squid",
    files: ({ port, folder }) => ({
      "squid.conf": `http_port 127.0.0.1:${port}
http_access allow all
access_log stdio:${folder}/access.log
cache_log ${folder}/cache.log
pid_filename ${folder}/pid
coredump_dir ${folder}
cache_mem 8 MB
shutdown_lifetime 1 seconds
visible_hostname localhost
`,
    }),
    command: ({ folder }) => ["squid", "-N", "-f", `${folder}/squid.conf`],
    ready: ({ port, origin }) => [`curl -sS -m 10 -x 127.0.0.1:${port} http://127.0.0.1:${origin}/`, /hello/],
    recorded: (place) => [
      [`curl -sS -m 10 -x 127.0.0.1:${place.port} http://127.0.0.1:${place.origin}/`, /hello/],
      [`curl -sS -m 10 -x 127.0.0.1:${place.port} http://127.0.0.1:${place.origin}/missing`, /404/],
      signal(place, "USR1", 1),
    ],
    later: (place) => [
      [`curl -sS -m 10 -x 127.0.0.1:${place.port} http://127.0.0.1:${place.origin}/large | wc -c`, /300000/],
      silent(place),
      signal(place, "USR1", 1),
      [`curl -sS -m 10 -x 127.0.0.1:${place.port} http://127.0.0.1:${place.origin}/`, /hello/],
    ],
  },
  {
    name: "varnish",
    package: "varnish",
    command: ({ port, origin, folder }) => [
      ...["varnishd", "-F", "-a", `127.0.0.1:${port}`, "-b", `127.0.0.1:${origin}`, "-n", `${folder}/v`],
      ...["-s", "malloc,10m"],
    ],
    ready: (place) => get(place, "/", /hello/),
    recorded: (place) => [get(place, "/", /hello/), get(place, "/missing", /404/)],
    later: (place) => [
      atOnce(place, "/", 20),
      get(place, "/list/a", /^a$/m),
      get(place, "/", /hello/, "--http1.0"),
      silent(place),
      [`curl -sS -m 10 ${url(place, "/large")} | wc -c`, /300000/],
    ],
  },
  {
    name: "mariadbd",
    package: "mariadb-server",
    prepare: ({ folder }) =>
      `mkdir data && chown mysql data && mariadb-install-db --no-defaults --user=mysql --datadir=${folder}/data --auth-root-authentication-method=normal >install.log 2>&1`,
    command: ({ other, folder }) => [
      ...["mariadbd", "--no-defaults", `--datadir=${folder}/data`, `--socket=${folder}/socket`, `--port=${other}`],
      ...["--bind-address=127.0.0.1", "--user=mysql", "--skip-grant-tables", `--pid-file=${folder}/pid`],
    ],
    ready: (place) => sql(place, "select 40 + 2", /42/),
    recorded: (place) => [
      sql(place, "create database if not exists d; create table if not exists d.t (a int primary key, b text)", /^$/),
      sql(place, "replace into d.t values (1, 'one'), (2, 'two'); select b from d.t order by a", /one\ntwo/),
    ],
    later: (place) => [
      sql(
        place,
        "create database d; create table d.t (a int primary key, b text); insert into d.t values (1, 'one'), (2, 'two')",
        /^$/,
      ),
      sql(place, "create table d.u engine=MyISAM select * from d.t; select count(*) from d.u", /\d/),
      sql(place, "alter table d.t add index (b(5)); select b from d.t where b like 't%'", /two/),
      sql(place, "select benchmark(100000, md5('a')); flush tables; flush logs", /0/),
      sql(place, "select nonsense", /Unknown column/),
      sql(place, "drop database d", /^$/),
    ],
  },
  {
    name: "vsftpd",
    package: "vsftpd",
    files: ({ port, folder }) => ({
      "vsftpd.conf": `listen=YES
listen_address=127.0.0.1
listen_port=${port}
background=NO
anonymous_enable=YES
anon_root=${folder}/ftp
no_anon_password=YES
secure_chroot_dir=${folder}/empty
xferlog_enable=YES
vsftpd_log_file=${folder}/log
pasv_address=127.0.0.1
`,
      "ftp/small": "hello\n",
      "ftp/large": "x".repeat(300_000),
      "empty/.keep": "",
    }),
    prepare: ({ folder }) => `chown root ${folder}/vsftpd.conf; chmod 755 ftp empty; rm -f empty/.keep`,
    command: ({ folder }) => ["vsftpd", `${folder}/vsftpd.conf`],
    ready: (place) => ftp(place, "small", /hello/),
    recorded: (place) => [
      ftp(place, "small", /hello/),
      ftp(place, "", /large/),
      ftp(place, "small", /hello/, "--ftp-port 127.0.0.1"),
    ],
    later: (place) => [
      [
        `for i in $(seq 100); do curl -sS -m 10 ftp://127.0.0.1:${place.port}/small || echo failed; done | grep -c hello`,
        /^100$/m,
      ],
      ftp(place, "large", /x{50}/),
      ftp(place, "small", /hello/, "--ftp-port 127.0.0.1"),
      [`curl -sS -m 10 ftp://127.0.0.1:${place.port}/absent 2>&1`, /curl: \((?:78|9)\)/],
      silent(place),
    ],
  },
  {
    name: "sshd",
    package: "openssh-server",
    files: ({ port, folder }) => ({
      large: site["www/large"],
      sshd_config: `ListenAddress 127.0.0.1:${port}
HostKey ${folder}/host
AuthorizedKeysFile ${folder}/user.pub
PermitRootLogin yes
StrictModes no
UsePAM no
PidFile ${folder}/pid
SetEnv HOME=${folder}
`,
    }),
    prepare: () =>
      "mkdir -p /run/sshd; ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f user; chmod 600 host user",
    command: ({ folder }) => ["/usr/sbin/sshd", "-D", "-E", `${folder}/log`, "-f", `${folder}/sshd_config`],
    ready: (place) => remote(place, "echo hello", /hello/),
    recorded: recordedSessions,
    later: (place) => [
      ...sessions(place),
      [
        `ssh -F none -i ${place.folder}/absent -p ${place.port} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes root@127.0.0.1 true 2>&1`,
        /Permission denied/,
      ],
      silent(place),
      remote(place, "echo hello", /hello/),
    ],
  },
  {
    name: "dropbear",
    package: "dropbear-bin",
    files: () => ({ large: site["www/large"] }),
    prepare: () =>
      "dropbearkey -t ed25519 -f host >host.log 2>&1; ssh-keygen -q -t ed25519 -N '' -f user; mkdir keys; cp user.pub keys/authorized_keys; chmod 700 keys; chmod 600 keys/authorized_keys user; chmod 755 .",
    command: ({ port, folder }) => [
      ...["dropbear", "-F", "-E", "-r", `${folder}/host`, "-p", `127.0.0.1:${port}`, "-P", `${folder}/pid`],
      ...["-D", `${folder}/keys`],
    ],
    ready: (place) => remote(place, "echo hello", /hello/),
    recorded: recordedSessions,
    later: (place) => [...sessions(place), silent(place), remote(place, "echo hello", /hello/)],
  },
  {
    name: "exim",
    package: "exim4-daemon-light",
    files: ({ port, folder }) => ({
      "exim.conf": `primary_hostname = localhost
spool_directory = ${folder}/spool
log_file_path = ${folder}/log-%slog
pid_file_path = ${folder}/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = ${port}
acl_smtp_rcpt = accept_all
never_users =
tls_advertise_hosts =
begin acl
accept_all:
  accept
begin routers
local:
  driver = accept
  transport = file
begin transports
file:
  driver = appendfile
  file = ${folder}/mail
  user = Debian-exim
begin retry
* * F,2h,15m
`,
    }),
    prepare: ({ folder }) => `mkdir spool; chown -R Debian-exim ${folder}; chown root exim.conf; chmod 644 exim.conf`,
    command: ({ folder }) => ["exim4", "-C", `${folder}/exim.conf`, "-bdf", "-q1h"],
    ready: (place) => mail(place, 1),
    recorded: (place) => [mail(place, 10)],
    later: (place) => [
      mail(place, 3000),
      silent(place),
      [`curl -sS -m 10 smtp://127.0.0.1:${place.port} -X 'NONSENSE' 2>&1`, /curl|500/],
      mail(place, 10),
    ],
  },
  {
    name: "prometheus",
    package: "prometheus",
    files: ({ port }) => ({
      "prometheus.yml": `global: { scrape_interval: 1s }\nscrape_configs:\n  - job_name: self\n    static_configs: [{ targets: ["127.0.0.1:${port}"] }]\n`,
    }),
    command: ({ port, folder }) => [
      ...["prometheus", `--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/tsdb`],
      ...[`--web.listen-address=127.0.0.1:${port}`, "--web.enable-lifecycle"],
    ],
    ready: (place) => get(place, "/-/ready", /Ready/),
    recorded: (place) => [
      get(place, "/api/v1/query?query=up", /success/),
      get(place, "/metrics", /go_/),
      reloadPrometheus(place),
    ],
    later: (place) => [
      get(place, "/api/v1/query?query=sum(rate(prometheus_http_requests_total[1m]))", /success/),
      get(place, "/api/v1/query?query=((", /parse error/),
      reloadPrometheus(place),
      get(place, "/api/v1/status/tsdb", /success/),
      get(place, "/-/healthy", /Healthy/),
    ],
  },
  {
    name: "etcd",
    package: "etcd-server",
    command: ({ port, other, folder }) => [
      ...["etcd", `--data-dir=${folder}/data`, `--listen-client-urls=http://127.0.0.1:${port}`],
      ...[`--advertise-client-urls=http://127.0.0.1:${port}`, `--listen-peer-urls=http://127.0.0.1:${other}`],
      ...[
        `--initial-advertise-peer-urls=http://127.0.0.1:${other}`,
        `--initial-cluster=default=http://127.0.0.1:${other}`,
      ],
    ],
    ready: (place) => etcd(place, "put a 1", /OK/),
    recorded: (place) => [etcd(place, "put a 1", /OK/), etcd(place, "get a", /1/)],
    later: (place) => [
      etcd(place, "del a", /1/),
      etcd(place, "get --prefix ''", /^$/),
      etcd(place, "lease grant 60", /granted/),
      etcd(place, `snapshot save ${place.folder}/snapshot`, /saved/i),
      etcd(place, "compact 2", /compacted/),
      etcd(place, "put b 2", /OK/),
    ],
  },
  {
    name: "node",
    package: "nodejs",
    files: ({ port }) => ({
      "server.mjs": `import { createServer } from "node:http";
import { readFile, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { createHash } from "node:crypto";
import { Worker } from "node:worker_threads";
createServer(async (request, response) => {
  if (request.url === "/read") response.end(await readFile(import.meta.filename ?? new URL(import.meta.url).pathname));
  else if (request.url === "/write") { await writeFile(new URL("written", import.meta.url), "x"); response.end("written"); }
  else if (request.url === "/zip") response.end(String(gzipSync("x".repeat(1e5)).length));
  else if (request.url === "/worker") new Worker("require('worker_threads').parentPort.postMessage('worked')", { eval: true }).on("message", (m) => response.end(m)).on("error", (e) => response.end(String(e)));
  else response.end(createHash("sha256").update("hello").digest("hex") + " hello");
}).listen(${port}, "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
`,
    }),
    command: ({ folder }) => ["node", `${folder}/server.mjs`],
    ready: (place) => get(place, "/", /hello/),
    recorded: (place) => [
      get(place, "/", /hello/),
      get(place, "/read", /createServer/),
      get(place, "/write", /written/),
    ],
    later: (place) => [
      atOnce(place, "/", 20),
      get(place, "/zip", /\d/),
      get(place, "/worker", /worked/),
      silent(place),
      get(place, "/write", /written/),
    ],
  },
  {
    name: "gunicorn",
    package: "gunicorn",
    files: () => wsgiApplication,
    command: ({ port, folder }) => [
      ...[
        "gunicorn",
        "-w",
        "2",
        "-b",
        `127.0.0.1:${port}`,
        "--chdir",
        folder,
        "--access-logfile",
        `${folder}/access.log`,
      ],
      ...["--error-logfile", `${folder}/error.log`, "-p", `${folder}/pid`, "app:app"],
    ],
    ready: (place) => get(place, "/", /hello/),
    recorded: (place) => [
      get(place, "/", /hello/),
      [`curl -sS -m 10 ${url(place, "/large")} | wc -c`, /300000/],
      signal(place, "USR1", 1),
      signal(place, "HUP", 2),
    ],
    later: (place) => [
      atOnce(place, "/", 20),
      signal(place, "USR1", 1),
      get(place, "/", /hello/),
      signal(place, "HUP", 2),
      get(place, "/", /hello/),
    ],
  },
  {
    name: "java",
    package: "default-jre-headless",
    files: ({ port }) => ({
      "Server.java": `import com.sun.net.httpserver.*; import java.net.*; import java.nio.file.*; import java.util.concurrent.*;
public class Server { public static void main(String[] words) throws Exception {
  HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", ${port}), 0);
  server.createContext("/", e -> { byte[] b = "hello".getBytes(); e.sendResponseHeaders(200, b.length); e.getResponseBody().write(b); e.close(); });
  server.createContext("/file", e -> { Path p = Files.createTempFile("a", "b"); Files.write(p, new byte[300000]); byte[] b = Files.readAllBytes(p); Files.delete(p); e.sendResponseHeaders(200, b.length); e.getResponseBody().write(b); e.close(); });
  server.createContext("/heap", e -> { long s = 0; for (int i = 0; i < 200; i++) s += new byte[1 << 20].length; System.gc(); byte[] b = ("" + s).getBytes(); e.sendResponseHeaders(200, b.length); e.getResponseBody().write(b); e.close(); });
  server.setExecutor(Executors.newCachedThreadPool()); server.start(); } }
`,
    }),
    prepare: ({ folder }) => `javac -d ${folder} Server.java`,
    command: ({ folder }) => ["java", "-Xmx128m", "-cp", folder, "Server"],
    ready: (place) => get(place, "/", /hello/),
    recorded: (place) => [get(place, "/", /hello/), [`curl -sS -m 10 ${url(place, "/file")} | wc -c`, /300000/]],
    later: (place) => [
      atOnce(place, "/", 20),
      get(place, "/heap", /209715200/),
      silent(place),
      [`kill -QUIT $(pgrep -n -x java); sleep 0.5; echo dumped`, /dumped/],
      get(place, "/", /hello/),
    ],
  },
  {
    name: "php-fpm",
    package: "php-fpm",
    files: ({ port, folder }) => ({
      "fpm.conf": `[global]
error_log = ${folder}/error.log
pid = ${folder}/pid
[www]
user = www-data
group = www-data
listen = 127.0.0.1:${port}
pm = dynamic
pm.max_children = 4
pm.start_servers = 1
pm.min_spare_servers = 1
pm.max_spare_servers = 2
`,
      "index.php": "<?php echo 'hello ', file_get_contents('php://input');",
      "file.php": `<?php file_put_contents('${folder}/ftp', 'x'); echo 'written ', strlen(file_get_contents(__FILE__));`,
      "more.php":
        "<?php session_start(); echo json_encode(['a' => hash('sha256', 'x'), 'd' => date('Y')]); usleep(1000);",
    }),
    command: ({ folder }) => [phpFpm, "-F", "-y", `${folder}/fpm.conf`],
    ready: (place) => page(place, "index.php", /hello/),
    recorded: (place) => [
      page(place, "index.php", /hello/),
      page(place, "file.php", /written/),
      signal(place, "USR1", 0.5),
      signal(place, "USR2", 1.5),
    ],
    later: (place) => [
      page(place, "index.php", /hello body/, "POST", "body"),
      page(place, "more.php", /"a"/),
      page(place, "absent.php", /not found/i),
      signal(place, "USR1", 0.5),
      signal(place, "USR2", 1.5),
      page(place, "index.php", /hello/),
    ],
  },
];

export const knownServers: readonly ServerProgram[] = known.map((server) => ({ kind: "server", ...server }));
