/** Remedies for constants of C, libseccomp and OCI profiles: a policy writes them as strings or as verdicts. */

import { callByName } from "../../../abi/calls.ts";
import { errnoByName } from "../../../abi/errno.ts";
import { nameSet, nameSetNames } from "../../../abi/flags.ts";
import { maximumWord } from "../../../abi/word.ts";

/** Names of actions in other filters (seccomp(2), seccomp_init(3), BPF programs), and the verdict for each. */
const actions: readonly (readonly [pattern: RegExp, verdict: string])[] = [
  [/^(?:SCMP_ACT|SECCOMP_RET|RET)_ALLOW$/, "allow"],
  [/^(?:SCMP_ACT|SECCOMP_RET|RET)_LOG$/, "log"],
  [/^(?:SCMP_ACT|SECCOMP_RET|RET)_ERRNO$/, 'deny("EPERM")'],
  [/^(?:SCMP_ACT|SECCOMP_RET|RET)_TRAP$/, "trap()"],
  [/^(?:SCMP_ACT|SECCOMP_RET|RET)_KILL(?:_THREAD)?$/, 'kill("thread")'],
  [/^(?:SCMP_ACT|SECCOMP_RET|RET)_KILL_PROCESS$/, 'kill("process")'],
  [/^(?:accept|permit|pass|ok|ALLOW)$/i, "allow"],
  [/^(?:errno|error|reject|refuse|block|fail|disallow|forbid|drop|EPERM)$/, 'deny("EPERM")'],
  [/^(?:audit|warn|print|printk)$/, 'log, or report("…")'],
];

/** How to write a name that is a constant elsewhere; undefined for other names. */
export function meantConstant(name: string): string | undefined {
  if (errnoByName(name) !== undefined) return `errnos are strings: deny(${JSON.stringify(name)})`;
  const call = /^(?:__NR_|SYS_|__NR3264_)(\w+)$/.exec(name)?.[1];
  if (call !== undefined) {
    return callByName(call) === undefined
      ? 'calls are known by their names: call.name === "…"'
      : `calls are known by their names: call.name === ${JSON.stringify(call)}`;
  }
  const verdict = actions.find(([pattern]) => pattern.test(name))?.[1];
  if (verdict !== undefined) return `the verdict is ${verdict}`;
  const method = methodForConstant(name);
  return method === undefined ? undefined : `names of values are strings: \`.${method}(${JSON.stringify(name)})\``;
}

let methods: ReadonlyMap<string, "has" | "is"> | undefined;

/** The method that takes the name of a flag or a value; undefined if no argument has it. */
export function methodForConstant(name: string): "has" | "is" | undefined {
  if (!/^[A-Z][A-Z0-9]*_?\w*$/.test(name)) return undefined;
  methods ??= new Map(
    nameSetNames().flatMap((set) => {
      const members = nameSet(set)!.members;
      // A choice's members cover the whole argument.
      const wholes = members.every(({ mask }) => (mask.x86_64 ?? mask.aarch64) === maximumWord);
      return members.map((member) => [member.name, wholes ? "is" : "has"] as const);
    }),
  );
  return methods.get(name);
}
