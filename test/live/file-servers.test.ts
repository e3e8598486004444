/**
 * The supervisor's loop asks no file server, which could let it wait. The confined program is a FUSE server: it knows what
 * the kernel asks it.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, it } from "vitest";
import { patience } from "../support/patience.ts";
import { portcullis } from "../support/run.ts";
import { pinEverything } from "./pinned-policy.ts";

const folder = mkdtempSync(join(tmpdir(), "portcullis-servers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(({ skip }) => {
  if (process.getuid?.() !== 0 || !existsSync("/dev/fuse"))
    skip("only root can make a file system without a user namespace, and with /dev/fuse");
});

/** `serve` answers the requests of linux/fuse.h in a thread. The directory has one file, `file`, which stays cached. */
const server = `
import ctypes, errno, os, struct, threading
call = ctypes.CDLL(None, use_errno=True).syscall
LOOKUP, FORGET, GETATTR, OPEN, STATFS, INIT, INTERRUPT, BATCH_FORGET = 1, 2, 3, 14, 17, 26, 36, 42
HOUR, ROOT, FILE = 3600, 1, 2
asked = set()

def mount(kind, **options):
    fsopen, fsconfig, fsmount, text, create = 430, 431, 432, 1, 6
    context = call(fsopen, kind, 0)
    for name, value in options.items():
        assert call(fsconfig, context, text, name.encode(), str(value).encode(), 0) == 0
    assert call(fsconfig, context, create, None, None, 0) == 0
    mounted = call(fsmount, context, 0, 0)
    assert mounted >= 0
    os.close(context)
    return mounted

def attributes(node):
    mode = 0o40755 if node == ROOT else 0o100644
    return struct.pack("<6Q10I", node, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

def reply(opcode, node, rest, on_open):
    if opcode == INIT: return struct.pack("<4I2H2I2H2I6I", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, 0, 0, *[0] * 6)
    if opcode == GETATTR: return struct.pack("<QII", HOUR, 0, 0) + attributes(node)
    if opcode == LOOKUP:
        found = FILE if rest == b"file\\0" else 0
        return struct.pack("<4QII", found, 0, HOUR, HOUR, 0, 0) + attributes(found)
    if opcode == OPEN:
        on_open()
        return struct.pack("<QII", 0, 0, 0)
    return None

def serve(device, on_open):
    while True:
        request = os.read(device, 65536)
        _, opcode, unique, node = struct.unpack_from("<2I2Q", request)
        asked.add(opcode)
        if opcode in (FORGET, INTERRUPT, BATCH_FORGET): continue
        body = reply(opcode, node, request[40:], on_open)
        error = -errno.ENOSYS if body is None else 0
        os.write(device, struct.pack("<IiQ", 16 + len(body or b""), error, unique) + (body or b""))

def mount_server(on_open=lambda: None):
    device = os.open("/dev/fuse", os.O_RDWR)
    mounted = mount(b"fuse", fd=device, rootmode=40000, user_id=0, group_id=0)
    threading.Thread(target=serve, args=(device, on_open), daemon=True).start()
    return mounted
`;

function runPython(policy: string, script: string) {
  const file = join(folder, "policy.ts");
  writeFileSync(file, policy);
  const command = ["python3", "-c", server + script];
  return portcullis(["run", "-q", "--engine", "notify", "-p", file, "--", ...command]);
}

it("stat of a path from a server's directory", () => {
  const script = `
os.fchdir(mount_server())
for attempts in range(20): os.stat("file")
for attempts in range(20):
    try: os.stat("missing")
    except FileNotFoundError: pass
print("STATFS" if STATFS in asked else "no STATFS", "LOOKUP" if LOOKUP in asked else "no LOOKUP")
`;
  expect(runPython(pinEverything("", new Set(["path"])), script)).toMatchObject({
    stdout: "no STATFS LOOKUP\n",
    stderr: "",
  });
});

it("an open of a server's file that has the device number of a local file system", () => {
  const policy = `import { allow, calls, deny, policy } from "portcullis";
export default policy((call) =>
  calls("open", "openat").has(call) && call.args.path.resolved.is("/never") ? deny("EPERM") : allow,
);
`;
  const script = `
def open_another(): os.close(os.open("/", os.O_RDONLY | os.O_DIRECTORY))
def on_open():
    other = threading.Thread(target=open_another, daemon=True)
    other.start()
    other.join(${patience.command / 2000})
    print("waits" if other.is_alive() else "goes on", flush=True)

known = mount(b"tmpfs")
number = os.fstat(known).st_dev
for attempts in range(3): os.close(os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=known))
os.close(known)
for attempts in range(100):
    held = []
    while True: # until no lower number is free
        held.append(mount(b"tmpfs"))
        if os.fstat(held[-1]).st_dev == number: break
        assert len(held) < 1000, "the number is not used again"
    os.close(held.pop())
    mounted = mount_server(on_open)
    if os.fstat(mounted).st_dev == number: break
    for other in held: os.close(other)
else: print("the number is not used again")
os.stat("file", dir_fd=mounted)
for attempts in range(2): os.open("file", os.O_RDONLY, dir_fd=mounted)
`;
  expect(runPython(policy, script)).toMatchObject({ stdout: "goes on\n".repeat(2), stderr: "" });
});
