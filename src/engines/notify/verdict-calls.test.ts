import { expect, test } from "vitest";
import { loadPolicy } from "../../frontend/load.ts";
import { compileForNotify } from "./compile.ts";

test("a verdict has the calls that the supervisor judges, and those of the filter if it judges none", () => {
  const text = `import { allow, calls, deny, perProcess, policy } from "portcullis";
const phase = perProcess.phases(["starting", "serving"]);
const always = calls("read", "write", "openat");
export default policy((call) => {
  if (call.name === "listen") phase.enter("serving");
  if (call.name === "openat" && phase.is("serving")) return deny("EPERM");
  if (always.has(call)) return allow;
  if (call.name === "getpid" || call.name === "getppid") return allow;
  return deny("EACCES");
});
`;
  const { program } = loadPolicy("/p.ts", { architecture: "x86_64", readFile: () => text });
  const { policy } = compileForNotify(program!);
  const shown = policy!.state.calls!.map(({ names, more }, verdict) => {
    const { action, at } = program!.verdicts[verdict]!;
    return `${action} ${at?.line}: ${names.join(" ")}${more === 0 ? "" : ` and ${more > 300 ? "hundreds" : more} more`}`;
  });
  expect(shown.filter((line) => !line.includes("undefined"))).toEqual([
    "deny 6: openat",
    "allow 7: openat",
    "allow 8: getpid getppid",
    "deny 9: _sysctl accept accept4 access acct add_key adjtimex afs_syscall and hundreds more",
  ]);
});
