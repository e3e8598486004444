/** Which other users' commands root's agent serves, and how much of it each of them may use. */
import { spawnSync } from "node:child_process";

/** By their numbers, because the kernel names a client so. */
export interface PermittedUsers {
  readonly users: ReadonlySet<number>;
  readonly groups: ReadonlySet<number>;
}

/** The list names an unknown user or group. The sentence has no full stop. */
export class UsersError extends Error {
  override readonly name = "UsersError";
}

const highest = 2 ** 32 - 2;

/** `USER|UID|@GROUP|@GID,…`. Names are looked up once, as the C library does. @throws UsersError */
export function permittedUsers(
  lists: readonly string[],
  lookUp: (database: "passwd" | "group", name: string) => number | undefined = ask,
): PermittedUsers {
  const permitted = { users: new Set<number>(), groups: new Set<number>() };
  for (const entry of lists.flatMap((list) => list.split(",")).map((one) => one.trim())) {
    const isGroup = entry.startsWith("@");
    const name = isGroup ? entry.slice(1) : entry;
    const what = isGroup ? "group" : "user";
    const number = /^\d{1,10}$/.test(name) ? Number(name) : name && lookUp(isGroup ? "group" : "passwd", name);
    if (number === "" || number === undefined || number > highest)
      throw new UsersError(`${JSON.stringify(entry)} is no ${what} of this machine`);
    (isGroup ? permitted.groups : permitted.users).add(number);
  }
  return permitted;
}

function ask(database: "passwd" | "group", name: string): number | undefined {
  const { status, stdout } = spawnSync("getent", [database, "--", name], { encoding: "utf8" });
  const number = status === 0 ? /^[^:]*:[^:]*:(\d+):/.exec(stdout)?.[1] : undefined;
  return number === undefined ? undefined : Number(number);
}

export function isPermitted({ users, groups }: PermittedUsers, user: number, itsGroups: ReadonlySet<string>): boolean {
  return users.has(user) || [...itsGroups].some((group) => groups.has(Number(group)));
}

/** Connections of one user and of all, from the request to the end of the tree. */
const mostOfUser = 64;
const mostOfOthers = 1024;

/** Counts what other users hold. */
export class Shares {
  readonly #held = new Map<number, number>();
  #all = 0;

  /** Returns false if the user has its share. Otherwise call `give` once. */
  take(user: number): boolean {
    const held = this.#held.get(user) ?? 0;
    if (held >= mostOfUser || this.#all >= mostOfOthers) return false;
    this.#held.set(user, held + 1);
    this.#all++;
    return true;
  }

  give(user: number): void {
    const left = this.#held.get(user)! - 1;
    if (left === 0) this.#held.delete(user);
    else this.#held.set(user, left);
    this.#all--;
  }
}
