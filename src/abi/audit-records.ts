/**
 * Parses records of the kernel's audit about Landlock (security/landlock/audit.c) and about system calls (audit_log_exit,
 * kernel/auditsc.c). Texts that programs choose are quoted, or in hexadecimal if they have quotation marks, spaces or
 * control characters (audit_log_untrustedstring), so no text can look like another field. A record that is not as the kernel
 * writes it is no record.
 */

/** The kernel's types (include/uapi/linux/audit.h). Programs with CAP_AUDIT_WRITE write others: 1100 to 1199, 2100 to 2999. */
export const auditTypes = { systemCall: 1300, seccomp: 1326, landlockAccess: 1423, landlockDomain: 1424 } as const;

export interface AuditStamp {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Equal for records of one system call. */
  readonly serial: string;
}

/** A denied request. */
export interface AccessRecord extends AuditStamp {
  readonly is: "access";
  /** The id of the innermost domain that denies. */
  readonly domain: string;
  /** The rights that it lacks: `fs.read_file`, `net.connect_tcp`, `scope.signal`. */
  readonly blockers: readonly string[];
  /** The object: a file, a directory, or a socket in the file system or (with a leading NUL) an abstract one. */
  readonly path: Uint8Array | undefined;
  /** The port of a request about the network; 0 if the kernel shall choose one. */
  readonly port: number | undefined;
  readonly address: string | undefined;
  /** The process to which a signal was sent, or that was to be traced. */
  readonly other: number | undefined;
}

/** Comes with the first denial of a domain. */
export interface DomainRecord extends AuditStamp {
  readonly is: "domain";
  readonly domain: string;
  /** The process that made the domain, in the first pid namespace; its program and the name of its thread. */
  readonly pid: number;
  readonly program: string;
  readonly name: string;
}

/** The end of a domain of which there was a record. */
export interface DomainEndRecord extends AuditStamp {
  readonly is: "domain-end";
  readonly domain: string;
  readonly denials: number;
}

/** A call with which others come; it is written last. */
export interface CallRecord extends AuditStamp {
  readonly is: "call";
  /** `AUDIT_ARCH_…`. */
  readonly architecture: number;
  readonly number: number;
  /** Negative: an errno. */
  readonly result: number | undefined;
  /** The first four. */
  readonly arguments: readonly bigint[];
  /** The thread group, in the first pid namespace. */
  readonly pid: number;
  readonly command: string;
}

export type AuditRecord = AccessRecord | DomainRecord | DomainEndRecord | CallRecord;

const stampText = /^audit\((\d{1,12})\.(\d{3}):(\d{1,20})\): /;

/** `text`: the message's bytes as latin1. Undefined for other types, and for a text that the kernel does not write. */
export function parseAuditRecord(type: number, text: string): AuditRecord | undefined {
  const stamp = stampText.exec(text);
  if (stamp === null) return undefined;
  const common = { time: Number(stamp[1]) * 1000 + Number(stamp[2]), serial: stamp[3]! };
  const rest = text.slice(stamp[0].length);
  if (type === auditTypes.systemCall) return parseCall(common, rest);
  const fields = fieldsOf(rest);
  if (fields === undefined) return undefined;
  if (type === auditTypes.landlockAccess) return parseAccess(common, fields);
  if (type === auditTypes.landlockDomain) return parseDomain(common, fields);
  return undefined;
}

const untrusted = '"[^"]*"|(?:[0-9A-F]{2})+';
const callText = new RegExp(
  "^arch=([0-9a-f]{1,8}) syscall=(\\d{1,10})(?: per=[0-9a-f]+)?(?: success=(?:yes|no) exit=(-?\\d{1,19}))?" +
    " a0=([0-9a-f]{1,16}) a1=([0-9a-f]{1,16}) a2=([0-9a-f]{1,16}) a3=([0-9a-f]{1,16}) items=\\d+" +
    ` ppid=\\d+ pid=(\\d{1,10})(?: [a-z]+id=\\d+)+ tty=\\S+ ses=\\d+ comm=(${untrusted}) exe=`,
);

function parseCall(stamp: AuditStamp, text: string): CallRecord | undefined {
  const match = callText.exec(text);
  if (match === null) return undefined;
  const [, architecture, number, result, a0, a1, a2, a3, pid, command] = match;
  return {
    is: "call",
    ...stamp,
    architecture: Number.parseInt(architecture!, 16),
    number: Number(number),
    result: result === undefined ? undefined : Number(result),
    arguments: [a0, a1, a2, a3].map((each) => BigInt(`0x${each}`)),
    pid: Number(pid),
    command: Buffer.from(bytesOf(command!)!).toString(),
  };
}

type Fields = ReadonlyMap<string, string>;

function parseAccess(stamp: AuditStamp, fields: Fields): AccessRecord | undefined {
  const domain = fields.get("domain");
  const blockers = fields.get("blockers");
  if (domain === undefined || blockers === undefined) return undefined;
  if (!/^[0-9a-f]{1,16}$/.test(domain) || !/^[a-z_.]+(?:,[a-z_.]+)*$/.test(blockers)) return undefined;
  const names = blockers.split(",");
  const isPort = names[0]!.startsWith("net.");
  const isBind = names[0]!.startsWith("net.bind_");
  const path = fields.get("path");
  return {
    is: "access",
    ...stamp,
    domain,
    blockers: names,
    path: path === undefined ? undefined : bytesOf(path),
    // The kernel omits a port of 0, and an address of zeros.
    port: isPort ? Number(fields.get(isBind ? "src" : "dest") ?? 0) : undefined,
    address: isPort ? fields.get(isBind ? "saddr" : "daddr") : undefined,
    other: numberOf(fields.get("opid")),
  };
}

function parseDomain(stamp: AuditStamp, fields: Fields): DomainRecord | DomainEndRecord | undefined {
  const domain = fields.get("domain");
  if (domain === undefined || !/^[0-9a-f]{1,16}$/.test(domain)) return undefined;
  if (fields.get("status") === "deallocated") {
    const denials = numberOf(fields.get("denials"));
    return denials === undefined ? undefined : { is: "domain-end", ...stamp, domain, denials };
  }
  const pid = numberOf(fields.get("pid"));
  const program = bytesOf(fields.get("exe") ?? "");
  const name = bytesOf(fields.get("comm") ?? "");
  if (fields.get("status") !== "allocated" || pid === undefined || program === undefined || name === undefined)
    return undefined;
  return { is: "domain", ...stamp, domain, pid, program: program.toString(), name: name.toString() };
}

const numberOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;

/** The fields, each once; undefined if the text is not a list of them. */
function fieldsOf(text: string): Fields | undefined {
  const field = /(?:^| )([a-z_-]+)=("[^"]*"|[^\s"=]*)(?=$| )/y;
  const fields = new Map<string, string>();
  while (field.lastIndex < text.length) {
    const match = field.exec(text);
    if (match === null || fields.has(match[1]!)) return undefined;
    fields.set(match[1]!, match[2]!);
  }
  return fields;
}

/** The bytes of a text that a program has chosen; undefined if it has neither of the kernel's two forms. */
function bytesOf(value: string): Buffer | undefined {
  if (/^"[^"]*"$/.test(value)) return Buffer.from(value.slice(1, -1), "latin1");
  return /^(?:[0-9A-F]{2})+$/.test(value) ? Buffer.from(value, "hex") : undefined;
}
