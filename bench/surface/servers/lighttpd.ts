/** lighttpd of Debian: one process with an event loop, and PHP that the server starts, in Debian's configuration. */
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../support/port.ts";
import { Dialogue, expectStatus, http } from "../clients.ts";
import type { Instance, Server } from "../server.ts";
import type { Site } from "../site.ts";
import { rotated } from "./signals.ts";
import { documents, expectPassword, phpFeature, webInstance, webSocketFeature } from "./web.ts";

export const lighttpd: Server = {
  name: "lighttpd",
  packages: ["lighttpd", "lighttpd-mod-openssl", "openssl", "php-cgi"],
  programs: ["lighttpd", "openssl", "php-cgi", "/usr/lib/lighttpd/mod_openssl.so"],
  program: "/usr/sbin/lighttpd",
  generator: ["wrk", "wrk"],
  published: { init: 46, serving: 78, common: 25, union: 99, reduction: 53.5 },
  cut: {
    role: "command",
    call: "epoll_create1",
    why: "the event loop is made, after privileges are given up and PHP is started",
  },
  paperCut: { role: "command", call: "epoll_wait", why: "`server_main_loop`: the first wait for events" },
  configure,
};

const modules = [
  "access",
  "alias",
  "auth",
  "authn_file",
  "redirect",
  "rewrite",
  "setenv",
  "expire",
  "status",
  "accesslog",
  "dirlisting",
];
const laterModules = ["deflate", "ssi", "fastcgi", "proxy", "wstunnel", "openssl"];

async function configure(site: Site): Promise<Instance> {
  const [port, tlsPort, downPort] = [await freePort(), await freePort(), await freePort()];
  const upstream = await site.upstream();
  const root = documents(site);
  for (const name of ["uploads", "cache", "run"]) site.folderOf(name, "www-data");
  site.write("www/page.php", "<?php echo strlen(file_get_contents('php://input')), str_repeat('p', 20000);");
  site.write(
    "www/included.shtml",
    '<!--#include virtual="/list/one.txt" --><!--#echo var="DATE_LOCAL" --><!--#fsize virtual="/index.html" -->',
  );
  site.write("password", "user:secret\n");
  const { certificate, key } = site.certificate();
  const pidFile = site.path("run/lighttpd.pid");
  const logs = site.folderOf("logs", "www-data");
  const log = site.path("logs/access.log");
  const user = site.isRoot ? 'server.username = "www-data"\nserver.groupname = "www-data"' : "";
  const file = site.write(
    "lighttpd.conf",
    `server.modules = (${[...modules, ...laterModules].map((name) => `"mod_${name}"`).join(", ")})
server.document-root = "${root}"
server.bind = "127.0.0.1"
server.port = ${port}
server.pid-file = "${pidFile}"
server.errorlog = "${logs}/error.log"
accesslog.filename = "${log}"
server.upload-dirs = ("${site.path("uploads")}")
server.max-keep-alive-idle = 2
server.feature-flags += ("server.h2proto" => "enable")
${user}
index-file.names = ("index.html")
mimetype.assign = (".html" => "text/html", ".txt" => "text/plain", "" => "application/octet-stream")
dir-listing.activate = "enable"
deflate.mimetypes = ("text/html", "text/plain")
deflate.allowed-encodings = ("gzip")
deflate.cache-dir = "${site.path("cache")}"
static-file.exclude-extensions = (".php", ".shtml")
ssi.extension = (".shtml")
status.status-url = "/status"
auth.backend = "plain"
auth.backend.plain.userfile = "${site.path("password")}"
auth.require = ("/private/" => ("method" => "basic", "realm" => "private", "require" => "valid-user"))
alias.url = ("/private/" => "${root}/")
url.redirect = ("^/moved/(.*)" => "/$1")
fastcgi.server = (".php" => ((
  "bin-path" => "/usr/bin/php-cgi", "socket" => "${site.path("run/php.socket")}", "max-procs" => 1,
  "bin-environment" => ("PHP_FCGI_CHILDREN" => "1", "PHP_FCGI_MAX_REQUESTS" => "500"), "broken-scriptfilename" => "enable")))
$HTTP["url"] =~ "^/(upstream|socket)/" {
  proxy.server = ("" => (("host" => "127.0.0.1", "port" => ${upstream})))
  proxy.header = ("upgrade" => "enable")
}
$HTTP["url"] =~ "^/down/" { proxy.server = ("" => (("host" => "127.0.0.1", "port" => ${downPort}))) }
$SERVER["socket"] == "127.0.0.1:${tlsPort}" {
  ssl.engine = "enable"
  ssl.pemfile = "${certificate}"
  ssl.privkey = "${key}"
}
`,
  );
  const origin = `http://127.0.0.1:${port}`;
  return webInstance({
    site,
    port,
    tlsPort,
    command: ["lighttpd", "-D", "-f", file],
    pidFile,
    features: [
      phpFeature(site, `${origin}/page.php`, 200_000),
      {
        name: "passwords, status, redirections, includes",
        async load() {
          await expectPassword(`${origin}/private/index.html`);
          await expectStatus(200, `${origin}/status`);
          await expectStatus(301, `${origin}/moved/index.html`);
          await expectStatus(200, `${origin}/included.shtml`);
        },
      },
      webSocketFeature(port),
      {
        name: "an idle connection that times out",
        async load() {
          const dialogue = await Dialogue.open(port);
          await dialogue.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", /200 OK/);
          await sleep(100);
          await dialogue.closed();
        },
      },
      { name: "log rotation (HUP)", load: () => rotated(pidFile, "SIGHUP", log, () => http(`${origin}/`)) },
    ],
  });
}
