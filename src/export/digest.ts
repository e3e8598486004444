/** The digest of a compiled policy, by which an agent recognises that it has the same one. */
import { packageVersion } from "../machine/package.ts";
import { sha256 } from "../machine/sha256.ts";

/** What `loadPolicy` tells about the text that it compiled. */
export interface PolicyText {
  /** The policy's own file first, then its imports in the order in which they were read. Their paths do not matter. */
  readonly files: readonly { readonly hash: string }[];
  /** The parameters that were set, not those with their defaults. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** `sha256:` and 64 hexadecimal digits. It depends on the text, the parameters and the version of portcullis alone. */
export function policyDigest({ files, parameters }: PolicyText, version: string = packageVersion()): string {
  const set = [...parameters].map(([name, value]) => `${name}=${value}`).sort();
  // JSON, because a value can contain a line end.
  const text = JSON.stringify([`portcullis ${version}`, files.map(({ hash }) => hash), set]);
  return `sha256:${sha256(text).toString("hex")}`;
}
