/** What the types of `portcullis/testing` take and refuse: `npm run check -- types` compiles it with all else. */
import { type Simulation, simulate } from "portcullis/testing";

declare const run: Simulation;

run.command.call("openat", { flags: ["O_RDONLY", "O_CLOEXEC"], dirfd: -100n, path: 0x1000n });
run.command.call("socket", { family: "AF_INET", type: 1n });
run.command.fork().thread().exit();
run.advance("50ms");
// @ts-expect-error no such argument
run.command.call("openat", { pathname: 0n });
// @ts-expect-error no such flag
run.command.call("openat", { flags: ["O_READ"] });
// @ts-expect-error integers are bigint
run.command.call("read", { fd: 0 });

export const options = { set: { most: "3" }, compiled: "wasm" } as const;
export { simulate };
