import { allow, type Call, calls, type Policy, perProcess, perTree, policy, type Verdict } from "portcullis";

/**
 * Rules about the order of events, as people say them: "no commit unless the tests ran since the last change" is
 *
 *     refuse({ event: executes(["git", "*\/git"], ["commit"]), unlessAfter: runsTests, since: writes(["src/**"]), verdict })
 *
 * An event is a call, at the moment of its judgement: of an execution it is known that it begins, and not how it ends. Paths
 * are the texts that programs give. So the rules hold programs that make no attempt to bypass them, in all processes of the
 * tree and whatever starts them; a path with another text, an older link or a copy of a program is not recognised.
 */
export type Event = (call: Call) => boolean;

/** Globs of paths: at least one. */
export type Paths = readonly [string, ...string[]];

/** No call is this event. */
export const never: Event = (_call: Call) => false;

/** A program whose path matches one of the patterns is executed, and its arguments contain all of these words. */
export function executes(paths: Paths, words: readonly string[] = []): Event {
  return (call: Call) =>
    calls("execve", "execveat").has(call) &&
    call.args.path.text.matches(...paths) &&
    words.every((word) => call.args.argv.includes(word));
}

/** A file whose path matches is opened, in any way. */
export function opens(paths: Paths): Event {
  return (call: Call) => calls("open", "openat", "openat2", "creat").has(call) && call.args.path.text.matches(...paths);
}

/** A file whose path matches is opened for writing, made, cut, removed or moved. */
export function writes(paths: Paths): Event {
  return (call: Call) => {
    if (calls("open", "openat").has(call))
      return (
        call.args.flags.hasAny("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC") && call.args.path.text.matches(...paths)
      );
    if (calls("openat2", "creat", "truncate", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir").has(call))
      return call.args.path.text.matches(...paths);
    if (calls("rename", "renameat", "renameat2").has(call))
      return call.args.oldpath.text.matches(...paths) || call.args.newpath.text.matches(...paths);
    return false;
  };
}

/** A connection to an address of the internet begins, or a datagram is sent to one; also by sendmmsg, whose addresses are not known. */
export const connects: Event = (call: Call) => {
  if (call.name === "connect" || call.name === "sendto") return call.args.addr.kind === "ip";
  return call.name === "sendmmsg" || (call.name === "sendmsg" && call.args.msg.name.kind === "ip");
};

/**
 * Where the other event has to happen: anywhere in the tree; in the process, or before its start in those that it comes from;
 * or in the process alone. A program bypasses `refuseAfter` in the process alone by a child.
 */
export type Scope = "tree" | "lineage" | "process";

const flagOf = (scope: Scope) =>
  scope === "tree" ? perTree.flag() : perProcess.flag(false, { onFork: scope === "lineage" ? "copy" : "fresh" });

export interface Unless {
  readonly event: Event;
  readonly unlessAfter: Event;
  /** Each such event makes the earlier ones of `unlessAfter` void. */
  readonly since?: Event;
  /** "tree", if it is left out. */
  readonly scope?: Scope;
  readonly verdict: Verdict;
}

/** The event gets this verdict unless the other one has happened in the scope, and since the last one of `since`. */
export function refuse({ event, unlessAfter, since = never, scope = "tree", verdict }: Unless): Policy {
  const hasHappened = flagOf(scope);
  return policy((call) => {
    if (since(call)) hasHappened.set(false);
    if (unlessAfter(call)) hasHappened.set(true);
    // accept P0501, P0502: a descriptor is counted when it is opened; paths are texts, as the head of this file says
    return event(call) && !hasHappened.get() ? verdict : allow;
  });
}

export interface After {
  readonly event: Event;
  readonly after: Event;
  /** Each such event makes the earlier ones of `after` void. */
  readonly until?: Event;
  /** "tree", if it is left out. */
  readonly scope?: Scope;
  readonly verdict: Verdict;
}

/** The event gets this verdict if the other one has happened in the scope, and `until` has not happened since. */
export function refuseAfter({ event, after, until = never, scope = "tree", verdict }: After): Policy {
  const hasHappened = flagOf(scope);
  return policy((call) => {
    if (until(call)) hasHappened.set(false);
    if (after(call)) hasHappened.set(true);
    // accept P0501, P0502: a descriptor is counted when it is opened; paths are texts, as the head of this file says
    return event(call) && hasHappened.get() ? verdict : allow;
  });
}

export interface Within {
  readonly event: Event;
  /** Begins a lineage: the process and all that it starts from then on. */
  readonly lineage: Event;
  /** Whether the lineage gets the verdict, or all others. */
  readonly refuses: "inside" | "outside";
  readonly verdict: Verdict;
}

/** The event gets this verdict in the lineages that such an event begins, or outside of them. */
export function refuseWithin({ event, lineage, refuses, verdict }: Within): Policy {
  const isInside = perProcess.flag();
  return policy((call) => {
    // accept P0501, P0502: a descriptor is counted when it is opened; paths are texts, as the head of this file says
    const result = event(call) && isInside.get() === (refuses === "inside") ? verdict : allow;
    if (lineage(call)) isInside.set(true);
    return result;
  });
}
