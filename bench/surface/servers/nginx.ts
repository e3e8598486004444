/** nginx of Debian (nginx-light): a master, two workers, a cache manager, and the modules that the package builds in. */
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../support/port.ts";
import { expectStatus, http } from "../clients.ts";
import type { Instance, Server } from "../server.ts";
import { eventually, type Site } from "../site.ts";
import { phpUpstream, rotated, signal } from "./signals.ts";
import { documents, expectPassword, phpFeature, webInstance, webSocketFeature } from "./web.ts";

export const nginx: Server = {
  name: "nginx",
  packages: ["nginx-light", "openssl", "php-cgi"],
  programs: ["nginx", "openssl", "php-cgi"],
  program: "/usr/sbin/nginx",
  generator: ["wrk", "wrk"],
  published: { init: 52, serving: 93, common: 36, union: 109, reduction: 52.3 },
  cut: { role: "child", call: "eventfd2", why: "a worker makes its event loop, after it has given up its privileges" },
  paperCut: { role: "child", why: "`ngx_worker_process_cycle`: the worker from its birth on" },
  configure,
};

async function configure(site: Site): Promise<Instance> {
  const [port, tlsPort, downPort] = [await freePort(), await freePort(), await freePort()];
  const [upstream, php] = [await site.upstream(), await phpUpstream(site)];
  const root = documents(site);
  const socket = site.path("nginx.socket");
  site.folderOf("www/dav", "www-data");
  const { certificate, key } = site.certificate();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${site.folderOf(`temporary/${name}`, "www-data")};`,
  );
  site.folderOf("cache", "www-data");
  site.write("password", "user:{PLAIN}secret\n");
  site.write("www/text.html.gz", "gz");
  const pidFile = site.path("nginx.pid");
  const log = site.path("access.log");
  const file = site.write(
    "nginx.conf",
    `${site.isRoot ? "user www-data;" : ""} worker_processes 2; pid ${pidFile}; error_log ${site.path("error.log")} info;
events { worker_connections 256; }
http {
  include /etc/nginx/mime.types; ${temporary.join(" ")}
  access_log ${log}; access_log ${site.path("buffered.log")} combined buffer=4k flush=1s;
  open_file_cache max=20 inactive=2s; sendfile on; tcp_nopush on; server_tokens off;
  gzip on; gzip_types text/plain; client_body_buffer_size 8k; keepalive_timeout 5;
  proxy_cache_path ${site.path("cache")} levels=1:2 keys_zone=zone:1m max_size=1m inactive=1s;
  limit_req_zone $binary_remote_addr zone=requests:1m rate=100r/s;
  ssl_certificate ${certificate}; ssl_certificate_key ${key}; ssl_session_cache shared:tls:1m;
  upstream pool { server 127.0.0.1:${upstream}; keepalive 4; }
  server {
    listen 127.0.0.1:${port}; listen unix:${socket}; listen 127.0.0.1:${tlsPort} ssl; http2 on; root ${root};
    location /list/ { autoindex on; }
    location /private/ { auth_basic "private"; auth_basic_user_file ${site.path("password")}; alias ${root}/; }
    location /status { stub_status; }
    location /limited/ { limit_req zone=requests burst=5; limit_rate 200k; alias ${root}/; }
    location /uncached/ { open_file_cache off; sendfile off; output_buffers 2 32k; directio 512k; alias ${root}/; }
    location /included/ { ssi on; ssi_types text/plain; alias ${root}/; }
    location /moved/ { rewrite ^/moved/(.*)$ /$1 permanent; }
    location /zipped/ { gzip_static on; alias ${root}/; }
    location /dav/ { dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on; dav_access user:rw; client_max_body_size 4m; }
    location /upstream/ { proxy_pass http://pool; proxy_http_version 1.1; proxy_set_header Connection ""; client_max_body_size 4m; }
    location /socket/ { proxy_pass http://127.0.0.1:${upstream}; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }
    location /cached/ { proxy_pass http://pool; proxy_cache zone; proxy_cache_valid 200 1s; }
    location /down/ { proxy_pass http://127.0.0.1:${downPort}; }
    location /php { include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME ${root}/page.php; fastcgi_pass 127.0.0.1:${php}; }
  }
}
`,
  );
  site.write("www/page.php", "<?php echo strlen(file_get_contents('php://input')), str_repeat('p', 20000);");
  site.write("www/included.txt", '<!--# include virtual="/list/one.txt" --> <!--# echo var="date_local" -->');
  const origin = `http://127.0.0.1:${port}`;
  const { random } = site;
  return webInstance({
    site,
    port,
    tlsPort,
    command: ["nginx", "-c", file, "-g", "daemon off;"],
    pidFile,
    features: [
      {
        name: "a cache of responses",
        async load() {
          const page = random.name("page");
          for (const size of [20_000, 20_000, 600_000])
            await expectStatus(200, `${origin}/cached/${page}?size=${size}`);
          await sleep(1200);
          await expectStatus(200, `${origin}/cached/${page}?size=20000`);
        },
      },
      phpFeature(site, `${origin}/php`, 30_000),
      {
        name: "WebDAV",
        async load() {
          const folder = `${origin}/dav/${random.name("folder")}/`;
          await expectStatus(201, folder, { method: "MKCOL" });
          await expectStatus(201, `${folder}a`, { method: "PUT", body: "a".repeat(100_000) });
          await expectStatus([201, 204], `${folder}a`, { method: "COPY", headers: { destination: `${folder}b` } });
          await expectStatus([201, 204], `${folder}a`, { method: "MOVE", headers: { destination: `${folder}c` } });
          await expectStatus(200, `${folder}c`);
          await expectStatus(204, folder, { method: "DELETE" });
        },
      },
      {
        name: "passwords, status, redirections, includes, limits",
        async load() {
          await expectPassword(`${origin}/private/index.html`);
          await expectStatus(200, `${origin}/status`);
          await expectStatus(301, `${origin}/moved/index.html`);
          await expectStatus(200, `${origin}/included/included.txt`);
          await expectStatus(200, `${origin}/limited/text.html`);
          await expectStatus(200, `${origin}/zipped/text.html`, { headers: { "accept-encoding": "gzip" } });
        },
      },
      {
        name: "files without sendfile, with direct input",
        async load() {
          await expectStatus(200, `${origin}/uncached/large.bin`);
          await expectStatus(200, `${origin}/uncached/text.html`);
        },
      },
      webSocketFeature(port),
      {
        name: "a Unix socket",
        load: async () => void (await http("http://localhost/index.html", { socketPath: socket })),
      },
      { name: "log rotation (USR1)", load: () => rotated(pidFile, "SIGUSR1", log, () => http(`${origin}/`)) },
      {
        name: "reload (HUP)",
        async load() {
          signal(pidFile, "SIGHUP");
          await sleep(500);
          await eventually(() => expectStatus(200, `${origin}/index.html`));
        },
      },
    ],
  });
}
