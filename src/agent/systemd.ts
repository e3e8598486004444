/** The protocol between a service and systemd: readiness (sd_notify(3)), and sockets that systemd has opened (sd_listen_fds(3)). */
import { callNumber } from "../linux/call-numbers.ts";
import { close, closeOnExecFlag, setDescriptorFlags } from "../linux/descriptors.ts";
import { native } from "../linux/native.ts";

type Environment = Record<string, string | undefined>;

const unix = 1; // AF_UNIX
const datagram = 2; // SOCK_DGRAM
const flags = { closeOnExec: 0o2000000, doNotWait: 0x40, noSignal: 0x4000 } as const;
const firstListening = 3; // SD_LISTEN_FDS_START
const mostListening = 64;

/** Tells systemd, or another manager that has set $NOTIFY_SOCKET. */
export class ServiceManager {
  readonly #address: Uint8Array | undefined;

  constructor({ NOTIFY_SOCKET }: Environment) {
    this.#address = addressOf(NOTIFY_SOCKET ?? "");
  }

  /** `READY=1`, `STATUS=…`, one assignment a line. What the manager does not receive is lost. */
  tell(...assignments: readonly string[]): void {
    if (this.#address === undefined) return;
    const { syscall } = native();
    const socket = syscall(callNumber("socket"), unix, datagram | flags.closeOnExec, 0);
    if (socket < 0) return;
    const bytes = Buffer.from(assignments.map((one) => one.replaceAll("\n", " ")).join("\n"));
    const { doNotWait, noSignal } = flags;
    syscall(
      callNumber("sendto"),
      socket,
      bytes,
      bytes.length,
      doNotWait | noSignal,
      this.#address,
      this.#address.length,
    );
    close(socket);
  }
}

/** `struct sockaddr_un`; a name that begins with @ is abstract. Undefined if it is no name of a socket. */
function addressOf(name: string): Uint8Array | undefined {
  const path = Buffer.from(name);
  const isAbstract = name.startsWith("@");
  if (path.length < 2 || path.length > 107 || !(isAbstract || name.startsWith("/"))) return undefined;
  const address = Buffer.alloc(2 + path.length + (isAbstract ? 0 : 1));
  address.writeUInt16LE(unix, 0);
  path.copy(address, 2);
  if (isAbstract) address[2] = 0;
  return address;
}

/** The listening sockets that systemd has opened for this process, by their paths. Removes the variables. */
export function givenSockets(environment: Environment): ReadonlyMap<string, number> {
  const { LISTEN_PID, LISTEN_FDS } = environment;
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete environment[name];
  if (LISTEN_PID !== String(process.pid) || !/^\d{1,2}$/.test(LISTEN_FDS ?? "")) return new Map();
  const count = Math.min(Number(LISTEN_FDS), mostListening);
  const found = new Map<string, number>();
  for (let socket = firstListening; socket < firstListening + count; socket++) {
    native().syscall(callNumber("fcntl"), socket, setDescriptorFlags, closeOnExecFlag);
    const path = pathOf(socket);
    if (path !== undefined) found.set(path, socket);
  }
  return found;
}

/** The path that a Unix socket is bound to. */
function pathOf(socket: number): string | undefined {
  const address = Buffer.alloc(110);
  const length = new Uint32Array([address.length]);
  if (native().syscall(callNumber("getsockname"), socket, address, length) !== 0) return undefined;
  if (address.readUInt16LE(0) !== unix || length[0]! < 4 || address[2] === 0) return undefined;
  return address.subarray(2, length[0]!).toString("utf8").replace(/\0.*$/s, "");
}
