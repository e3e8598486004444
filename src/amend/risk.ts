/** What a program can do with a call, in one sentence. */
import { callByName } from "../abi/calls.ts";
import { sensitiveCalls } from "../propose/sensitive.ts";
import type { Group } from "./groups.ts";

export interface Risk {
  readonly isSensitive: boolean;
  readonly text: string;
}

const writing = new Set(["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"]);
const files = new Set(["open", "openat", "openat2", "creat"]);
const changing =
  /^(?:unlink|rename|link|symlink|mkdir|rmdir|mknod|truncate|ftruncate|chmod|fchmod|chown|fchown|lchown)/;

export function riskOf({ call, signatures, variants }: Group): Risk {
  const [signature] = signatures;
  for (const { calls, only, why } of sensitiveCalls) {
    if (!calls.includes(call)) continue;
    const index = signature?.aspects.findIndex(({ parameter }) => parameter === only?.parameter) ?? -1;
    const value = signature?.values[index];
    if (only === undefined || typeof value !== "bigint" || only.is(value))
      return { isSensitive: true, text: `sensitive: ${why}` };
  }
  if (variants.some(({ object }) => object !== undefined)) return { isSensitive: false, text: "an object more" };
  if (files.has(call)) {
    const text = variants.map((one) => one.text).join(" ");
    const writes = call === "creat" || [...writing].some((name) => text.includes(name));
    return { isSensitive: false, text: writes ? "it writes or makes files" : "it reads files that its user can read" };
  }
  if (changing.test(call)) return { isSensitive: false, text: "it changes files or their names" };
  if (call === "ioctl") return { isSensitive: false, text: "a device or a driver does what the command says" };
  if (call === "kill" || call === "tgkill" || call === "tkill")
    return { isSensitive: false, text: "it sends signals to processes of its user" };
  return {
    isSensitive: false,
    text: callByName(call) === undefined ? "unknown" : "not among the sensitive calls (docs/propose.md)",
  };
}
