/** Apache of Debian with its default worker model (event): a master, workers with threads, the CGI daemon and a piped log. */
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../support/port.ts";
import { expectStatus, http } from "../clients.ts";
import type { Instance, Server } from "../server.ts";
import { eventually, type Site } from "../site.ts";
import { phpUpstream, rotated, signal } from "./signals.ts";
import { documents, expectPassword, phpFeature, webInstance, webSocketFeature } from "./web.ts";

export const httpd: Server = {
  name: "httpd",
  packages: ["apache2", "openssl", "php-cgi"],
  programs: ["apache2", "openssl", "php-cgi"],
  program: "/usr/sbin/apache2",
  generator: ["wrk", "wrk"],
  published: { init: 71, serving: 83, common: 47, union: 107, reduction: 33.6 },
  cut: {
    role: "child",
    call: "exit",
    why: "the thread that started the threads of a worker ends: the worker is set up",
  },
  paperCut: { role: "child", why: "`child_main`: the worker from its birth on" },
  remarks: [
    "WebDAV loads a database library with the first lock of a file, so workers that serve map executable memory.",
    "The CGI daemon, a child that never serves, is counted as initialisation: it forks, executes and changes modes.",
    "At the paper's cut, serving includes the set-up of the worker: its privileges and its threads.",
  ],
  configure,
};

const modules = [
  ...[
    "mpm_event",
    "authn_core",
    "authz_core",
    "authn_file",
    "auth_basic",
    "authz_user",
    "authz_host",
    "access_compat",
    "alias",
  ],
  ...[
    "autoindex",
    "cache",
    "cache_disk",
    "cgid",
    "dav",
    "dav_fs",
    "deflate",
    "dir",
    "env",
    "filter",
    "headers",
    "http2",
  ],
  ...[
    "include",
    "mime",
    "negotiation",
    "proxy",
    "proxy_http",
    "proxy_fcgi",
    "proxy_wstunnel",
    "reqtimeout",
    "rewrite",
    "setenvif",
  ],
  ...["socache_shmcb", "ssl", "status"],
];

async function configure(site: Site): Promise<Instance> {
  const [port, tlsPort, downPort] = [await freePort(), await freePort(), await freePort()];
  const [upstream, php] = [await site.upstream(), await phpUpstream(site)];
  const root = documents(site);
  for (const name of ["www/dav", "locks", "cache", "run"]) site.folderOf(name, "www-data");
  site.folderOf("www/rules");
  site.write("www/rules/.htaccess", "RewriteEngine on\nRewriteRule ^old$ /index.html [R=301]\nHeader set X-Rule one\n");
  site.write("www/rules/index.html", "rules");
  site.write("www/page.php", "<?php echo strlen(file_get_contents('php://input')), str_repeat('p', 20000);");
  site.write(
    "www/included.shtml",
    '<!--#include virtual="/list/one.txt" --><!--#echo var="DATE_LOCAL" --><!--#fsize file="index.html" -->',
  );
  site.folderOf("cgi");
  site.write("cgi/script", '#!/bin/sh\necho "Content-Type: text/plain"; echo; echo "$REQUEST_METHOD"; cat\n', 0o755);
  const { certificate, key } = site.certificate();
  // htpasswd's form of "secret", {SHA}.
  site.write("password", "user:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
  const pidFile = site.path("run/apache.pid");
  const log = site.path("access.log");
  const user = site.isRoot ? "User www-data\nGroup www-data" : "";
  const file = site.write(
    "apache.conf",
    `${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join("\n")}
ServerRoot ${site.folder}
ServerName localhost
PidFile ${pidFile}
DefaultRuntimeDir ${site.path("run")}
Mutex file:${site.path("run")} default
ScriptSock ${site.path("run/cgisock")}
${user}
Listen 127.0.0.1:${port}
Listen 127.0.0.1:${tlsPort}
ErrorLog ${site.path("error.log")}
LogLevel info
LogFormat "%h %t \\"%r\\" %>s %b" common
CustomLog ${log} common
CustomLog "|/usr/bin/rotatelogs ${site.path("piped.%s.log")} 3600" common
TypesConfig /etc/mime.types
StartServers 2
ServerLimit 4
ThreadsPerChild 8
MaxRequestWorkers 32
MinSpareThreads 8
MaxSpareThreads 24
KeepAliveTimeout 2
Timeout 10
DocumentRoot ${root}
DirectoryIndex index.html
<Directory ${root}>
  Options +Indexes +FollowSymLinks +Includes
  AllowOverride All
  Require all granted
  AddOutputFilter INCLUDES .shtml
  AddOutputFilterByType DEFLATE text/html text/plain
</Directory>
ScriptAlias /cgi/ ${site.path("cgi")}/
<Directory ${site.path("cgi")}>
  Require all granted
</Directory>
<Location /status>
  SetHandler server-status
</Location>
<Location /private>
  AuthType Basic
  AuthName private
  AuthUserFile ${site.path("password")}
  Require valid-user
</Location>
Alias /private ${root}
DavLockDB ${site.path("locks/lock")}
<Location /dav>
  Dav On
</Location>
ProxyPass /upstream/ http://127.0.0.1:${upstream}/ 
ProxyPass /socket/ ws://127.0.0.1:${upstream}/
ProxyPass /down/ http://127.0.0.1:${downPort}/
ProxyPass /cached/ http://127.0.0.1:${upstream}/
ProxyFCGIBackendType GENERIC
ProxyPassMatch ^/(.*\\.php)$ fcgi://127.0.0.1:${php}${root}/$1
CacheEnable disk /cached/
CacheRoot ${site.path("cache")}
SSLSessionCache shmcb:${site.path("run/tls")}(512000)
<VirtualHost 127.0.0.1:${tlsPort}>
  Protocols h2 http/1.1
  SSLEngine on
  SSLCertificateFile ${certificate}
  SSLCertificateKeyFile ${key}
</VirtualHost>
`,
  );
  const origin = `http://127.0.0.1:${port}`;
  const { random } = site;
  return webInstance({
    site,
    port,
    tlsPort,
    command: ["apache2", "-d", site.folder, "-f", file, "-DFOREGROUND"],
    pidFile,
    features: [
      {
        name: "CGI",
        async load() {
          await expectStatus(200, `${origin}/cgi/script?${random.name()}`);
          await expectStatus(200, `${origin}/cgi/script`, { method: "POST", body: "c".repeat(50_000) });
          await expectStatus(404, `${origin}/cgi/missing`);
        },
      },
      phpFeature(site, `${origin}/page.php`, 30_000),
      {
        name: "rules of a folder (.htaccess), includes, status",
        async load() {
          await expectStatus(200, `${origin}/rules/`);
          await expectStatus(301, `${origin}/rules/old`);
          await expectStatus(200, `${origin}/included.shtml`);
          await expectStatus(200, `${origin}/status?auto`);
        },
      },
      {
        name: "passwords",
        async load() {
          await expectPassword(`${origin}/private/index.html`);
        },
      },
      {
        name: "WebDAV",
        async load() {
          const folder = `${origin}/dav/${random.name("folder")}/`;
          await expectStatus(201, folder, { method: "MKCOL" });
          await expectStatus(201, `${folder}a`, { method: "PUT", body: "a".repeat(100_000) });
          await expectStatus([201, 204], `${folder}a`, { method: "COPY", headers: { destination: `${folder}b` } });
          await expectStatus([201, 204], `${folder}a`, { method: "MOVE", headers: { destination: `${folder}c` } });
          await expectStatus(207, folder, { method: "PROPFIND", headers: { depth: "1" } });
          const kind =
            '<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>';
          const { headers } = await expectStatus(200, `${folder}c`, { method: "LOCK", body: kind });
          await expectStatus(423, `${folder}c`, { method: "PUT", body: "locked" });
          await expectStatus(204, `${folder}c`, {
            method: "UNLOCK",
            headers: { "lock-token": `${headers["lock-token"]}` },
          });
          await expectStatus(204, folder, { method: "DELETE" });
        },
      },
      {
        name: "a cache of responses",
        async load() {
          const page = random.name("page");
          for (const size of [20_000, 20_000, 300_000])
            await expectStatus(200, `${origin}/cached/${page}?size=${size}`);
        },
      },
      webSocketFeature(port),
      {
        name: "log rotation (graceful restart, USR1)",
        load: () => rotated(pidFile, "SIGUSR1", log, () => http(`${origin}/`).catch(() => {})),
      },
      {
        name: "reload (HUP)",
        async load() {
          signal(pidFile, "SIGHUP");
          await sleep(1000);
          await eventually(() => expectStatus(200, `${origin}/index.html`));
        },
      },
    ],
  });
}
