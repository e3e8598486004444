/** A null pointer, behind which a process can have memory, passes no rule about memory (victims/page_zero.c). */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { compiled, engine, guarded } from "../support/run.ts";

const folder = mkdtempSync(join(tmpdir(), "portcullis-zero-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const policy = `import { allow, deny, policy } from "portcullis";
export default policy((call) => {
  if (call.name === "openat" || call.name === "newfstatat" || call.name === "utimensat")
    return call.args.path.text.is("forbidden") ? deny("EXFULL") : allow;
  if (call.name !== "connect") return allow;
  const { addr } = call.args;
  return addr.kind === "ip" && addr.port === 81n ? deny("EXFULL") : allow;
});
`;
const [efault, exfull, refused] = [-14, -54, -111];
/** The series lets these two calls read nothing at a null pointer, whatever their other arguments are. */
const [read, judged] = engine === "seccomp-ebpf" ? [efault, efault] : [0, exfull];

it("is read where the call reads it, and judged", (context) => {
  for (const name of ["allowed", "forbidden"]) writeFileSync(join(folder, name), name);
  const file = join(folder, "policy.ts");
  writeFileSync(file, policy);
  const { stdout, status } = guarded(file, [compiled("test/live/victims/page_zero.c"), "0"], [], { cwd: folder });
  if (stdout.includes("not possible")) context.skip("this user cannot map address 0");
  const lines = stdout.trimEnd().split("\n");
  expect({ lines, status }).toEqual({
    lines: [
      ...["nothing", `open: ${efault}`, `status: ${efault}`, `connect: ${efault}`],
      ...["descriptor's status: 0", "descriptor's times: 0"],
      ...["allowed", "open: 0", `status: ${read}`, `times: ${read}`, `connect: ${refused}`],
      ...["forbidden", `open: ${exfull}`, `status: ${judged}`, `times: ${judged}`],
      ...["descriptor's status: 0", "descriptor's times: 0", `connect: ${exfull}`],
    ],
    status: 0,
  });
});
