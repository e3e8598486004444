/** Errors by name and number (errno(3)), 1 … 133; the same on x86-64 and arm64. */
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

/** The number of an error ("EPERM", or an alias like "EWOULDBLOCK"); undefined for an unknown name. */
export function errnoByName(name: string): number | undefined {
  return numbersByName().get(name);
}

/** The name of a number: "EAGAIN" for 11; undefined for unassigned numbers such as 41. */
export function errnoName(number: number): string | undefined {
  // The first name of a number in the table is the one to print, so it is entered last.
  names ??= new Map([...numbersByName()].reverse().map(([name, value]) => [value, name]));
  return names.get(number);
}

/** All names, including aliases, in the order of their numbers. */
export function errnoNames(): string[] {
  return [...numbersByName().keys()];
}
