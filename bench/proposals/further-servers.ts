/** Servers that no list of failures of an earlier version had, with a load that is recorded and another one. */
import type { ServerProgram } from "./program.ts";
import { atOnce, get, signal, silent, site } from "./requests.ts";

const further: readonly Omit<ServerProgram, "kind">[] = [
  {
    name: "nginx",
    package: "nginx",
    files: ({ port, folder }) => ({
      ...site,
      "nginx.conf": `worker_processes 2; pid ${folder}/pid; error_log ${folder}/error.log; user www-data; events {}
http { access_log ${folder}/access.log; sendfile on;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}
  server { listen 127.0.0.1:${port}; root ${folder}/www; location /list/ { autoindex on; } } }
`,
    }),
    command: ({ folder }) => ["nginx", "-c", `${folder}/nginx.conf`, "-g", "daemon off;"],
    ready: (place) => get(place, "/", /hello/),
    recorded: (place) => [
      get(place, "/", /hello/),
      get(place, "/missing", /404/),
      get(place, "/list/", /Index of/),
      signal(place, "USR1", 0.5),
      signal(place, "HUP", 1),
    ],
    later: (place) => [
      atOnce(place, "/large", 20),
      get(place, "/list/", /Index of/),
      silent(place),
      signal(place, "USR1", 0.5),
      signal(place, "HUP", 1),
      get(place, "/", /hello/),
    ],
    end: "SIGQUIT",
  },
  {
    name: "redis-server",
    package: "redis-server",
    command: ({ port, folder }) => ["redis-server", "--bind", "127.0.0.1", "--port", `${port}`, "--dir", folder],
    ready: ({ port }) => [`redis-cli -p ${port} ping`, /PONG/],
    recorded: ({ port }) => [
      [`redis-cli -p ${port} set a 1`, /OK/],
      [`redis-cli -p ${port} get a`, /1/],
      [`redis-cli -p ${port} bgsave; sleep 1; redis-cli -p ${port} lastsave`, /\d/],
    ],
    later: (place) => [
      [`redis-cli -p ${place.port} rpush l 1 2 3`, /3/],
      [`redis-cli -p ${place.port} save`, /OK/],
      [`redis-cli -p ${place.port} bgsave; sleep 1; redis-cli -p ${place.port} lastsave`, /\d/],
      silent(place),
      [`redis-cli -p ${place.port} set a 1; redis-cli -p ${place.port} get a`, /^1/m],
    ],
  },
  {
    name: "memcached",
    package: "memcached",
    command: ({ port }) => ["memcached", "-l", "127.0.0.1", "-p", `${port}`, "-U", "0", "-u", "nobody"],
    ready: ({ port }) => [`printf 'version\\r\\nquit\\r\\n' | nc -w 5 127.0.0.1 ${port}`, /VERSION/],
    recorded: ({ port }) => [
      [`printf 'set a 0 0 4\\r\\nkept\\r\\nget a\\r\\nquit\\r\\n' | nc -w 5 127.0.0.1 ${port}`, /kept/],
    ],
    later: (place) => [
      [
        `printf 'set b 0 0 1\\r\\n1\\r\\nincr b 4\\r\\ndelete b\\r\\nstats\\r\\nquit\\r\\n' | nc -w 5 127.0.0.1 ${place.port}`,
        /DELETED/,
      ],
      silent(place),
      [`printf 'flush_all\\r\\nnonsense\\r\\nquit\\r\\n' | nc -w 5 127.0.0.1 ${place.port}`, /ERROR/],
    ],
  },
  {
    name: "apache2",
    package: "apache2",
    files: ({ port, folder }) => ({
      ...site,
      "apache.conf": `ServerRoot ${folder}
ServerName localhost
PidFile ${folder}/pid
Listen 127.0.0.1:${port}
${["mpm_event", "authz_core", "dir", "autoindex", "mime"].map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join("\n")}
TypesConfig /etc/mime.types
User www-data
Group www-data
StartServers 2
ErrorLog ${folder}/error.log
DocumentRoot ${folder}/www
<Directory ${folder}/www>
  Options Indexes
  Require all granted
</Directory>
`,
    }),
    command: ({ folder }) => ["apache2", "-f", `${folder}/apache.conf`, "-DFOREGROUND"],
    ready: (place) => get(place, "/index.html", /hello/),
    recorded: (place) => [
      get(place, "/index.html", /hello/),
      get(place, "/missing", /404/),
      get(place, "/list/", /Index of/),
      signal(place, "USR1", 1.5),
    ],
    later: (place) => [
      atOnce(place, "/large", 20),
      get(place, "/list/", /Index of/),
      silent(place),
      signal(place, "USR1", 1.5),
      get(place, "/index.html", /hello/),
    ],
  },
  {
    name: "lighttpd",
    package: "lighttpd",
    files: ({ port, folder }) => ({
      ...site,
      "lighttpd.conf": `server.document-root = "${folder}/www"
server.port = ${port}
server.bind = "127.0.0.1"
server.errorlog = "${folder}/error.log"
index-file.names = ("index.html")
`,
    }),
    command: ({ folder }) => ["lighttpd", "-D", "-f", `${folder}/lighttpd.conf`],
    ready: (place) => get(place, "/", /hello/),
    recorded: (place) => [get(place, "/", /hello/), get(place, "/missing", /404/)],
    later: (place) => [atOnce(place, "/large", 20), silent(place), get(place, "/list/a", /^a$/m)],
  },
  {
    name: "tinyproxy",
    package: "tinyproxy-bin",
    files: ({ port, folder }) => ({
      "tinyproxy.conf": `Port ${port}\nListen 127.0.0.1\nAllow 127.0.0.1\nLogFile "${folder}/log"\nUser nobody\nTimeout 10\n`,
    }),
    command: ({ folder }) => ["tinyproxy", "-d", "-c", `${folder}/tinyproxy.conf`],
    ready: ({ port, origin }) => [`curl -sS -m 10 -x 127.0.0.1:${port} http://127.0.0.1:${origin}/`, /hello/],
    recorded: ({ port, origin }) => [
      [`curl -sS -m 10 -x 127.0.0.1:${port} http://127.0.0.1:${origin}/`, /hello/],
      [`curl -sS -m 10 -x 127.0.0.1:${port} http://127.0.0.1:${origin}/missing`, /404/],
    ],
    later: (place) => [
      [`curl -sS -m 10 -x 127.0.0.1:${place.port} http://127.0.0.1:${place.origin}/large | wc -c`, /300000/],
      [`curl -sS -m 10 -p -x 127.0.0.1:${place.port} http://127.0.0.1:${place.origin}/`, /hello/],
      silent(place),
      [`curl -sS -m 10 -x 127.0.0.1:${place.port} http://127.0.0.1:1/ -o /dev/null -w '%{http_code}'`, /50\d/],
    ],
  },
  {
    name: "rsync",
    package: "rsync",
    files: ({ folder }) => ({
      "rsyncd.conf": `[m]\npath = ${folder}/www\nread only = no\nuse chroot = no\nuid = nobody\nlog file = ${folder}/log\n`,
      ...site,
    }),
    prepare: () => "chown -R nobody www",
    command: ({ port, folder }) => [
      ...[
        "rsync",
        "--daemon",
        "--no-detach",
        `--config=${folder}/rsyncd.conf`,
        `--port=${port}`,
        "--address=127.0.0.1",
      ],
    ],
    ready: ({ port }) => [`rsync rsync://127.0.0.1:${port}/`, /^m/m],
    recorded: ({ port, folder }) => [
      [`rsync -a rsync://127.0.0.1:${port}/m/ ${folder}/copy && cat ${folder}/copy/index.html`, /hello/],
      [`rsync -a /etc/hostname rsync://127.0.0.1:${port}/m/ && ls ${folder}/www`, /hostname/],
    ],
    later: ({ port, folder }) => [
      [`rsync -acz --delete rsync://127.0.0.1:${port}/m/ ${folder}/other && cat ${folder}/other/list/a`, /a/],
      [`rsync -a ${folder}/rsyncd.conf rsync://127.0.0.1:${port}/m/ && cat ${folder}/www/rsyncd.conf`, /path/],
      [`rsync rsync://127.0.0.1:${port}/absent/ 2>&1`, /Unknown module/],
    ],
  },
  {
    name: "git daemon",
    package: "git",
    prepare: () =>
      "git init -q repo && git -C repo -c user.name=a -c user.email=a@b commit -q --allow-empty -m hello && touch repo/.git/git-daemon-export-ok && git config --global --add safe.directory '*'",
    command: ({ port, folder }) => [
      ...["git", "daemon", "--listen=127.0.0.1", `--port=${port}`, `--base-path=${folder}`, "--reuseaddr", folder],
    ],
    ready: ({ port }) => [`git ls-remote git://127.0.0.1:${port}/repo`, /HEAD/],
    recorded: ({ port, folder }) => [
      [
        `rm -rf ${folder}/clone; git clone -q git://127.0.0.1:${port}/repo ${folder}/clone && git -C ${folder}/clone log`,
        /hello/,
      ],
    ],
    later: (place) => [
      [
        `rm -rf ${place.folder}/s; git clone -q --depth 1 git://127.0.0.1:${place.port}/repo ${place.folder}/s && git -C ${place.folder}/s log`,
        /hello/,
      ],
      [`git ls-remote git://127.0.0.1:${place.port}/absent 2>&1`, /not exported|access denied/],
      silent(place),
      [`git ls-remote git://127.0.0.1:${place.port}/repo`, /HEAD/],
    ],
  },
  {
    name: "postgres",
    package: "postgresql",
    prepare: ({ folder }) =>
      `chown postgres ${folder}; runuser -u postgres -- sh -c '$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)/initdb -A trust -D ${folder}/data' >init.log 2>&1`,
    command: ({ port, folder }) => [
      ...["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "sh", "-c"],
      `exec $(ls -d /usr/lib/postgresql/*/bin | tail -n 1)/postgres -D ${folder}/data -p ${port} -h 127.0.0.1 -k ${folder}`,
    ],
    ready: ({ port }) => [`psql -h 127.0.0.1 -p ${port} -U postgres -tc 'select 40 + 2'`, /42/],
    recorded: ({ port }) => [
      [
        `psql -h 127.0.0.1 -p ${port} -U postgres -c 'create table if not exists t (a int); insert into t values (1)'`,
        /INSERT/,
      ],
      [`psql -h 127.0.0.1 -p ${port} -U postgres -tc 'select a from t'`, /1/],
      [
        `psql -h 127.0.0.1 -p ${port} -U postgres -tc 'select count(*) from generate_series(1, 300000) g group by g % 5 order by 1'`,
        /60000/,
      ],
      [`psql -h 127.0.0.1 -p ${port} -U postgres -c checkpoint`, /CHECKPOINT/],
    ],
    later: ({ port }) => [
      [`psql -h 127.0.0.1 -p ${port} -U postgres -c 'create table t (a int)'`, /CREATE/],
      [
        `psql -h 127.0.0.1 -p ${port} -U postgres -c 'create index on t (a); vacuum t'`,
        /INDEX|VACUUM|transaction block/,
      ],
      [
        `psql -h 127.0.0.1 -p ${port} -U postgres -tc 'select count(*) from generate_series(1, 300000) g group by g % 7 order by 1'`,
        /42857/,
      ],
      [`psql -h 127.0.0.1 -p ${port} -U postgres -c checkpoint`, /CHECKPOINT/],
      [`psql -h 127.0.0.1 -p ${port} -U postgres -c 'select nonsense' 2>&1`, /does not exist/],
    ],
    end: "SIGINT",
  },
  {
    name: "python3",
    package: "python3",
    files: () => site,
    command: ({ port, folder }) => [
      ...["python3", "-m", "http.server", "-b", "127.0.0.1", "-d", `${folder}/www`, `${port}`],
    ],
    ready: (place) => get(place, "/", /hello/),
    recorded: (place) => [
      get(place, "/", /hello/),
      get(place, "/missing", /404/),
      get(place, "/list/", /Directory listing/),
    ],
    later: (place) => [atOnce(place, "/large", 20), get(place, "/list/", /Directory listing/), silent(place)],
    end: "SIGINT",
  },
];

/** glibc loads libgcc_s at the end of a thread: a worker of apache2 does after it has begun to serve. */
const libgcc = `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/libgcc_s.so.1`;
const preloaded = further.flatMap((server) =>
  server.name === "apache2" ? [{ ...server, name: "apache2-preloaded", environment: { LD_PRELOAD: libgcc } }] : [],
);

export const furtherServers: readonly ServerProgram[] = [...further, ...preloaded].map((server) => ({
  kind: "server",
  ...server,
}));
