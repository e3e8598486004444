/** Messages of SOCKS 5 (RFC 1928), from bytes that a hostile program chooses. */

export const version = 5;
/** What a message's bytes say: undefined if they are too few yet. `size`: the message's length. */
type Parsed<T> = (T & { readonly size: number }) | "malformed" | undefined;

/** The methods of authentication that the client offers. */
export function parseGreeting(bytes: Uint8Array): Parsed<{ readonly methods: Uint8Array }> {
  if (bytes.length > 0 && bytes[0] !== version) return "malformed";
  const size = 2 + (bytes[1] ?? 0);
  if (bytes.length < 2 || bytes.length < size) return undefined;
  return size === 2 ? "malformed" : { methods: bytes.subarray(2, size), size };
}

export interface SocksRequest {
  /** 1: connect. */
  readonly command: number;
  /** The name that the client wrote, or an address. */
  readonly host: string;
  readonly port: number;
}

const addressKinds = { ipv4: 1, name: 3, ipv6: 4 } as const;

export function parseRequest(bytes: Uint8Array): Parsed<SocksRequest> {
  if (bytes.length > 0 && bytes[0] !== version) return "malformed";
  if (bytes.length < 5) return undefined;
  const kind = bytes[3];
  const start = kind === addressKinds.name ? 5 : 4;
  const length = kind === addressKinds.ipv4 ? 4 : kind === addressKinds.ipv6 ? 16 : bytes[4]!;
  if (bytes[2] !== 0) return "malformed";
  if (kind !== addressKinds.ipv4 && kind !== addressKinds.name && kind !== addressKinds.ipv6) return "malformed";
  const size = start + length + 2;
  if (bytes.length < size) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const part = bytes.subarray(start, start + length);
  return { command: bytes[1]!, host: hostOf(kind, part), port: view.getUint16(start + length), size };
}

function hostOf(kind: number, part: Uint8Array): string {
  if (kind === addressKinds.ipv4) return part.join(".");
  // Latin-1: a byte that is not ASCII becomes a character that no name has.
  if (kind === addressKinds.name) return Buffer.from(part).toString("latin1");
  const words = Array.from({ length: 8 }, (_, index) => ((part[2 * index]! << 8) | part[2 * index + 1]!).toString(16));
  return words.join(":");
}

export const replies = {
  succeeded: 0,
  failed: 1,
  notAllowed: 2,
  unreachable: 4,
  noCommand: 7,
} as const;

export const chosenMethod = Uint8Array.of(version, 0);
export const noMethod = Uint8Array.of(version, 0xff);

/** With an address of zeros: the server's own is of no use to the client. */
export function reply(code: (typeof replies)[keyof typeof replies]): Uint8Array {
  return Uint8Array.of(version, code, 0, addressKinds.ipv4, 0, 0, 0, 0, 0, 0);
}
