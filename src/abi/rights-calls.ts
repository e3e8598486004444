/** The calls that change what a thread may reach by a path: its credentials, its root directory, its namespaces. */
import type { ArchitectureName } from "./architecture.ts";
import { numberOf } from "./calls.ts";
import { groups } from "./groups.ts";

/** They change the users, groups or capabilities of the thread that makes them. */
const credentialCalls = (): readonly string[] => [...groups().get("@setuid")!, "capset"];

/** They change a root directory or namespaces, which other processes can share. */
const rootCalls = ["chroot", "pivot_root", "unshare", "setns"];

const numbersOf = (names: readonly string[], architecture: ArchitectureName): readonly number[] =>
  names.map((name) => numberOf(name, architecture)).filter((number) => number !== undefined);

export const credentialNumbers = (architecture: ArchitectureName) => numbersOf(credentialCalls(), architecture);
export const rootNumbers = (architecture: ArchitectureName) => numbersOf(rootCalls, architecture);

/** Calls that can be answered without a pin (native/addon/pin/answers.c). */
const lookingCalls = [
  ...["open", "openat", "stat", "lstat", "newfstatat", "statx", "readlink", "readlinkat"],
  ...["access", "faccessat", "faccessat2", "mkdir", "mkdirat"],
];
export const lookingNumbers = (architecture: ArchitectureName) => numbersOf(lookingCalls, architecture);
