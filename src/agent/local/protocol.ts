/** What the front (native/launcher/agent.h) and the agent say to each other. Little-endian. */

/** `struct agent_request`: sizes, and offsets of members. `struct identity`: major, minor, inode. */
export const request = {
  magic: 0x7063_6131,
  size: 96,
  words: 4,
  variables: 8,
  stringsSize: 12,
  identities: 16,
  identitySize: 16,
  mostStrings: 1 << 16,
} as const;
/** `enum agent_message_kind`. */
export const messageKind = { accepted: 1, fallBack: 2, text: 3, end: 4 } as const;
/** `struct agent_message`, and the most bytes behind one. */
export const message = { size: 8, mostText: 4096 } as const;

/** A file, by the numbers of its device and its inode. */
export type FileIdentity = `${number}:${number} ${bigint}`;

const identified = ["mounts", "processes", "users", "root", "directory"] as const;

/** A request without its strings. */
export interface RequestHeader {
  readonly words: number;
  readonly variables: number;
  readonly stringsSize: number;
  readonly identities: Readonly<Record<(typeof identified)[number], FileIdentity>>;
}

/** Undefined if it is malformed, or of another version. */
export function parseHeader(bytes: Uint8Array): RequestHeader | undefined {
  if (bytes.length !== request.size) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (at: number) => view.getUint32(at, true);
  const stringsSize = word(request.stringsSize);
  if (word(0) !== request.magic || stringsSize > request.mostStrings) return undefined;
  const identities = Object.fromEntries(
    identified.map((name, index): [string, FileIdentity] => {
      const at = request.identities + index * request.identitySize;
      return [name, `${word(at)}:${word(at + 4)} ${view.getBigUint64(at + 8, true)}`];
    }),
  ) as RequestHeader["identities"];
  return { words: word(request.words), variables: word(request.variables), stringsSize, identities };
}

export interface RequestStrings {
  /** The path of Node's script, by the front's working directory. */
  readonly script: string;
  /** The words of portcullis, from the verb on. */
  readonly words: readonly string[];
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** Undefined if the strings do not fit the header, or are not UTF-8. */
export function parseStrings(header: RequestHeader, bytes: Uint8Array): RequestStrings | undefined {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
  const strings = text.split("\0");
  const last = strings.pop();
  if (last !== "" || header.words < 2 || strings.length !== header.words + 1 + header.variables) return undefined;
  const [script = "", ...words] = strings.slice(0, header.words);
  const environment = new Map<string, string>();
  for (const variable of strings.slice(header.words + 1)) {
    const at = variable.indexOf("=");
    if (at < 1) return undefined;
    // The first of a name counts, as getenv(3) finds it.
    const name = variable.slice(0, at);
    if (!environment.has(name)) environment.set(name, variable.slice(at + 1));
  }
  return { script, words, directory: strings[header.words]!, environment: Object.fromEntries(environment) };
}

/** A message without text. */
export function encodeMessage(kind: number, value = 0): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(message.size));
  bytes.setUint32(0, kind, true);
  bytes.setUint32(4, value, true);
  return new Uint8Array(bytes.buffer);
}

/** A message with as much of the text as one can have. */
export function encodeText(text: Uint8Array): Uint8Array {
  const part = text.subarray(0, message.mostText);
  const bytes = new Uint8Array(message.size + part.length);
  bytes.set(encodeMessage(messageKind.text, part.length));
  bytes.set(part, message.size);
  return bytes;
}
