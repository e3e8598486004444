/**
 * The run-time module of `import "portcullis"` in plain Node. Bundlers, test runners and editors can import a policy
 * module without effect; its default export identifies itself, and access to its state or to a call throws an error
 * that names the tools that evaluate policies.
 *
 * The types are those of frontend/types/index.d.ts; test/types checks that the names agree.
 */
import { durationForm, parseDuration } from "./abi/durations.ts";

/** The default export of a policy module. */
export interface InertPolicy {
  readonly kind: "portcullis policy";
}

function refuse(what: string): never {
  throw new Error(
    `${what} has no value here: a policy is compiled and never runs as JavaScript. To try it, use simulate() of "portcullis/testing", or the command portcullis.`,
  );
}

function refusing(what: string): () => never {
  return () => refuse(what);
}

const inertPolicy: InertPolicy = Object.freeze({ kind: "portcullis policy" });

export function policy(): InertPolicy {
  return inertPolicy;
}

export function oci(): InertPolicy {
  return inertPolicy;
}

// ── Verdicts: may be made at the top of a module, so they are values ────────────────────────────────────────────────

interface InertVerdict {
  readonly kind: "portcullis verdict";
}

const inertVerdict: InertVerdict = Object.freeze({ kind: "portcullis verdict" });

export const allow = inertVerdict;
export const log = inertVerdict;
export const ask = (): InertVerdict => inertVerdict;
export const deny = (): InertVerdict => inertVerdict;
export const trap = (): InertVerdict => inertVerdict;
export const kill = (): InertVerdict => inertVerdict;
export const strictest = (): InertVerdict => inertVerdict;

// ── Sets of calls ───────────────────────────────────────────────────────────────────────────────────────────────────

interface InertCallSet {
  has(): never;
  without(): InertCallSet;
}

const inertCallSet: InertCallSet = Object.freeze({
  has: refusing("a set of calls"),
  without: () => inertCallSet,
});

/**
 * Any property is a set: `calls.open`. The compiler checks the names; loading the families here would cost start-up
 * time.
 */
export const calls: (() => InertCallSet) & { readonly [family: string]: InertCallSet } = new Proxy(
  Object.assign(() => inertCallSet),
  {
    get: (target, property) =>
      typeof property === "string" && !Object.hasOwn(Function.prototype, property) && !Object.hasOwn(target, property)
        ? inertCallSet
        : Reflect.get(target, property),
  },
);

// ── State ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function scope(name: string) {
  const members = <const N extends string>(kind: string, ...names: readonly N[]) => {
    const what = `${name}.${kind}`;
    const cell = Object.freeze(
      Object.fromEntries(names.map((member) => [member, refusing(what)])) as { readonly [M in N]: () => never },
    );
    return () => cell;
  };
  return Object.freeze({
    flag: members("flag", "get", "set"),
    counter: members("counter", "get", "add", "subtract"),
    value: members("value", "get", "set"),
    phases: members("phases", "get", "is", "enter"),
    table: members("table", "has", "get", "set", "delete"),
    set: members("set", "has", "add", "delete"),
    rate: members("rate", "take"),
    flow: members("flow", "follow"),
  });
}

function rooms(name: string) {
  const declared = Object.freeze({ enter: refusing(`${name}.rooms`) });
  return Object.freeze({ rooms: () => declared });
}

export const perThread = scope("perThread");
export const perProcess = Object.freeze({ ...scope("perProcess"), ...rooms("perProcess") });
export const perMemory = rooms("perMemory");
export const perTree = Object.freeze({ ...scope("perTree"), ...rooms("perTree") });
export const tree = Object.freeze({ alive: refusing("tree.alive()") });
export const now = refusing("now()");
export const report = refusing("report()");

// ── Constants ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Computed in JavaScript too: a module may use it at its top level. @throws {TypeError} if the string is not a duration. */
export function duration(text: string): bigint {
  const nanoseconds = parseDuration(text);
  if (nanoseconds === undefined) throw new TypeError(`${JSON.stringify(text)} is not a duration: ${durationForm}`);
  return nanoseconds;
}

/** The blocks are checked by the compiler. */
export const cidr = (): { readonly has: () => never } => addressSet;
const addressSet = Object.freeze({ has: refusing("cidr().has()") });

interface Settings<T> {
  readonly default?: T;
}

/** The defaults, or an empty value of the type: importing a module must not need a command line. */
export const parameter = Object.freeze({
  path: (_name: string, settings?: Settings<string>): string => settings?.default ?? "/",
  text: (_name: string, settings?: Settings<string>): string => settings?.default ?? "",
  paths: (_name: string, settings?: Settings<readonly string[]>): readonly string[] => settings?.default ?? ["/"],
  texts: (_name: string, settings?: Settings<readonly string[]>): readonly string[] => settings?.default ?? [""],
  integer: (_name: string, settings?: Settings<bigint> & { readonly from?: bigint }): bigint =>
    settings?.default ?? settings?.from ?? 0n,
  flag: (_name: string, settings?: Settings<boolean>): boolean => settings?.default ?? false,
});
