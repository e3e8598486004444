/**
 * Calls, commands and flags that a program takes in place of one another, depending on the C library, the load or an error.
 * If one was recorded, the others are allowed in the same roles and phases, with the same arguments.
 */
import type { ArchitectureName } from "../abi/architecture.ts";
import { callByName } from "../abi/calls.ts";
import { groups } from "../abi/groups.ts";
import { aspectsOf, type Detail, type Value } from "./aspects.ts";
import type { Signature } from "./history.ts";
import type { CallUse, Grant, Permissions } from "./permissions.ts";

/** Arguments that only some of them have are in the recordings without an effect, or in the others with this value. */
interface Alternatives {
  readonly calls: readonly string[];
  readonly neutral?: Readonly<Record<string, bigint>>;
}

const alternativeCalls: readonly Alternatives[] = [
  { calls: ["poll", "ppoll"] },
  { calls: ["select", "pselect6"] },
  { calls: ["epoll_wait", "epoll_pwait"] },
  { calls: ["open", "openat"] },
  { calls: ["dup2", "dup3"] },
  { calls: ["accept", "accept4"] },
  { calls: ["pipe", "pipe2"], neutral: { flags: 0n } },
  { calls: ["nanosleep", "clock_nanosleep"] },
  { calls: ["mkdir", "mkdirat"] },
  { calls: ["rename", "renameat", "renameat2"], neutral: { flags: 0n } },
  { calls: ["unlink", "unlinkat"], neutral: { flag: 0n } },
];

/** Whether a program makes one call in place of the other. */
export function areAlternatives(one: string, other: string): boolean {
  return alternativeCalls.some(({ calls }) => calls.includes(one) && calls.includes(other));
}

/**
 * Groups (src/abi/groups.ts) that are allowed as a whole where each of these calls is allowed: their other calls do the
 * same with descriptors that the process has. Every process has `@self`: no load determines when it makes these calls.
 */
export const wholeGroups: readonly { readonly group: string; readonly where: readonly string[] }[] = [
  { group: "@self", where: [] },
  { group: "@basic-io", where: ["read", "write", "close"] },
  { group: "@io-event", where: ["epoll_wait", "epoll_ctl"] },
];

/** Calls that do in one step, with descriptors that the process has, what it does with all of these; an answer's size decides. */
const compositions: readonly { readonly call: string; readonly where: readonly string[] }[] = [
  { call: "sendfile", where: ["read", "write", "close", "accept4"] },
];

/** Values of an integer beside one value of a choice that only choose how the same is done, in each phase of the role. */
interface AlternativeOptions {
  readonly call: string;
  readonly choice: Readonly<Record<string, bigint>>;
  readonly parameter: string;
  readonly values: readonly bigint[];
}

const alternativeOptions: readonly AlternativeOptions[] = [
  // SOL_TCP: TCP_NODELAY and TCP_CORK choose when the kernel sends what was written; connections inherit a listener's.
  { call: "setsockopt", choice: { level: 6n }, parameter: "optname", values: [1n, 3n] },
];

/** The call with each of the values; empty if it has none of them. */
function otherOptions(signature: Signature): readonly Signature[] {
  const ownValue = (parameter: string) =>
    signature.values[signature.aspects.findIndex((one) => one.parameter === parameter)];
  return alternativeOptions.flatMap(({ call, choice, parameter, values }) => {
    const own = ownValue(parameter);
    const isSame = Object.entries(choice).every(([name, value]) => ownValue(name) === value);
    if (call !== signature.call || !isSame || !values.some((one) => one === own)) return [];
    const at = signature.aspects.findIndex((one) => one.parameter === parameter);
    return values.map((value) => ({ ...signature, id: -1, values: signature.values.with(at, value) }));
  });
}

/** The calls of a group that the architecture has. */
export function membersOf(group: string, architecture: ArchitectureName): readonly string[] {
  const members = groups().get(group)!;
  return members.filter((name) => callByName(name)!.number[architecture] !== undefined);
}

/** By the set of the argument's names. */
const alternativeChoices: Readonly<Record<string, readonly (readonly string[])[]>> = {
  FcntlCommand: [
    ["F_GETLK", "F_SETLK", "F_SETLKW", "F_OFD_GETLK", "F_OFD_SETLK", "F_OFD_SETLKW"],
    ["F_DUPFD", "F_DUPFD_CLOEXEC"],
    ["F_GETFD", "F_SETFD"],
    ["F_GETFL", "F_SETFL"],
  ],
};

/** Flags that only refuse or restrict something. */
const safeFlags: ReadonlySet<string> = new Set([
  ...["O_CLOEXEC", "O_NOFOLLOW", "SOCK_CLOEXEC", "MFD_CLOEXEC", "MFD_NOEXEC_SEAL", "RENAME_NOREPLACE"],
]);

/** The members of a set of names that are allowed with the recorded ones. */
export function withSafeFlags(recorded: ReadonlySet<string>, all: readonly string[]): ReadonlySet<string> {
  const isSafe = (name: string) => safeFlags.has(name) || (name === "O_EXCL" && recorded.has("O_CREAT"));
  return new Set([...recorded, ...all.filter(isSafe)]);
}

export function withAlternativeChoices(set: string, recorded: readonly string[]): readonly string[] {
  const groups = alternativeChoices[set] ?? [];
  const more = groups.filter((group) => group.some((name) => recorded.includes(name))).flat();
  const rest = recorded.filter((name) => !more.includes(name));
  return [...more, ...rest];
}

export function withAlternatives(
  permissions: Permissions,
  { architecture, detail }: { readonly architecture: ArchitectureName; readonly detail: Detail },
): Permissions {
  const recorded = new Map(permissions.calls.map((use) => [use.call, use] as const));
  const calls = new Map(recorded);
  for (const { calls: names, neutral = {} } of alternativeCalls) {
    for (const name of names) {
      const other = callByName(name)!;
      if (other.number[architecture] === undefined) continue;
      const aspects = aspectsOf(other, detail, architecture);
      for (const from of names) {
        const use = recorded.get(from);
        if (use === undefined || from === name) continue;
        const grants = use.grants.flatMap(({ signature, states }): Grant[] => {
          const values = valuesFor(
            signature,
            aspects.map(({ parameter }) => parameter),
            neutral,
          );
          return values === undefined ? [] : [{ signature: { id: -1, call: name, aspects, values }, states }];
        });
        if (grants.length === 0) continue;
        const known: CallUse = calls.get(name) ?? {
          ...{ call: name, grants: [], count: 0, byRole: new Map(), because: `as ${from}`, isFrequent: use.isFrequent },
        };
        calls.set(name, { ...known, grants: [...known.grants, ...grants] });
      }
    }
  }
  for (const name of new Set(alternativeOptions.map(({ call }) => call))) {
    const use = calls.get(name);
    if (use === undefined) continue;
    const more = use.grants.flatMap(({ signature, states: made }) => {
      const roles = new Set([...made].map(({ role }) => role));
      const states = new Set(permissions.states.filter(({ role }) => roles.has(role)));
      return otherOptions(signature).map((other) => ({ signature: other, states }));
    });
    calls.set(name, { ...use, grants: [...use.grants, ...more] });
  }
  return { ...permissions, calls: [...calls.values()].sort((a, b) => (a.call < b.call ? -1 : 1)) };
}

/** Groups as a whole, and compositions. */
export function withWholeGroups(
  permissions: Permissions,
  { architecture, detail }: { readonly architecture: ArchitectureName; readonly detail: Detail },
): Permissions {
  const calls = new Map(permissions.calls.map((use) => [use.call, use] as const));
  const wholes = [
    ...wholeGroups.map(({ group, where }) => ({ names: membersOf(group, architecture), where })),
    ...compositions.map(({ call, where }) => ({ names: [call], where })),
  ];
  for (const { names, where } of wholes) {
    const uses = where.map((name) => calls.get(alternativeOf(name, architecture)));
    const states = permissions.states.filter((state) =>
      uses.every((use) => use?.grants.some((grant) => grant.states.has(state))),
    );
    if (states.length === 0) continue;
    const because = `as ${where[0] ?? "every process"}`;
    for (const name of names) {
      const aspects = aspectsOf(callByName(name)!, detail, architecture);
      const signature = { id: -1, call: name, aspects, values: aspects.map(() => undefined) };
      const use = calls.get(name) ?? {
        ...{ call: name, grants: [], count: 0, byRole: new Map(), because, isFrequent: false },
      };
      calls.set(name, { ...use, grants: [...use.grants, { signature, states: new Set(states) }] });
    }
  }
  return { ...permissions, calls: [...calls.values()].sort((a, b) => (a.call < b.call ? -1 : 1)) };
}

/** An architecture without epoll_wait has epoll_pwait. */
function alternativeOf(name: string, architecture: ArchitectureName): string {
  return callByName(name)!.number[architecture] === undefined && name === "epoll_wait" ? "epoll_pwait" : name;
}

/** Undefined if the other call has no equal arguments. */
function valuesFor(
  { aspects, values }: Signature,
  wanted: readonly string[],
  neutral: Readonly<Record<string, bigint>>,
): readonly Value[] | undefined {
  const own = new Map(aspects.map(({ parameter }, index) => [parameter, values[index]] as const));
  for (const [parameter, value] of own) {
    if (!wanted.includes(parameter) && value !== neutral[parameter]) return undefined;
  }
  if (wanted.some((parameter) => !own.has(parameter) && neutral[parameter] === undefined)) return undefined;
  return wanted.map((parameter) => (own.has(parameter) ? own.get(parameter) : neutral[parameter]));
}
