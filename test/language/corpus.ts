// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the policies stand here as texts
/**
 * Small policies that cover the language: each operator, each statement form, each kind of state. The interpreter runs
 * each over random traces, and the host runs it as JavaScript; both must agree.
 */

const library =
  "allow log deny trap kill strictest calls perThread perProcess perTree tree now duration report policy parameter cidr".split(
    " ",
  );

/** A policy's module from its top level and the body of its step, with the needed imports. */
export function policyModule(head: string, body: string): string {
  const text = `${head}\n${body}`;
  const values = library.filter((name) => name === "policy" || new RegExp(`(?<![.\\w$"])${name}\\b`).test(text));
  const types = ["Call", "CallOf", "Verdict", "Policy", "Errno"].filter((name) =>
    new RegExp(`[:<|] ?${name}\\b`).test(text),
  );
  const names = [...values, ...types.map((name) => `type ${name}`)].join(", ");
  return `import { ${names} } from "portcullis";\n${head}\nexport default policy((call) => {\n${body}\n});\n`;
}

const state = `
const c = perProcess.counter();
const v = perTree.value(7n);
const f = perThread.flag();
const p = perProcess.phases(["one", "two", "three"], { onFork: { two: "three" } });
`;

/** Name, top of the module, body of the step. */
const steps: readonly (readonly [name: string, head: string, body: string])[] = [
  [
    "if-else",
    "",
    'if (call.name === "read") return allow; else if (call.name === "write") { return deny("EIO"); } return log;',
  ],
  [
    "switch",
    "",
    'switch (call.name) { case "read": case "write": return deny("EIO"); case "open": { break; } case "close": return trap(); default: return kill("thread", "x"); } return allow;',
  ],
  [
    "switch-default-first",
    "",
    'let e: Errno = "EPERM"; switch (call.name) { default: e = "EIO"; break; case "read": e = "EACCES"; break; case "write": return allow; } return deny(e);',
  ],
  [
    "switch-integer",
    "",
    'if (call.name !== "dup2") return allow; switch (call.args.oldfd) { case 0n: case 1n: return deny("EIO"); case 0xffff_ffffn: return trap(); } return log;',
  ],
  [
    "switch-signed",
    "",
    'if (call.name !== "openat") return allow; switch (call.args.dirfd) { case -100n: return deny("EIO"); case -1n: return trap(); case 3n: return log; default: return allow; }',
  ],
  [
    "conditional-chain",
    "",
    'return call.name === "read" ? deny("EIO") : call.name === "write" ? log : call.number > 100n ? trap() : allow;',
  ],
  ["conditional-errno", "", 'return deny(call.name === "read" ? "EIO" : call.number < 50n ? "EACCES" : "EPERM");'],
  [
    "logic",
    "",
    'const a = call.number > 10n; const b = call.number % 2n === 0n; const x = (a && !b) || (!a && b); return x === (a !== b) ? allow : deny("EIO");',
  ],
  [
    "logic-values",
    "",
    'const low = call.raw.arg0 < 5n; const high = call.raw.arg1 > 0xffff_ffff_0000_0000n; return low || high ? (low && high ? kill("process") : deny("EIO")) : allow;',
  ],
  [
    "arithmetic",
    "",
    'const n = call.number; const x = n * 3n + 7n - n / 2n; return x % 5n === 2n ? deny("EIO") : x / 3n > 100n ? log : allow;',
  ],
  [
    "arithmetic-signed",
    "",
    'if (call.name !== "openat") return allow; const d = call.args.dirfd; const q = d / 7n; const r = d % 7n; return q * 7n + r === d ? (r < 0n ? deny("EIO") : q < -10n ? trap() : allow) : kill("process");',
  ],
  [
    "divide-negative",
    "",
    'if (call.name !== "lseek") return allow; const o = call.args.offset; const q = o / -3n; return q < 0n ? deny("EIO") : o % -5n === -2n ? log : allow;',
  ],
  [
    "divide-tested",
    "",
    'const n = call.raw.arg0; const m = call.raw.arg1; if (m === 0n) return deny("EIO"); return n / m > 3n ? log : n % m === 1n ? trap() : allow;',
  ],
  [
    "bits",
    "",
    'const a = call.raw.arg0; const b = call.raw.arg1; return (a & b) === 0n ? deny("EIO") : (a | b) === a ? log : (a ^ b) > 0xffffn ? trap() : allow;',
  ],
  [
    "bits-signed",
    "",
    'if (call.name !== "lseek") return allow; const a = call.args.offset; const m = ~a; return (m & 0xffn) === 0n ? deny("EIO") : (a | 1n) < 0n ? log : (a ^ -1n) === m ? allow : kill("process");',
  ],
  [
    "bits-mixed",
    "",
    'if (call.name !== "lseek") return allow; const a = call.args.offset & call.raw.arg3; return a > 0x7fff_ffff_ffff_ffffn ? deny("EIO") : a === 0n ? log : allow;',
  ],
  [
    "not-and-negate",
    "",
    'if (call.name !== "openat") return allow; const d = -call.args.dirfd; return d > 100n ? deny("EIO") : ~d === 99n ? log : -d === -100n ? trap() : allow;',
  ],
  [
    "shifts",
    "",
    'const n = call.number & 31n; const a = 1n << n; const b = call.raw.arg2 >> n; return (a & call.raw.arg1) !== 0n ? deny("EIO") : b >> 3n === 1n ? log : allow;',
  ],
  [
    "constants",
    "const [a, b] = [0b1100_0000_1010n, 0b1010_0000_0110n]; const bits = [a & b, a | b, a ^ b, a % b, a / 7n, -a % b, -a & b, -a | b, a ^ -b, a << 3n, -a >> 3n, a ** 3n];",
    'for (const one of bits) report("bits", { one }); report("wrapped", { and: BigInt.asUintN(8, a & b), or: BigInt.asIntN(8, a | b), exclusive: BigInt.asUintN(64, a ^ -b) }); return (call.raw.arg0 & (1n | 4n)) === (4n | 1n) ? deny("EIO") : (call.raw.arg1 & (7n ^ 2n)) === 5n % 8n ? log : allow;',
  ],
  [
    "shift-signed",
    "",
    'if (call.name !== "lseek") return allow; const a = call.args.offset >> 5n; return a < -1n ? deny("EIO") : a === -1n ? log : a << 2n > 400n ? trap() : allow;',
  ],
  [
    "wrap",
    "",
    'const s = BigInt.asUintN(64, call.raw.arg0 + call.raw.arg1 * 3n); const t = BigInt.asIntN(32, call.raw.arg2 - call.raw.arg3); return s < call.raw.arg0 ? deny("EIO") : t < 0n ? log : BigInt.asIntN(8, s) === t ? trap() : allow;',
  ],
  [
    "wrap-shift",
    "",
    'const n = call.raw.arg1 & 63n; const s = BigInt.asUintN(64, call.raw.arg0 << n); const t = BigInt.asIntN(16, (call.raw.arg0 + call.raw.arg2) << 3n); return s < call.raw.arg0 ? deny("EIO") : t < 0n ? log : BigInt.asUintN(64, t << 60n) === s ? trap() : allow;',
  ],
  [
    "wrap-negate",
    "",
    'const s = BigInt.asUintN(64, -call.raw.arg0); const t = BigInt.asUintN(16, ~call.raw.arg1); const u = BigInt.asIntN(64, call.raw.arg0); return s === call.raw.arg1 ? deny("EIO") : t > 0xf000n ? log : u < -5n ? trap() : allow;',
  ],
  [
    // One bit pattern with two interpretations: the range of one implies nothing about the other.
    "two-readings",
    "",
    'const u = call.raw.arg1; const s = BigInt.asIntN(64, u); if (u >= 5n && s < 0n) return deny("EIO"); if (s >= -5n && u > 0xffff_ffff_ffff_fff0n) return log; if (s <= 100n && u > 100n) return trap(); if (s < 50n) return u < 50n ? deny("EACCES") : kill("thread"); return allow;',
  ],
  [
    "two-readings-order",
    "",
    'const [u, w] = [call.raw.arg1, call.raw.arg2]; if (BigInt.asIntN(64, u) >= BigInt.asIntN(64, w)) return BigInt.asUintN(64, u - w) > u ? deny("EIO") : log; return u >= w && u - w > 9n ? trap() : allow;',
  ],
  [
    "mixed-signs",
    "",
    'if (call.name !== "lseek") return allow; const s = call.args.offset; const u = BigInt.asUintN(64, call.raw.arg3); return s === u ? deny("EIO") : s < u ? log : s > u ? trap() : allow;',
  ],
  [
    "mixed-order",
    "",
    'if (call.name !== "lseek") return allow; const s = call.args.offset; const u = call.raw.arg3; return u <= s ? deny("EIO") : u >= s ? log : kill("process");',
  ],
  [
    "compare-all",
    "",
    'const a = call.raw.arg0; const b = call.raw.arg1; return a === b ? deny("EIO") : a !== b && a <= 4n ? log : a >= b ? trap() : a < b ? deny("EACCES") : allow;',
  ],
  [
    "subtract-guarded",
    "const limit = 0x7fff_0000_0000n;",
    'if (call.name !== "mmap") return allow; const { addr, len } = call.args; return addr > limit || len > limit - addr ? deny("ENOMEM") : allow;',
  ],
  [
    "subtract-related",
    "",
    'const a = call.raw.arg0; const b = call.raw.arg1; if (a >= b) { const d = a - b; return d < 16n ? deny("EIO") : allow; } return b - a < 16n ? log : allow;',
  ],
  [
    "narrow-ternary",
    "",
    'const a = call.raw.arg0; return (a < 0x8000_0000_0000_0000n ? a + 1n : a - 1n) > 100n ? deny("EIO") : allow;',
  ],
  [
    "narrow-and",
    "",
    'const a = call.raw.arg0; const b = call.raw.arg1; return a < 1000n && b < 1000n && a * b > 500n ? deny("EIO") : !(a >= 10n || b >= 10n) && a + b > 5n ? log : allow;',
  ],
  [
    "includes",
    "const ports = [80n, 443n, 8080n];",
    'if (ports.includes(call.raw.arg0)) return deny("EIO"); return call.name === "openat" && [-100n, 3n].includes(call.args.dirfd) ? log : allow;',
  ],
  [
    "includes-text",
    'const names = ["read", "write"] as const;',
    'return names.some((one) => one === call.name) ? deny("EIO") : allow;',
  ],
  [
    "some-every",
    "const bits = [1n, 4n, 16n];",
    'const a = call.raw.arg0; return bits.every((bit) => (a & bit) !== 0n) ? deny("EIO") : bits.some((bit) => { if (bit === 4n) return false; return (a & bit) !== 0n; }) ? log : allow;',
  ],
  [
    "for-of",
    "const bits = [1n, 4n, 16n];",
    'let n = 0n; for (const bit of bits) { if ((call.raw.arg0 & bit) !== 0n) n += 1n; } return n === 3n ? deny("EIO") : n === 2n ? log : n === 1n ? trap() : allow;',
  ],
  [
    "for-count",
    "",
    'let n = 0n; for (let i = 0n; i < 64n; i++) { if (((call.raw.arg0 >> i) & 1n) === 1n) n++; } return n > 40n ? deny("EIO") : n > 8n ? log : allow;',
  ],
  [
    "for-break",
    "",
    'let n = 0n; for (let i = 0n; i < 16n; i += 3n) { if (i === 6n) continue; if (((call.raw.arg0 >> i) & 1n) === 1n) break; n = n + i; } return n > 20n ? deny("EIO") : n > 3n ? log : allow;',
  ],
  [
    "for-labels",
    "",
    'let n = 0n; outer: for (const a of [1n, 2n, 4n]) { for (const b of [8n, 16n]) { if ((call.raw.arg0 & a) === 0n) continue outer; if ((call.raw.arg0 & b) === 0n) break outer; n += a; } } return n > 3n ? deny("EIO") : n > 0n ? log : allow;',
  ],
  [
    "for-down",
    "",
    'let top = 0n; for (let i = 15n; i > 0n; i--) { if (((call.raw.arg1 >> i) & 1n) !== 0n) { top = i; break; } } return top > 9n ? deny("EIO") : top === 0n ? log : allow;',
  ],
  [
    "for-return",
    "",
    'for (const limit of [1n, 10n, 100n]) { if (call.raw.arg0 === limit) return deny("EIO"); if (call.raw.arg1 < limit) return log; } return allow;',
  ],
  [
    "for-switch",
    "",
    'let n = 0n; for (let i = 0n; i < 4n; i++) { switch (i) { case 1n: continue; case 2n: if (call.raw.arg0 > 5n) break; n += 10n; break; default: n += 1n; } n += 100n; } return n > 310n ? deny("EIO") : log;',
  ],
  [
    "closures-of-rounds",
    "",
    'let pick = () => 0n; for (let i = 0n; i < 4n; i++) { if (i === 2n) pick = () => i; } return call.raw.arg0 === pick() ? deny("EIO") : allow;',
  ],
  [
    "let-paths",
    "",
    'let x = 1n; if (call.raw.arg0 > 9n) x = 5n; else if (call.raw.arg0 > 3n) { x = call.raw.arg0; x *= 2n; } x <<= 1n; return x > 9n ? deny("EIO") : x === 2n ? log : allow;',
  ],
  [
    "let-verdict",
    "",
    'let out: Verdict = allow; if (call.raw.arg0 > 9n) out = deny("EIO", "a"); if (call.raw.arg1 > 9n) out = strictest(out, log); return strictest(out, call.raw.arg2 > 9n ? trap() : allow);',
  ],
  [
    "strictest-constants",
    `const milder = strictest(allow, log, allow);
const first = strictest(${Array.from({ length: 6 }, (_, index) => `allow, log, deny("EIO", "${index}")`).join(", ")});
const same = strictest(first, first, deny("EPERM"));
const worst = strictest(same, same, milder, trap(), kill("process"), kill("process", "later"));`,
    "return call.number < 9n ? milder : call.number < 20n ? first : call.number < 40n ? same : worst;",
  ],
  [
    "let-boolean",
    "",
    'let seen = false; if (call.raw.arg0 === 1n) seen = true; seen = seen || call.raw.arg1 === 1n; return seen ? deny("EIO") : allow;',
  ],
  [
    "let-text",
    "",
    'let why: Errno = "EIO"; if (call.raw.arg0 > 5n) why = "EACCES"; else if (call.raw.arg1 > 5n) why = "EPERM"; return why === "EIO" ? allow : deny(why);',
  ],
  [
    "shadowing",
    "const x = 1n;",
    'const y = x; { const x = 5n; if (call.raw.arg0 === x) return deny("EIO"); } return call.raw.arg0 === y ? log : allow;',
  ],
  [
    "functions",
    "function even(n: bigint): boolean { return n % 2n === 0n; }\nconst half = (n: bigint): bigint => n / 2n;",
    'return even(call.number) ? deny("EIO") : even(half(call.number)) ? log : allow;',
  ],
  [
    "functions-early",
    "function size(n: bigint): bigint { if (n < 10n) return 1n; if (n < 100n) { return 2n; } for (const x of [1000n, 10000n]) { if (n < x) return x; } return 7n; }",
    'return size(call.raw.arg0) === 2n ? deny("EIO") : size(call.raw.arg1) > 999n ? log : allow;',
  ],
  [
    "functions-nested",
    "",
    'const base = call.number; function near(n: bigint): boolean { const inner = (x: bigint): boolean => x === base || x === base + 1n; return inner(n) || inner(n + 2n); } return near(BigInt.asUintN(32, call.raw.arg0)) ? deny("EIO") : allow;',
  ],
  [
    "functions-call",
    'function judge(one: Call): Verdict { switch (one.name) { case "read": return one.args.fd > 2n ? deny("EIO") : allow; case "openat": return directory(one); } return log; }\nfunction directory(one: CallOf<"openat">): Verdict { return one.args.dirfd === -100n ? trap() : allow; }',
    "return judge(call);",
  ],
  [
    "functions-default",
    "function within(n: bigint, least = 5n): boolean { return n >= least && n < 20n; }",
    'return within(call.raw.arg0) ? deny("EIO") : within(call.raw.arg1, 2n) ? log : allow;',
  ],
  [
    "functions-list",
    'const limits = { low: 3n, names: ["EIO", "EACCES"] } as const;\nfunction one({ low }: { readonly low: bigint }): bigint { return low + 1n; }',
    "const [first, second] = limits.names; return call.raw.arg0 < one(limits) ? deny(first) : call.raw.arg1 < limits.low ? deny(second) : allow;",
  ],
  [
    "objects",
    'const rules = [{ number: 1n, errno: "EIO" }, { number: 5n, errno: "EACCES" }] as const;',
    "for (const { number, errno } of rules) { if (call.number === number) return deny(errno); } return allow;",
  ],
  [
    "sets",
    'const net = calls("@network-io", "read").without("bind", "@io-event");',
    'if (net.has(call)) return deny("EIO"); return calls.exec.has(call) ? log : !calls("write", "close").has(call) ? allow : trap();',
  ],
  [
    "sets-narrow",
    'const opening = calls("open", "openat", "creat");',
    'if (!opening.has(call)) return allow; if (call.name !== "creat" && call.args.flags.hasOnly("O_RDONLY", "O_CLOEXEC", "O_DIRECTORY")) return log; return call.name === "creat" ? deny("EIO") : call.args.flags.hasAny("O_CREAT", "O_TRUNC") ? trap() : allow;',
  ],
  [
    "arguments-of-many",
    'const duplicates = calls("dup", "dup2");\nconst writing = calls("write", "pwrite64", "read");',
    'if (writing.has(call)) return call.args.fd > 2n ? (call.args.count > 4096n ? deny("EIO") : log) : allow; if (duplicates.has(call) && call.name === "dup2") return call.args.newfd < 3n ? trap() : allow; return allow;',
  ],
  [
    "flags",
    "",
    'if (call.name === "openat") return call.args.flags.has("O_RDWR", "O_CREAT") ? deny("EIO") : call.args.flags.has("O_TMPFILE") ? trap() : call.args.flags.has("O_RDONLY") ? log : (call.args.flags.bits & 0x4000n) !== 0n ? kill("thread") : allow; if (call.name === "mmap") return call.args.prot.has("PROT_WRITE", "PROT_EXEC") ? deny("EACCES") : call.args.flags.hasOnly("MAP_PRIVATE", "MAP_ANONYMOUS") ? log : allow; return allow;',
  ],
  [
    "choices",
    "",
    'if (call.name === "socket") return call.args.family.is("AF_UNIX", "AF_INET") ? (call.args.type.has("SOCK_STREAM") ? allow : call.args.type.hasAny("SOCK_DGRAM", "SOCK_CLOEXEC") ? log : deny("EIO")) : deny("EACCES"); if (call.name === "fcntl") return call.args.cmd.is("F_SETFD") ? trap() : call.args.cmd.value > 1000n ? log : allow; return allow;',
  ],
  [
    "pointers",
    "",
    'if (call.name === "read") return call.args.buf.isNull ? deny("EFAULT") : call.args.buf.address > 0xffff_0000_0000n ? log : allow; return allow;',
  ],
  [
    "narrow-widths",
    "",
    'if (call.name === "chmod") return call.args.mode > 0o777n ? deny("EIO") : allow; if (call.name === "close") return call.args.fd > 0xffffn ? deny("EBADF") : allow; return allow;',
  ],
  [
    "raw-and-caller",
    "",
    'const { pid, tid, uid, gid } = call.caller; return uid === 0n ? (pid === tid ? deny("EIO") : log) : gid > 500n ? trap() : call.instructionPointer < 0x1000n ? kill("thread") : call.raw.arg5 === 1n ? deny("EPERM") : allow;',
  ],
  ["architecture", "", 'return call.architecture === "x86_64" ? deny("EIO") : allow;'],
  [
    "strings-of-wider-types",
    'const is = (a: string, b: string): boolean => a === b; const on = !false; const typed: string = "a"; const made = () => "a"; const object = { a: "a" }; const by = (a = "a"): boolean => a === "b"; const one: "a" | "b" = "a"; const isB = (a: "a" | "b"): boolean => a === "b";',
    `let changed = "a"; const chosen = on ? "a" : "b"; const declared: string = call.architecture;
     if (["arm64", "x"].includes(call.architecture) || is(call.architecture, "arm64") || declared === "arm64") return deny("EIO");
     if (typed === "b" || made() === "b" || object.a === "b" || changed === "b" || chosen === "b" || by() || isB(one)) return log;
     for (const text of ["a", "b"]) { if (text === "c") return log; if (changed === "c") return trap(); changed = "c"; }
     return call.architecture === "x86_64" || call.architecture === "aarch64" ? allow : log;`,
  ],
  [
    "time",
    "const start = perTree.value(0n);",
    'const t = now(); if (start.get() === 0n) start.set(t); return t > duration("1s") ? deny("EIO") : t >= start.get() && t - start.get() > 500n ? log : allow;',
  ],
  ["alive", "", 'return tree.alive() > 3n ? deny("EAGAIN") : tree.alive() === 2n ? log : allow;'],
  [
    "flag-state",
    state,
    'if (call.number === 1n) f.set(true); else if (call.number === 0n) f.set(call.raw.arg0 > 5n); return f.get() ? deny("EIO") : allow;',
  ],
  [
    "counter-state",
    state,
    'if (call.number < 100n) { if (c.add() === 3n) return log; } else if (call.number < 200n) { return c.subtract(2n) === 0n ? trap() : allow; } return c.get() > 5n ? deny("EIO") : allow;',
  ],
  [
    "counter-ends",
    "const c = perTree.counter(0x7fff_ffff_ffff_fff0n);",
    'const by = call.raw.arg0; if (call.number % 3n === 0n) return c.subtract(by) === 0n ? log : allow; return c.add(by) === 0x7fff_ffff_ffff_ffffn ? deny("EIO") : allow;',
  ],
  [
    "value-state",
    state,
    'if (v.get() < 1000n) v.set(v.get() + call.number); else v.set(v.get() / 3n); return v.get() % 7n === 0n ? deny("EIO") : allow;',
  ],
  [
    "phase-state",
    state,
    'if (call.number === 1n) p.enter("two"); if (call.number === 3n && p.is("two")) p.enter("three"); switch (p.get()) { case "one": return allow; case "two": return log; case "three": return deny("EIO"); }',
  ],
  [
    "phase-fork",
    state,
    'if (call.number < 20n) p.enter("two"); return p.get() === "three" ? deny("EIO") : p.is("one", "three") ? allow : log;',
  ],
  [
    "order-of-effects",
    state,
    'const before = c.get() + c.add(); const pair = [c.get(), c.add(), c.get()]; return before % 2n === 0n ? (pair.includes(call.number) ? deny("EIO") : allow) : log;',
  ],
  [
    "effects-short-circuit",
    state,
    'if (call.number > 50n && c.add() > 2n && f.get() === false) f.set(true); const any = f.get() || c.subtract() === 0n || call.raw.arg0 === 0n; return any ? deny("EIO") : c.get() > 3n ? log : allow;',
  ],
  [
    "effects-in-conditional",
    state,
    'const n = call.number % 2n === 0n ? c.add(3n) : v.get(); const m = f.get() ? c.get() : c.subtract(); if (n > 5n) f.set(!f.get()); return n > m ? deny("EIO") : n === m ? log : allow;',
  ],
  [
    "effects-in-functions",
    `${state}\nfunction bump(by: bigint): bigint { if (by === 0n) return c.get(); if (c.add(by) > 10n) { c.subtract(10n); return 1n; } return c.get(); }`,
    'const a = bump(call.number % 4n); const b = bump(a); return a + b > 5n ? deny("EIO") : a === b ? log : allow;',
  ],
  [
    "effects-in-lists",
    state,
    'return [1n, 2n, 3n].some((n) => c.add() % 3n === n % 3n && call.raw.arg0 > n) ? deny("EIO") : [1n, 2n].every((n) => c.get() > n) ? log : allow;',
  ],
  [
    "effects-in-loop",
    state,
    'for (let i = 0n; i < 3n; i++) { if (((call.number >> i) & 1n) === 1n) { c.add(i + 1n); if (c.get() > 6n) { c.subtract(6n); break; } } } return c.get() > 4n ? deny("EIO") : c.get() === 0n ? log : allow;',
  ],
  [
    "stale-constant",
    state,
    'const before = c.get(); const was = f.get(); c.add(); f.set(!was); return before === c.get() ? kill("process") : was === f.get() ? trap() : before > 3n ? deny("EIO") : allow;',
  ],
  [
    "table",
    'const t = perTree.table({ capacity: 3n, full: deny("ENOMEM", "full") });',
    'const key = call.number % 5n; if (call.number % 7n === 0n) t.delete(key); else if (t.has(key)) { const n = t.get(key, 0n); if (n < 100n) t.set(key, n + 1n); } else t.set(key, call.raw.arg0); return t.get(key, 9n) === 9n ? log : t.get(key, 1n) > 3n ? deny("EIO") : allow;',
  ],
  [
    "set",
    'const s = perProcess.set({ capacity: 2n, full: kill("thread") });',
    'const key = call.raw.arg0 & 3n; if (call.number % 3n === 0n) s.delete(key); else s.add(key); return s.has(1n) ? deny("EIO") : s.has(key) ? log : allow;',
  ],
  [
    "set-copied",
    'const s = perThread.set({ capacity: 4n, full: trap(), onFork: "fresh" });\nconst t = perThread.table({ capacity: 4n, full: deny("EIO") });',
    's.add(call.number & 7n); t.set(call.number & 7n, call.number); return s.has(2n) ? log : t.get(4n, 0n) > 10n ? deny("EPERM") : allow;',
  ],
  [
    "rate",
    'const r = perProcess.rate({ limit: 3n, per: "1us" });\nconst all = perTree.rate({ limit: 10n, per: "5us", burst: 4n });',
    'return r.take() && all.take() ? allow : deny("EAGAIN");',
  ],
  [
    "flow",
    'const flow = perThread.flow({ start: ["read", "write"], read: ["write"], write: ["write", "close"], close: ["read"], anytime: ["fstat"] });',
    'return flow.follow(call) ? allow : kill("process");',
  ],
  [
    "report",
    state,
    'if (c.add() % 3n === 0n) report("third", { count: c.get(), odd: call.number % 2n === 1n }); if (call.name === "openat") report("open", { dirfd: call.args.dirfd }); report("all"); return allow;',
  ],
  [
    "parameters",
    'const most = parameter.integer("most", { default: 3n, from: 1n, to: 9n });\nconst strict = parameter.flag("strict", { default: false });\nconst c = perTree.counter();',
    'if (c.add() > most) return strict ? kill("process") : deny("EAGAIN"); return allow;',
  ],
  [
    "templates",
    'const unit = "s";\nconst long = duration(`${5n}${unit}`);',
    'return now() > long ? deny("EIO", `after ${long} ns`) : allow;',
  ],
  [
    "void-helpers",
    `${state}\nfunction mark(): void { if (f.get()) return; f.set(true); c.add(); }`,
    'if (call.number % 2n === 0n) mark(); return c.get() > 1n ? deny("EIO") : f.get() ? log : allow;',
  ],
  [
    "text-of-phase",
    state,
    'const was = p.get(); if (call.number < 30n) p.enter("three"); const is = p.get(); return was === is ? allow : was === "one" ? deny("EIO") : log;',
  ],
  [
    "name-in-variable",
    "",
    'const name = call.name; if (name === "read") return deny("EIO"); const { args } = call; switch (name) { case "write": return log; } return args === args ? allow : trap();',
  ],
  [
    "parts-of-call",
    'function isUnix({ name, args }: Call): boolean { return name === "socket" && args.family.is("AF_UNIX"); }',
    'const { name, args } = call; if (isUnix(call)) return log; if (name === "socket") return args.protocol === 0n ? allow : deny("EIO"); if (name === "read" || name === "write") return args.count > 9n ? deny("EFBIG") : allow; switch (name) { case "openat": return args.flags.has("O_CREAT") ? deny("EROFS") : log; } return allow;',
  ],
  [
    "alias-condition",
    "",
    'const opens = call.name === "openat"; if (opens && call.args.flags.has("O_CREAT")) return deny("EIO"); return opens ? log : allow;',
  ],
  [
    "exhaustive",
    state,
    'if (!calls("read", "write").has(call)) return allow; switch (call.name) { case "read": return deny("EIO"); case "write": return log; }',
  ],
  [
    "exhaustive-architecture",
    "",
    'if (call.number < 9n) return log; switch (call.architecture) { case "x86_64": return deny("EIO"); case "aarch64": return allow; }',
  ],
  [
    "exhaustive-constant",
    'function f(mode: "a" | "b" | "c"): bigint { switch (mode) { case "a": return 1n; case "b": case "c": return 3n; } }',
    'return call.number === f("a") ? log : call.number === f("c") ? deny("EIO") : allow;',
  ],
  [
    "spread-override",
    "const base = { low: 1n, high: 5n }; const o = { ...base, low: 3n, ...{ high: 9n } };",
    'return call.number >= o.low && call.number <= o.high ? deny("EPERM") : allow;',
  ],
  [
    "includes-parameter",
    'const p = parameter.integer("p", { default: 70_000n, from: 0n, to: 100_000n });',
    'if (call.name !== "chmod") return allow; return [p].includes(call.args.mode) ? deny("EPERM") : [p, 9n].includes(call.args.mode) ? log : [9n].includes(p) ? trap() : allow;',
  ],
];

/**
 * Returns and breaks in paths that a constant decides: the walk inlines their statements, and the join of the paths
 * must still be recorded. Each occurs twice, as the step of a policy and as an extended policy.
 */
const decided: readonly (readonly [name: string, head: string, body: string])[] = [
  [
    "decided-return",
    'const on = parameter.flag("on", { default: false });',
    'if (call.name === "socket") { if (call.args.family.is("AF_UNIX")) return log; if (!on) return deny("EACCES"); return trap(); } return allow;',
  ],
  [
    "decided-conditional",
    "const on = true;",
    'if (call.number < 9n) return log; return on ? call.number < 20n ? deny("EIO") : deny("EPERM") : allow;',
  ],
  [
    "decided-switch",
    'const mode = parameter.text("mode", { default: "b" });',
    'if (call.number < 9n) return log; switch (mode) { case "a": return allow; case "b": return deny("EIO"); default: return trap(); }',
  ],
  [
    "decided-nested",
    "const on = true; const off = false;",
    'if (call.number > 100n) return log; if (on) { if (!off) { if (on) { return deny("EIO"); } } } return allow;',
  ],
  [
    "decided-call",
    'const on = true;\nfunction f(n: bigint): Verdict { if (n < 9n) return log; if (on) return deny("EIO"); return allow; }\nfunction g(n: bigint): bigint { if (n < 9n) return 3n; if (on) return 7n; return 9n; }',
    'if (call.number > 50n) { if (on) return f(call.number - 50n); } return g(call.number) === 7n ? deny("EPERM") : allow;',
  ],
  [
    "decided-loop",
    "const on = true;",
    'let last = 1n; for (const one of [1n, 2n, 3n]) { if (call.number === one) { last = 8n; break; } if (on) { last = 5n; break; } } if (last === 5n) return deny("EIO"); for (const one of [1n, 2n]) { if (call.number === one) return log; if (on) return deny("EPERM"); } return allow;',
  ],
];

export interface CorpusPolicy {
  readonly name: string;
  readonly text: string;
}

const skipped = new Set(["name-in-variable"]);

export const corpus: readonly CorpusPolicy[] = [
  ...decided.map(([name, head, body]) => ({ name, text: policyModule(head, body) })),
  ...decided.map(([name, head, body]) => ({
    name: `${name}-extended`,
    text: policyModule(`${head}\nconst base = policy((call) => {\n${body}\n});`, body).replace(
      "export default policy((call)",
      "export default policy({ extends: [base] }, (call)",
    ),
  })),
  ...steps
    .filter(([name]) => !skipped.has(name))
    .map(([name, head, body]) => ({ name, text: policyModule(head, body) })),
  {
    name: "combined",
    text: `import { allow, deny, kill, log, perTree, type Policy, policy, trap } from "portcullis";
const shared = perTree.counter();
const base = policy((call) => { shared.add(); return call.number < 10n ? deny("EIO", "base") : allow; });
function limit(most: bigint, what: "EAGAIN" | "EMFILE"): Policy {
  const own = perTree.counter();
  return policy((call) => { if (call.number % 2n === 0n && own.add() > most) return deny(what); return own.get() > 20n ? trap() : allow; });
}
const middle = policy({ extends: [base, limit(3n, "EAGAIN")] }, (call) => (call.number === 4n ? kill("thread") : log));
export default policy({ extends: [middle, base, limit(6n, "EMFILE")] }, (call) => {
  if (shared.get() > 30n) return deny("EPERM", "own");
  return call.raw.arg0 === 0n ? deny("EACCES") : allow;
});
`,
  },
];
