/**
 * The protocol between a service and systemd: readiness and the store of descriptors (sd_notify(3)), and descriptors that
 * systemd hands over (sd_listen_fds(3)).
 */
import { callNumber } from "../abi/call-numbers.ts";
import {
  close,
  closeOnExecFlag,
  pollBits,
  pollFor,
  sendWithDescriptors,
  setDescriptorFlags,
  socketPair,
} from "../machine/descriptors.ts";
import { native } from "../machine/native.ts";

type Environment = Record<string, string | undefined>;

const unix = 1; // AF_UNIX
const datagram = 2; // SOCK_DGRAM
const flags = { closeOnExec: 0o2000000, doNotWait: 0x40, noSignal: 0x4000 } as const;
const sendingLimit = { level: 1, option: 21 } as const; // SOL_SOCKET, SO_SNDTIMEO
const firstListening = 3; // SD_LISTEN_FDS_START
/** Seconds until the manager must have read what precedes a message. */
const patience = 5;

/** Tells systemd, or another manager that has set $NOTIFY_SOCKET. */
export class ServiceManager {
  /** The descriptors that it stores for the next process of this service at most (FileDescriptorStoreMax=). */
  readonly room: number;
  readonly #address: Uint8Array | undefined;

  constructor({ NOTIFY_SOCKET, FDSTORE }: Environment) {
    this.#address = addressOf(NOTIFY_SOCKET ?? "");
    this.room = this.#address !== undefined && /^\d{1,9}$/.test(FDSTORE ?? "") ? Number(FDSTORE) : 0;
  }

  /** `READY=1`, `STATUS=…`, one assignment a line. What the manager does not receive is lost. */
  tell(...assignments: readonly string[]): void {
    this.#send(assignments, [], { waits: false });
  }

  /** Stores a descriptor under a name of letters, digits and `-`. False if the manager does not read. */
  store(name: string, descriptor: number): boolean {
    // Without FDPOLL=0 systemd drops a listener whose last task ends, and another one could then get its name.
    return this.#send(["FDSTORE=1", `FDNAME=${name}`, "FDPOLL=0"], [descriptor], { waits: true });
  }

  /** Closes the manager's descriptors of this name. */
  remove(name: string): boolean {
    return this.#send(["FDSTOREREMOVE=1", `FDNAME=${name}`], [], { waits: true });
  }

  /** Waits until the manager has heeded all messages: afterwards this process can end. False if it does not within some seconds. */
  synchronize(): boolean {
    const [own, other] = socketPair();
    const isSent = this.#send(["BARRIER=1"], [other], { waits: true });
    close(other);
    const isHeeded = isSent && (pollFor([own], 1000 * patience)[0]! & pollBits.hangUp) !== 0;
    close(own);
    return isHeeded;
  }

  #send(assignments: readonly string[], descriptors: readonly number[], { waits }: { waits: boolean }): boolean {
    if (this.#address === undefined) return false;
    const { syscall } = native();
    const socket = syscall(callNumber("socket"), unix, datagram | flags.closeOnExec, 0);
    if (socket < 0) return false;
    const limit = BigInt64Array.of(BigInt(patience), 0n);
    syscall(callNumber("setsockopt"), socket, sendingLimit.level, sendingLimit.option, limit, limit.byteLength);
    const bytes = Buffer.from(assignments.map((one) => one.replaceAll("\n", " ")).join("\n"));
    const result = sendWithDescriptors(socket, bytes, descriptors, {
      address: this.#address,
      flags: flags.noSignal | (waits ? 0 : flags.doNotWait),
    });
    close(socket);
    return result === bytes.length;
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

export interface GivenDescriptors {
  /** Listening sockets that systemd has opened for this process, by their paths. */
  readonly sockets: ReadonlyMap<string, number>;
  /** All others, with their names. */
  readonly stored: readonly { readonly name: string; readonly descriptor: number }[];
}

/** Removes the variables. */
export function givenDescriptors(environment: Environment): GivenDescriptors {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = "" } = environment;
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete environment[name];
  const sockets = new Map<string, number>();
  const stored: { name: string; descriptor: number }[] = [];
  const isOurs = LISTEN_PID === String(process.pid) && /^\d{1,7}$/.test(LISTEN_FDS ?? "");
  const names = LISTEN_FDNAMES.split(":");
  for (let index = 0; isOurs && index < Number(LISTEN_FDS); index++) {
    const descriptor = firstListening + index;
    // There are fewer than the variable says.
    if (native().syscall(callNumber("fcntl"), descriptor, setDescriptorFlags, closeOnExecFlag) < 0) break;
    const path = pathOf(descriptor);
    if (path === undefined) stored.push({ name: names[index] ?? "", descriptor });
    else sockets.set(path, descriptor);
  }
  return { sockets, stored };
}

/** The path that a Unix socket is bound to. */
function pathOf(socket: number): string | undefined {
  const address = Buffer.alloc(110);
  const length = new Uint32Array([address.length]);
  if (native().syscall(callNumber("getsockname"), socket, address, length) !== 0) return undefined;
  if (address.readUInt16LE(0) !== unix || length[0]! < 4 || address[2] === 0) return undefined;
  return address.subarray(2, length[0]!).toString("utf8").replace(/\0.*$/s, "");
}
