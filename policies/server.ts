import { allow, calls, deny, kill, parameter, perProcess, policy, type SocketAddress, type Verdict } from "portcullis";
import isolated from "portcullis/policies/shared/isolated.ts";
import { makesNamespace } from "portcullis/policies/shared/namespaces.ts";

// For servers that accept a connection and pass it to a child, which changes its user or starts a program: sshd, inetd.
const sessions = parameter.flag("sessions", { default: false });

// The ports on which sessions may listen: FTP's passive mode (vsftpd's pasv_min_port and pasv_max_port).
const passiveFrom = parameter.integer("passive-from", { default: 1024n, from: 1n, to: 65_535n });
const passiveTo = parameter.integer("passive-to", { default: 0n, from: 0n, to: 65_535n });

const phase = perProcess.phases(["starting", "listening", "worker", "serving"], {
  onFork: sessions ? { listening: "worker", serving: "worker" } : { listening: "worker" },
  tightening: true, // the compiler proves that no verdict becomes weaker in a later phase
});

const identity = calls("@setuid", "capset", "chroot", "fchroot");
const machine = calls(
  "@mount",
  "@module",
  "@raw-io",
  "@reboot",
  "@swap",
  "bpf",
  "perf_event_open",
  "userfaultfd",
).without("chroot", "fchroot");
const joining = calls("setns", "unshare");

/** A worker's bind. Port 0 is for connections to the client (FTP's active mode): the kernel chooses one. */
function bindInWorker(to: SocketAddress): Verdict {
  return to.kind === "ip" && (to.port === 0n || (to.port >= passiveFrom && to.port <= passiveTo))
    ? allow
    : deny("EACCES", "a worker opens no address of its own");
}

/**
 * A server that accepts connections. It starts, opens its sockets, forks its workers and drops root without restrictions. A
 * child of the listening process is a worker, which may not bind an address or begin to listen. After its first accept a
 * process and its children may not start a program, bind an address or change their user.
 *
 * For servers that accept in one process (Redis, memcached, PostgreSQL) or in workers (Apache, HAProxy, lighttpd,
 * Varnish); with `--set sessions=true` those that fork a child for each connection, which changes its user (sshd, vsftpd). A
 * serving process cannot start CGI programs or helpers. UDP has no accept, so a UDP server never enters the phase.
 *
 * sshd then cannot forward an agent, a port of its own (-R) or X11, which need a bind in the session. FTP's passive mode does
 * as well: `--set passive-from=40000 --set passive-to=40100` are the ports of vsftpd's pasv_min_port and pasv_max_port.
 * Workers may then listen on these ports, and on one that the kernel chooses.
 */
export default policy({ extends: [isolated] }, (call) => {
  if (identity.has(call))
    return phase.is("serving") ? kill("process", "a serving process changed its user or root directory") : allow;
  if (machine.has(call)) return deny("EPERM", "a server does not change the machine");
  if (joining.has(call)) return phase.is("serving") ? deny("EPERM", "a serving process enters no namespace") : allow;
  switch (call.name) {
    case "bind": // denied, not killed: getaddrinfo(3) binds a netlink socket, and continues without it
      if (!phase.is("worker", "serving")) return allow;
      return passiveFrom <= passiveTo
        ? bindInWorker(call.args.addr)
        : deny("EACCES", "a worker opens no address of its own");
    case "listen":
      // It binds a socket that has no address.
      if (phase.is("worker", "serving")) {
        return passiveFrom <= passiveTo ? allow : deny("EACCES", "a worker began to listen");
      }
      phase.enter("listening");
      return allow;
    case "accept":
    case "accept4":
      phase.enter("serving");
      return allow;
    case "execve":
    case "execveat":
      return phase.is("serving") ? kill("process", "a serving process started a program") : allow;
    case "clone":
      return phase.is("serving") && makesNamespace(call)
        ? deny("EPERM", "a serving process makes no namespace")
        : allow;
    case "clone3":
      return deny("ENOSYS", "its flags lie behind a pointer; glibc falls back to clone");
  }
  return allow;
});
