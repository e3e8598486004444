/**
 * Variables of an environment, as portcullis shows them. Their values are often secret, and what portcullis writes goes to
 * logs that more people read than the environment.
 */

/** The argument of execve and execveat that is an environment. */
export const environmentArgument = "envp";

/** An entry, or its beginning. */
export interface ShownEntry {
  readonly bytes: Uint8Array;
  /** The rest of the entry is not shown. */
  readonly isCut: boolean;
}

/** `NAME=`. Nothing of an entry that has no name. */
export function withoutValue(entry: Uint8Array): ShownEntry {
  return { bytes: entry.slice(0, entry.indexOf(equalsSign) + 1), isCut: true };
}

const equalsSign = 0x3d;

/**
 * Whether the name or the value says that it is secret. The value of `GIT_CONFIG_VALUE_0` can be a header
 * "Authorization: …", and an address can have a password: `https://user:password@host`.
 */
export function looksSecret(entry: Uint8Array): boolean {
  const text = Buffer.from(entry.buffer, entry.byteOffset, entry.length).toString("latin1");
  return secretWords.test(text) || userInformation.test(text);
}

const secretWords =
  /token|secret|pass|pwd=|auth|credential|key|cookie|session|private|signature|certificate|bearer|jwt|\bpin=|_pin=/i;
/** The beginning of an address with a user or a password (RFC 3986, 3.2.1). */
const userInformation = /:\/\/[^/\s]*@/;
