/**
 * The options of `run` that permit what a policy has refused, and no more than that where its parameters can say so. The names in
 * a refused call are the confined tree's own: a name that a list cannot hold, or that a terminal or a person could read as
 * something else, makes no option.
 */
import { utf8 } from "../abi/byte-text.ts";
import { parsePattern } from "../hosts/names.ts";
import { itemsOf, type Setting, type SettingItem } from "../ir/settings.ts";
import { compileMatcher, matching } from "../patterns/matcher.ts";
import { readPattern } from "../patterns/pattern.ts";
import type { PolicyDescription } from "./record.ts";

/** Words of a command line: `["--set", "write=/srv/data"]`. */
export type Permit = readonly string[];

type Settings = PolicyDescription["settings"];

const set = ({ name }: Setting, value: string): Permit => ["--set", `${name}=${value}`];

const find = (settings: Settings, name: string): Setting | undefined => settings?.find((one) => one.name === name);

/** One more path in a list of paths; undefined if the list has it, or cannot hold it. */
export function permitPath(settings: Settings, name: string, path: Uint8Array | string): Permit | undefined {
  const setting = find(settings, name);
  const text = typeof path === "string" ? path : utf8(path);
  if (setting?.kind !== "paths" || text === undefined || !isPlainPath(text)) return undefined;
  const items = itemsIn(setting);
  const known = items.some((item) => item === "/" || text === item || text.startsWith(`${item.replace(/\/$/, "")}/`));
  return known ? undefined : set(setting, [...items, text].join(","));
}

/** A list without these items; undefined if it has none of them, or would be empty and may not be. */
export function permitWithout(settings: Settings, refused: readonly SettingItem[]): Permit | undefined {
  const setting = refused[0] && find(settings, refused[0].setting);
  if (setting === undefined || refused.some((one) => one.setting !== setting.name)) return undefined;
  const items = itemsIn(setting);
  const left = items.filter((item) => !refused.some((one) => one.item === item));
  if (left.length === items.length || (left.length === 0 && setting.mayBeEmpty !== true)) return undefined;
  return set(setting, left.join(","));
}

/** Twice as much, or the largest value. Undefined if that is reached. */
export function permitMore(settings: Settings, name: string): Permit | undefined {
  const setting = find(settings, name);
  if (setting?.kind !== "integer") return undefined;
  const value = BigInt(setting.value);
  const twice = setting.most !== undefined && 2n * value > BigInt(setting.most) ? BigInt(setting.most) : 2n * value;
  return twice > value ? set(setting, twice.toString()) : undefined;
}

/** A host with its port, or on the ports of a name without one. */
export function permitHost(host: string, port: number | undefined): Permit | undefined {
  const name = host.includes(":") ? `[${host}]` : host;
  const entry = port === undefined ? name : `${name}:${port}`;
  const parsed = parsePattern(entry);
  return "pattern" in parsed && parsed.pattern.host === host && !parsed.pattern.below ? ["--hosts", entry] : undefined;
}

/**
 * A verdict's reason can name the parameter that permits the call: `--set network=true` is that value. With `--set NAME=…` the
 * value is the flag's other one, a larger integer, the list of patterns without those that match a text of the call, or the
 * list of paths with the call's only path. `texts`: those that the call's pointers lead to.
 */
export function permitByReason(
  { settings }: Pick<PolicyDescription, "settings">,
  reason: string | undefined,
  texts: readonly Uint8Array[],
): Permit | undefined {
  const [, name = "", value = ""] = /--set ([A-Za-z][\w-]*)=([\w.-]+|\u2026)/.exec(reason ?? "") ?? [];
  const setting = find(settings, name);
  if (setting === undefined) return undefined;
  if (value !== anyValue) return value === setting.value ? undefined : set(setting, value);
  switch (setting.kind) {
    case "flag":
      return set(setting, setting.value === "true" ? "false" : "true");
    case "integer":
      return permitMore(settings, name);
    case "texts": {
      const refused = itemsIn(setting).filter((item) => texts.some((text) => matches(item, text)));
      return permitWithout(
        settings,
        refused.map((item) => ({ setting: name, item })),
      );
    }
    case "paths":
      return texts.length === 1 ? permitPath(settings, name, texts[0]!) : undefined;
    case "path":
    case "text":
      return undefined;
  }
}

/**
 * A refusal by the name of a protected file. `"protected"`: the call names the file itself; `"guarded"`: it names a directory that
 * has one. A move of a protected file out of such a directory is refused for the directory, too.
 */
export function permitName(
  { settings, protectedNames = [] }: Pick<PolicyDescription, "settings" | "protectedNames">,
  kind: "protected" | "guarded",
  texts: readonly Uint8Array[],
): Permit | undefined {
  const named = texts.map((text) => utf8(text)?.split("/") ?? []);
  const guards = (components: readonly string[]) =>
    protectedNames.filter(({ folder, name }) => components.includes(folder ?? name));
  const crosses = named.some((one) => guards(one).length === 0);
  const refused = protectedNames.filter(({ folder, name }) =>
    named.some((components) => {
      if (folder === undefined) return components.includes(name);
      return components.includes(folder) && (kind === "guarded" || crosses || components.includes(name));
    }),
  );
  const items = refused.flatMap(({ from }) => (from === undefined ? [] : [from]));
  return items.length < refused.length ? undefined : permitWithout(settings, items);
}

const itemsIn = ({ value }: Setting): readonly string[] => (value === "" ? [] : itemsOf(value));

/** What stands for a value in a reason. */
const anyValue = "\u2026";

/** Controls, line ends, what is invisible or changes the direction, and other spaces than that of ASCII. */
const unclear = /[\p{C}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Z}/u;

/** Absolute, and the same text for a list, a shell, a terminal and a person. */
export function isPlainPath(text: string): boolean {
  const parts = text.split("/").slice(1);
  return (
    text.startsWith("/") &&
    (text === "/" || parts.every((part) => part !== "" && part !== "." && part !== "..")) &&
    !/[,{}\ufffd]/.test(text) &&
    !unclear.test(text)
  );
}

function matches(glob: string, text: Uint8Array): boolean {
  const reading = readPattern("matches", glob);
  if (!("pattern" in reading)) return false;
  const { matcher } = compileMatcher([reading.pattern]);
  return matcher !== undefined && matching(matcher, text) !== 0n;
}
