/** The types of `portcullis/testing` accept and refuse these values; `npm run check -- types` compiles this file. */
import { type Simulation, simulate } from "portcullis/testing";

declare const run: Simulation;

run.command.call("openat", { flags: ["O_RDONLY", "O_CLOEXEC"], dirfd: -100n, path: 0x1000n });
run.command.call("socket", { family: "AF_INET", type: 1n });
run.command.call("openat", { path: "/etc/hosts" });
run.command.call("openat2", { path: { text: "a", resolved: "/srv/a" }, how: { flags: ["O_RDONLY"], mode: 0n } });
run.command.call("execve", { path: new Uint8Array([47]), argv: ["git", "log"], envp: null });
run.command.call("connect", { addr: "10.0.0.1:443" });
run.command.call("sendmsg", { msg: { name: null } });
run.command.call("mount", { source: "none", target: { fails: "EFAULT" } });
run.command.fork().thread().exit();
run.command.begin("mkdir", { mode: 0n });
const begun = run.command.begun;
export const verdict = typeof begun === "object" ? begun.verdict : begun;
run.command.end();
run.command.interrupt();
run.advance("50ms");
// @ts-expect-error no such argument
run.command.call("openat", { pathname: 0n });
// @ts-expect-error no such flag
run.command.call("openat", { flags: ["O_READ"] });
// @ts-expect-error a list is not a text
run.command.call("openat", { path: ["/etc"] });
// @ts-expect-error no such field
run.command.call("openat2", { how: { flag: 0n } });
// @ts-expect-error memory that no policy asks about is an address
run.command.call("read", { buf: "x" });
// @ts-expect-error integers are bigint
run.command.call("read", { fd: 0 });

export const options = { set: { most: "3" }, compiled: "wasm" } as const;
export { simulate };
