/** Servers of the benchmark of proposals with which no rule of `propose` was made (Debian 13). */
import type { Place, Request, ServerProgram } from "./program.ts";
import { ask, atOnce, certificate, get, signal, silent, site, wsgiApplication } from "./requests.ts";

const zone = `$TTL 60
@ IN SOA ns.example. root.example. 1 60 60 60 60
@ IN NS ns.example.
ns IN A 127.0.0.1
www IN A 10.1.2.3
www IN AAAA fd00::1
`;

const transferred = (place: Place): Request => ask(place, "example AXFR +tcp", /10\.1\.2\.3/);

/** What a name server answers. */
const names = (place: Place): readonly Request[] => [
  ask(place, "www.example +short", /10\.1\.2\.3/),
  ask(place, "no.example", /NXDOMAIN/),
];
const otherNames = (place: Place): readonly Request[] => [
  ask(place, "www.example AAAA +short", /fd00::1/),
  ask(place, "www.example +tcp +short", /10\.1\.2\.3/),
  ask(place, "www.example +bufsize=512 +short", /10\.1\.2\.3/),
  silent(place),
  signal(place, "HUP", 1),
  ask(place, "www.example +short", /10\.1\.2\.3/),
];

const lines = ({ port }: Place, text: string, answer: RegExp, seconds = 1): Request => [
  `(printf '${text}'; sleep ${seconds}) | nc -w 5 127.0.0.1 ${port}`,
  answer,
];

const directory = ({ port }: Place, words: string, answer: RegExp): Request => [
  `${words.replace(" ", ` -x -H ldap://127.0.0.1:${port} `)} 2>&1`,
  answer,
];
const administrator = "-D cn=admin,dc=example -w secret";

const share = ({ port, folder }: Place, command: string, answer: RegExp): Request => [
  `smbclient -s ${folder}/smb.conf -N -p ${port} //127.0.0.1/files -c '${command}' 2>&1`,
  answer,
];

const imap = ({ port }: Place, path: string, answer: RegExp, options = ""): Request => [
  `curl -gsS -m 10 -u user:secret ${options} 'imap://127.0.0.1:${port}/${path}' 2>&1`,
  answer,
];

const stream =
  '<stream:stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams" to="localhost" version="1.0">';

const untried: readonly Omit<ServerProgram, "kind">[] = [
  {
    name: "named",
    package: "bind9",
    files: ({ port, folder }) => ({
      "d/example.zone": zone,
      "named.conf": `options { directory "${folder}/d"; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };
  pid-file "${folder}/pid"; session-keyfile "${folder}/d/session.key"; recursion no; dnssec-validation no;
  allow-transfer { 127.0.0.1; }; };
controls { };
zone "example" { type primary; file "example.zone"; };
`,
    }),
    prepare: ({ folder }) => `chown -R bind ${folder}`,
    command: ({ folder }) => ["named", "-f", "-u", "bind", "-c", `${folder}/named.conf`],
    ready: (place) => ask(place, "www.example +short", /10\.1\.2\.3/),
    recorded: (place) => [...names(place), signal(place, "HUP", 1)],
    later: (place) => [...otherNames(place), transferred(place)],
  },
  {
    name: "nsd",
    package: "nsd",
    files: ({ port, folder }) => ({
      "example.zone": zone,
      "nsd.conf": `server:
  ip-address: 127.0.0.1@${port}
  username: nsd
  chroot: ""
  zonesdir: "${folder}"
  pidfile: "${folder}/pid"
  logfile: "${folder}/log"
  xfrdfile: "${folder}/xfrd.state"
  zonelistfile: "${folder}/zone.list"
  xfrdir: "${folder}"
  server-count: 2
remote-control:
  control-enable: no
zone:
  name: example
  zonefile: example.zone
  provide-xfr: 127.0.0.1 NOKEY
`,
    }),
    prepare: ({ folder }) => `chown -R nsd ${folder}`,
    command: ({ folder }) => ["nsd", "-d", "-c", `${folder}/nsd.conf`],
    ready: (place) => ask(place, "www.example +short", /10\.1\.2\.3/),
    recorded: (place) => [...names(place), signal(place, "HUP", 1)],
    later: (place) => [...otherNames(place), transferred(place)],
  },
  {
    name: "knotd",
    package: "knot",
    files: ({ port, folder }) => ({
      "example.zone": zone,
      "knot.conf": `server:
  rundir: ${folder}
  user: knot:knot
  listen: 127.0.0.1@${port}
  pidfile: ${folder}/pid
database:
  storage: ${folder}/db
log:
  - target: ${folder}/log
    any: info
acl:
  - id: local
    address: 127.0.0.1
    action: transfer
zone:
  - domain: example
    storage: ${folder}
    file: example.zone
    acl: local
`,
    }),
    prepare: ({ folder }) => `mkdir db; chown -R knot ${folder}`,
    command: ({ folder }) => ["knotd", "-c", `${folder}/knot.conf`],
    ready: (place) => ask(place, "www.example +short", /10\.1\.2\.3/),
    recorded: (place) => [...names(place), signal(place, "HUP", 1)],
    later: (place) => [...otherNames(place), transferred(place)],
  },
  {
    name: "pdns_server",
    package: "pdns-backend-bind",
    files: ({ folder }) => ({
      "example.zone": zone,
      "named.conf": `zone "example" { type master; file "${folder}/example.zone"; };\n`,
    }),
    prepare: ({ folder }) => `chown -R pdns ${folder}`,
    command: ({ port, folder }) => [
      ...["pdns_server", "--daemon=no", "--guardian=no", `--config-dir=${folder}`, "--launch=bind", "--setuid=pdns"],
      ...[`--bind-config=${folder}/named.conf`, "--local-address=127.0.0.1", `--local-port=${port}`],
      ...[`--socket-dir=${folder}`, "--disable-axfr=no", "--allow-axfr-ips=127.0.0.1", "--write-pid=no"],
    ],
    ready: (place) => ask(place, "www.example +short", /10\.1\.2\.3/),
    recorded: names,
    later: (place) => [...otherNames(place).filter(([command]) => !command.startsWith("kill")), transferred(place)],
  },
  {
    name: "dovecot",
    package: "dovecot-imapd",
    files: ({ port, folder }) => ({
      "dovecot.conf": `dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = ${folder}/mail/%{user}
first_valid_uid = 1
passdb static {
  password = secret
}
userdb static {
  fields {
    uid = mail
    gid = mail
    home = ${folder}/mail/%{user}
  }
}
service imap-login {
  inet_listener imap {
    port = ${port}
  }
}
`,
    }),
    prepare: () => "mkdir mail; chown mail:mail mail",
    command: ({ folder }) => ["dovecot", "-F", "-c", `${folder}/dovecot.conf`],
    ready: (place) => imap(place, "", /INBOX/),
    recorded: (place) => [
      imap(place, "", /INBOX/),
      [
        `printf 'Subject: one\\r\\n\\r\\nhello\\r\\n' >m; curl -sS -m 10 -u user:secret -T m imap://127.0.0.1:${place.port}/INBOX; echo stored`,
        /stored/,
      ],
      imap(place, "INBOX/;MAILINDEX=1", /hello/),
    ],
    later: (place) => [
      imap(place, "", /created/, "-X 'CREATE other' -w created"),
      imap(place, "INBOX?ALL", /SEARCH/),
      [`seq 20000 >m; curl -sS -m 10 -u user:secret -T m imap://127.0.0.1:${place.port}/INBOX; echo stored`, /stored/],
      imap(place, "INBOX/;MAILINDEX=1", /1000/),
      imap(place, "INBOX", /./, "-X 'STORE 1 +FLAGS (\\Deleted)'"),
      [`curl -sS -m 10 -u user:wrong imap://127.0.0.1:${place.port}/ 2>&1`, /denied|Login/i],
      silent(place),
      imap(place, "", /INBOX/),
    ],
  },
  {
    name: "slapd",
    package: "slapd",
    files: ({ folder }) => ({
      "slapd.conf": `include /etc/ldap/schema/core.schema
pidfile ${folder}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix dc=example
rootdn cn=admin,dc=example
rootpw secret
directory ${folder}/db
index objectClass eq
`,
      "base.ldif": "dn: dc=example\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: hello\n",
      "unit.ldif": "dn: ou=people,dc=example\nobjectClass: organizationalUnit\nou: people\n",
      "change.ldif": "dn: dc=example\nchangetype: modify\nreplace: o\no: other\n",
    }),
    prepare: ({ folder }) => `mkdir db; chown -R openldap ${folder}`,
    command: ({ port, folder }) => [
      ...["slapd", "-d", "0", "-h", `ldap://127.0.0.1:${port}`, "-u", "openldap", "-f", `${folder}/slapd.conf`],
    ],
    ready: (place) => directory(place, "ldapsearch -b '' -s base", /objectClass/),
    recorded: (place) => [
      directory(place, `ldapadd ${administrator} -c -f ${place.folder}/base.ldif`, /adding/),
      directory(place, "ldapsearch -b dc=example", /hello/),
    ],
    later: (place) => [
      directory(place, `ldapadd ${administrator} -f ${place.folder}/base.ldif`, /adding/),
      directory(place, `ldapadd ${administrator} -f ${place.folder}/unit.ldif`, /adding/),
      directory(place, `ldapmodify ${administrator} -f ${place.folder}/change.ldif`, /modifying/),
      directory(place, "ldapsearch -b dc=example '(ou=p*)'", /people/),
      directory(place, `ldapdelete ${administrator} ou=people,dc=example; echo deleted`, /deleted/),
      directory(place, "ldapsearch -D cn=admin,dc=example -w wrong -b dc=example", /Invalid credentials/),
      silent(place),
      directory(place, "ldapsearch -b dc=example", /other/),
    ],
  },
  {
    name: "uwsgi",
    package: "uwsgi-plugin-python3",
    files: () => wsgiApplication,
    command: ({ port, folder }) => [
      ...["uwsgi", "--plugin", "python3", "--http-socket", `127.0.0.1:${port}`, "--master", "--processes", "2"],
      ...[
        "--uid",
        "www-data",
        "--wsgi-file",
        `${folder}/app.py`,
        "--callable",
        "app",
        "--pidfile",
        `${folder}/pid`,
        "--die-on-term",
      ],
      ...["--logto", `${folder}/log`],
    ],
    ready: (place) => get(place, "/", /hello/),
    recorded: (place) => [get(place, "/", /hello/), signal(place, "HUP", 2)],
    later: (place) => [
      atOnce(place, "/large", 20),
      silent(place),
      signal(place, "HUP", 2),
      get(place, "/", /hello/),
      signal(place, "USR1", 0.5),
      get(place, "/", /hello/),
    ],
  },
  {
    name: "caddy",
    package: "caddy",
    files: () => site,
    command: ({ port, folder }) => [
      ...["caddy", "file-server", "--browse", "--root", `${folder}/www`, "--listen", `127.0.0.1:${port}`],
    ],
    ready: (place) => get(place, "/", /hello/),
    recorded: (place) => [get(place, "/", /hello/), get(place, "/missing", /^$/), get(place, "/list/", /\ba\b/)],
    later: (place) => [
      atOnce(place, "/large", 20),
      get(place, "/list/", /\ba\b/),
      get(place, "/", /hello/, "--http1.0"),
      silent(place),
      get(place, "/list/a", /^a$/m),
    ],
  },
  {
    name: "ngircd",
    package: "ngircd",
    files: ({ port, folder }) => ({
      "ngircd.conf": `[Global]
Name = irc.example.net
Info = test
Listen = 127.0.0.1
Ports = ${port}
PidFile = ${folder}/pid
ServerUID = irc
ServerGID = irc
[Options]
DNS = no
Ident = no
PAM = no
`,
    }),
    command: ({ folder }) => ["ngircd", "-n", "-f", `${folder}/ngircd.conf`],
    ready: (place) => lines(place, "NICK ready\\r\\nUSER a 0 * :a\\r\\nQUIT\\r\\n", /001 ready/),
    recorded: (place) => [
      lines(place, "NICK one\\r\\nUSER a 0 * :a\\r\\nJOIN #c\\r\\nPRIVMSG #c :hello\\r\\nQUIT\\r\\n", /JOIN :?#c/),
      signal(place, "HUP", 1),
    ],
    later: (place) => [
      lines(place, "NICK two\\r\\nUSER a 0 * :a\\r\\nJOIN #d\\r\\nTOPIC #d :t\\r\\nLIST\\r\\nQUIT\\r\\n", /TOPIC #d/),
      lines(place, "NICK three\\r\\nUSER a 0 * :a\\r\\nNONSENSE\\r\\nQUIT\\r\\n", /421/),
      silent(place),
      signal(place, "HUP", 1),
      lines(place, "NICK four\\r\\nUSER a 0 * :a\\r\\nMOTD\\r\\nQUIT\\r\\n", /001 four/),
    ],
  },
  {
    name: "beanstalkd",
    package: "beanstalkd",
    prepare: () => "mkdir log; chown beanstalkd log",
    command: ({ port, folder }) => [
      ...["beanstalkd", "-l", "127.0.0.1", "-p", `${port}`, "-b", `${folder}/log`, "-u", "beanstalkd"],
    ],
    ready: (place) => lines(place, "stats\\r\\nquit\\r\\n", /OK/, 0),
    recorded: (place) => [lines(place, "put 0 0 60 5\\r\\nhello\\r\\nreserve\\r\\nquit\\r\\n", /RESERVED/, 0)],
    later: (place) => [
      lines(place, "use t\\r\\nput 0 1 60 5\\r\\nhello\\r\\nwatch t\\r\\nreserve\\r\\ndelete 1\\r\\n", /RESERVED/, 2),
      lines(place, "nonsense\\r\\nquit\\r\\n", /UNKNOWN_COMMAND/, 0),
      silent(place),
      lines(place, "put 0 0 60 5\\r\\nhello\\r\\npeek-ready\\r\\nquit\\r\\n", /INSERTED/, 0),
    ],
  },
  {
    name: "smbd",
    package: "samba",
    files: ({ port, folder }) => ({
      "smb.conf": `[global]
  smb ports = ${port}
  interfaces = lo
  bind interfaces only = yes
  map to guest = Bad User
  guest account = nobody
  log file = ${folder}/log
  disable netbios = yes
  load printers = no
  printcap name = /dev/null
  pid directory = ${folder}/s
  lock directory = ${folder}/s
  state directory = ${folder}/s
  cache directory = ${folder}/s
  private dir = ${folder}/s
  ncalrpc dir = ${folder}/s/rpc
[files]
  path = ${folder}/files
  guest ok = yes
  read only = no
`,
      "files/small": "hello\n",
      large: "x".repeat(300_000),
    }),
    prepare: () => "mkdir s; chmod 755 s; chmod 777 files",
    command: ({ folder }) => ["smbd", "-F", "--no-process-group", "-s", `${folder}/smb.conf`],
    ready: (place) => share(place, "ls", /small/),
    recorded: (place) => [
      share(place, "ls", /small/),
      share(place, "get small -", /hello/),
      share(place, `put ${place.folder}/smb.conf conf; rm conf`, /putting/),
    ],
    later: (place) => [
      share(place, `put ${place.folder}/large large; get large ${place.folder}/copy`, /getting/),
      share(place, "mkdir d; cd d; ls; cd ..; rename large d/large; ls d/*", /large/),
      share(place, "rm d/large; rmdir d; ls", /small/),
      share(place, "get absent", /NOT_FOUND/),
      silent(place),
      share(place, "get small -", /hello/),
    ],
  },
  {
    name: "stunnel",
    package: "stunnel4",
    files: ({ other, origin, folder }) => ({
      "stunnel.conf": `foreground = yes
pid = ${folder}/pid
output = ${folder}/log
setuid = stunnel4
[web]
accept = 127.0.0.1:${other}
connect = 127.0.0.1:${origin}
cert = ${folder}/both.pem
`,
    }),
    prepare: ({ folder }) => `${certificate}; chmod 644 both.pem; chown stunnel4 ${folder}`,
    command: ({ folder }) => ["stunnel", `${folder}/stunnel.conf`],
    ready: ({ other }) => [`curl -sSk -m 10 https://127.0.0.1:${other}/`, /hello/],
    recorded: (place) => [[`curl -sSk -m 10 https://127.0.0.1:${place.other}/`, /hello/], signal(place, "HUP", 1)],
    later: (place) => [
      [`curl -sSk -m 10 https://127.0.0.1:${place.other}/large | wc -c`, /300000/],
      silent({ ...place, port: place.other }),
      signal(place, "USR1", 0.5),
      signal(place, "HUP", 1),
      [`seq 20 | xargs -P 20 -I{} curl -sSk -m 10 https://127.0.0.1:${place.other}/ | grep -c hello`, /^20$/m],
    ],
  },
  {
    name: "radicale",
    package: "radicale",
    files: ({ port, folder }) => ({
      "radicale.conf": `[server]\nhosts = 127.0.0.1:${port}\n[auth]\ntype = none\n[storage]\nfilesystem_folder = ${folder}/collections\n`,
      "a.ics":
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:a\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260101T000000Z\r\nSUMMARY:hello\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    }),
    command: ({ folder }) => ["radicale", "-C", `${folder}/radicale.conf`],
    ready: (place) => get(place, "/.web/", /html/i, "-L"),
    recorded: (place) => [
      get(place, "/me/c/", /^|exists/, "-u me:x -X MKCALENDAR"),
      get(place, "/me/c/a.ics", /20[14]/, `-u me:x -T ${place.folder}/a.ics -w '%{http_code}'`),
      get(place, "/me/c/a.ics", /hello/, "-u me:x"),
    ],
    later: (place) => [
      get(place, "/me/d/", /201/, "-u me:x -X MKCALENDAR -w '%{http_code}'"),
      get(place, "/me/d/a.ics", /201/, `-u me:x -T ${place.folder}/a.ics -w '%{http_code}'`),
      get(place, "/me/d/", /hello/, "-u me:x"),
      get(place, "/me/d/a.ics", /200/, "-u me:x -X DELETE -w '%{http_code}'"),
      get(place, "/me/", /207/, "-u me:x -X PROPFIND -w '%{http_code}'"),
      silent(place),
      get(place, "/.web/", /html/i, "-L"),
    ],
  },
  {
    name: "prosody",
    package: "prosody",
    files: ({ port, folder }) => ({
      "prosody.cfg.lua": `pidfile = "${folder}/pid"
data_path = "${folder}/data"
log = "${folder}/log"
daemonize = false
c2s_ports = { ${port} }
c2s_interfaces = { "127.0.0.1" }
s2s_ports = {}
modules_disabled = { "s2s" }
VirtualHost "localhost"
`,
    }),
    prepare: ({ folder }) => `mkdir data; chown -R prosody ${folder}`,
    command: ({ folder }) => [
      ...["setpriv", "--reuid", "prosody", "--regid", "prosody", "--clear-groups"],
      ...["prosody", "-F", "--config", `${folder}/prosody.cfg.lua`],
    ],
    ready: (place) => lines(place, stream, /jabber:client/),
    recorded: (place) => [lines(place, stream, /jabber:client/), signal(place, "HUP", 1)],
    later: (place) => [
      lines(place, `${stream}<nonsense/></stream:stream>`, /stream:/),
      lines(place, "<nonsense/>", /not-well-formed|error/),
      silent(place),
      signal(place, "HUP", 1),
      lines(place, stream, /jabber:client/),
    ],
  },
];

export const untriedServers: readonly ServerProgram[] = untried.map((server) => ({ kind: "server", ...server }));
