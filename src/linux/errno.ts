/** Errors by name and number (errno(3)), 1 … 133: the same on x86-64 and arm64. */
import { errnoTable } from "./generated/errno.ts";

let numbers: ReadonlyMap<string, number> | undefined;
let names: ReadonlyMap<number, string> | undefined;

function numbersByName(): ReadonlyMap<string, number> {
  numbers ??= new Map(
    errnoTable
      .trim()
      .split("\n")
      .map((line) => {
        const [name = "", number] = line.split(" ");
        return [name, Number(number)];
      }),
  );
  return numbers;
}

/** The number of this error ("EPERM", or an alias like "EWOULDBLOCK"), or undefined. */
export function errnoByName(name: string): number | undefined {
  return numbersByName().get(name);
}

/** The name to print for this number: "EAGAIN" for 11, undefined for 41 and other numbers that mean nothing. */
export function errnoName(number: number): string | undefined {
  // The table's first name for a number is the one to print, so it must be entered last.
  names ??= new Map([...numbersByName()].reverse().map(([name, value]) => [value, name]));
  return names.get(number);
}

/** All names, aliases included, in the order of their numbers. */
export function errnoNames(): string[] {
  return [...numbersByName().keys()];
}
