/** Which items the lists of a policy lack: what the refused calls have in a place that a list can decide about. */
import type { GivenMemory } from "../engines/simulate/given-memory.ts";
import { readSocketAddress } from "../ir/observe.ts";
import { printAddress } from "../patterns/cidr.ts";
import { utf8 } from "../propose/aspects.ts";
import type { Group } from "./groups.ts";
import type { Refusal } from "./refusal.ts";

export type Item = string | bigint;

/** A part of the calls of a group: `path`, `argv.1`, `addr.port`. */
export interface Part {
  readonly name: string;
  /** Its values, at most `mostItems`. */
  readonly items: readonly Item[];
}

/** Items that a list gets at once, and calls of a group whose lists are examined. */
const mostItems = 8;
const mostCalls = 16;
/** Arguments of an executed program that can choose what it does. */
const mostWords = 4;
const longestItem = 256;

/** The parts that all calls of the group have. */
export function partsOf({ variants, signatures, isOpen }: Group): readonly Part[] {
  if (isOpen || variants.length > mostCalls) return [];
  const each = variants.map((variant, index) => itemsIn(variant, signatures[index]));
  return [...(each[0]?.keys() ?? [])].flatMap((name): Part[] => {
    const found = each.map((items) => items.get(name));
    const items = [...new Set(found.flatMap((one) => (one === undefined ? [] : [one])))];
    return found.includes(undefined) || items.length > mostItems ? [] : [{ name, items }];
  });
}

function itemsIn({ memory }: Refusal, signature: Group["signatures"][number] | undefined): ReadonlyMap<string, Item> {
  const found = new Map<string, Item>();
  const add = (name: string, item: Item | undefined) => {
    if (item !== undefined && isPlain(item)) found.set(name, item);
  };
  for (const [name, given] of memory) {
    if (given.is === "text") {
      if (!given.isCut) add(name, utf8(given.bytes));
      add(`${name}.resolved`, given.resolved);
    } else if (given.is === "strings") {
      for (const [index, { bytes, isCut }] of given.entries.slice(0, mostWords).entries())
        if (name === "argv" && !isCut) add(`${name}.${index}`, utf8(bytes));
    } else if (given.is === "address") {
      const { kind, port, address, name: bytes } = readSocketAddress(given.bytes);
      if (kind === "ip") {
        const whole = (address.high << 64n) | address.low;
        add(`${name}.address`, printAddress(whole, whole >> 32n === 0xffffn));
        add(`${name}.port`, port);
      } else if (kind === "unix" || kind === "abstract") add(`${name}.name`, utf8(bytes));
    }
  }
  for (const [index, { is, parameter }] of signature?.aspects.entries() ?? []) {
    const value = signature?.values[index];
    if (is === "integer" && typeof value === "bigint") add(parameter, value);
  }
  return found;
}

/** Neither a pattern, nor several items of `--set`, nor text that a terminal or a reader could take for another. */
function isPlain(item: Item): boolean {
  if (typeof item === "bigint") return item >= 0n;
  return item !== "" && item.length <= longestItem && !/[*?[\]{}\\,]|[^\x20-\x7e]/.test(item);
}

/**
 * Calls that a list with this item permits as well if it compares beginnings, and directories with all below. Undefined for an
 * item that is no text.
 */
export function furtherCalls(
  refusal: Refusal,
  { name }: Part,
  item: Item,
): Readonly<Record<"longer" | "below", Refusal>> | undefined {
  const [argument = "", part] = name.split(".");
  const given = refusal.memory.get(argument);
  if (given === undefined || typeof item === "bigint") return undefined;
  const withText = (suffix: string): Refusal | undefined => {
    const memory = longer(given, part, `${item}${suffix}`, suffix);
    return memory && { ...refusal, memory: new Map([...refusal.memory, [argument, memory]]) };
  };
  const [one, two] = [withText("x"), withText("/x")];
  return one === undefined || two === undefined ? undefined : { longer: one, below: two };
}

function longer(given: GivenMemory, part: string | undefined, text: string, suffix: string): GivenMemory | undefined {
  const bytes = Buffer.from(text);
  switch (given.is) {
    case "text":
      return {
        ...{ ...given, bytes },
        ...(given.resolved === undefined ? {} : { resolved: `${given.resolved}${suffix}` }),
      };
    case "strings":
      return {
        ...given,
        entries: given.entries.map((entry, at) => (String(at) === part ? { bytes, isCut: false } : entry)),
      };
    case "address": {
      if (part !== "name") return undefined;
      // The family, and the NUL of an abstract name.
      const before = given.bytes.subarray(0, given.bytes[2] === 0 ? 3 : 2);
      return { ...given, bytes: Buffer.concat([before, bytes]) };
    }
    default:
      return undefined;
  }
}

const addressPattern = /^(?=.*\d|::)[\d.:a-fA-F]+(?:\/\d+)?$/;

/** The items of the part that the list lacks; undefined if it has all of them, or is of things of another kind. */
export function lackingItems(list: readonly Item[], { name, items }: Part): readonly Item[] | undefined {
  if (!items.every((item) => isLike(list, item, name.endsWith(".address")))) return undefined;
  const lacking = items.filter((item) => !list.includes(item));
  return lacking.length === 0 ? undefined : lacking;
}

function isLike(list: readonly Item[], item: Item, isAddress: boolean): boolean {
  const texts = list.filter((one) => typeof one === "string");
  if (typeof item === "bigint") return list.length > 0 && texts.length === 0;
  if (texts.length < list.length) return false;
  if (list.length === 0) return true;
  if (isAddress || texts.every((one) => addressPattern.test(one)))
    return isAddress && texts.every((one) => addressPattern.test(one));
  return item.startsWith("/") === texts.some((one) => one.startsWith("/"));
}
