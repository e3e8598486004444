"""
Tries to change something outside of INSIDE, in OUTSIDE, which has `file`, the directory `folder` and the directories of an
overlay. Descriptor 7 is OUTSIDE, and 8 is OUTSIDE/file, open for reading. With PID, a process outside the tree that has
OUTSIDE/file open for writing as its descriptor 9.
"""
import ctypes, fcntl, os, resource, signal, socket, stat, struct, sys

INSIDE, OUTSIDE = sys.argv[1], sys.argv[2]
libc = ctypes.CDLL(None, use_errno=True)


def attempt(name, action):
    try:
        action()
        print(name, "ok", flush=True)
    except OSError as error:
        print(name, os.strerror(error.errno), flush=True)


def apart(name, action):
    """In a process of its own, whose state the others do not share."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        attempt(name, action)
        os._exit(0)
    os.waitpid(child, 0)


def raw(name, *words):
    result = libc[name](*words)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def opened(path, flags, **more):
    os.close(os.open(path, flags, **more))


CREATE = os.O_WRONLY | os.O_CREAT
FOLDER, FILE = 7, 8
name = os.path.basename(OUTSIDE)
inside, outside, up = f"{INSIDE}/a", f"{OUTSIDE}/file", f"{INSIDE}/../{name}/file"
print("# inside")
attempt("create", lambda: opened(inside, CREATE))
attempt("rename", lambda: os.rename(inside, f"{INSIDE}/b"))
attempt("link", lambda: os.link(f"{INSIDE}/b", inside))
attempt("symlink", lambda: os.symlink("b", f"{INSIDE}/link"))
attempt("mkdir", lambda: os.mkdir(f"{INSIDE}/folder"))
attempt("link to another directory", lambda: os.link(inside, f"{INSIDE}/folder/a"))
attempt("rename to another directory", lambda: os.rename(f"{INSIDE}/folder/a", f"{INSIDE}/c"))
attempt("rmdir", lambda: os.rmdir(f"{INSIDE}/folder"))
attempt("truncate", lambda: os.truncate(inside, 0))
attempt("fifo", lambda: os.mkfifo(f"{INSIDE}/fifo"))
attempt("unlink", lambda: os.unlink(inside))
attempt("dots", lambda: opened(f"{INSIDE}/../{os.path.basename(INSIDE)}/b", os.O_WRONLY))
attempt("bind", lambda: socket.socket(socket.AF_UNIX).bind(f"{INSIDE}/socket"))
attempt("abstract", lambda: socket.socket(socket.AF_UNIX).bind(f"\0{INSIDE}"))
attempt("null", lambda: opened("/dev/null", os.O_WRONLY))
attempt("read outside", lambda: opened(outside, os.O_RDONLY))
attempt("openat2", lambda: raw("syscall", 437, -100, f"{INSIDE}/b".encode(), struct.pack("=QQQ", os.O_WRONLY, 0, 0), 24))
attempt("enter outside", lambda: os.chdir(OUTSIDE))
attempt("enter inside", lambda: os.chdir(INSIDE))
attempt("from the working directory", lambda: opened("here", CREATE))
# They lead outside, which is no harm before they are followed.
attempt("symlink to outside", lambda: os.symlink(outside, f"{INSIDE}/leads"))
attempt("symlink with dots", lambda: os.symlink(f"../{name}", f"{INSIDE}/climbs"))
print("# outside")
attempt("create", lambda: opened(f"{OUTSIDE}/new", CREATE))
attempt("write", lambda: opened(outside, os.O_WRONLY))
attempt("read and write", lambda: opened(outside, os.O_RDWR))
attempt("truncate while reading", lambda: opened(outside, os.O_RDONLY | os.O_TRUNC))
attempt("temporary file", lambda: opened(OUTSIDE, os.O_TMPFILE | os.O_RDWR))
attempt("dots", lambda: opened(up, os.O_WRONLY))
attempt("slashes", lambda: opened("//" + outside, os.O_WRONLY))
attempt("from the working directory", lambda: opened(f"../{name}/file", os.O_WRONLY))
attempt("the directory's name continued", lambda: opened(f"{INSIDE}-other", CREATE))
attempt("by a link", lambda: opened(f"{INSIDE}/leads", os.O_WRONLY))
attempt("by a link with dots", lambda: opened(f"{INSIDE}/climbs/new", CREATE))
attempt("from a directory", lambda: opened("file", os.O_WRONLY, dir_fd=FOLDER))
attempt("creat", lambda: raw("creat", outside.encode(), 0o600))
attempt("openat2", lambda: raw("syscall", 437, FOLDER, b"file", struct.pack("=QQQ", os.O_WRONLY, 0, 0), 24))
attempt("by the root of a process", lambda: opened(f"/proc/self/root{outside}", os.O_WRONLY))
attempt("by a descriptor of a process", lambda: opened(f"/proc/self/fd/{FILE}", os.O_WRONLY))
attempt("by a directory of a process", lambda: opened(f"/proc/self/fd/{FOLDER}/file", os.O_WRONLY))
attempt("rename out", lambda: os.rename(f"{INSIDE}/b", f"{OUTSIDE}/b"))
attempt("rename in", lambda: os.rename(outside, f"{INSIDE}/d"))
attempt("rename over", lambda: os.rename(f"{INSIDE}/b", outside))
attempt("rename from a directory", lambda: os.rename("file", f"{INSIDE}/d", src_dir_fd=FOLDER))
attempt("rename a directory", lambda: os.rename(f"{OUTSIDE}/folder", f"{INSIDE}/d"))
attempt("exchange", lambda: raw("renameat2", -100, f"{INSIDE}/b".encode(), -100, outside.encode(), 2))
attempt("exchange back", lambda: raw("renameat2", FOLDER, b"file", -100, f"{INSIDE}/b".encode(), 2))
attempt("link to outside", lambda: os.link(outside, f"{INSIDE}/d"))
attempt("link outside", lambda: os.link(f"{INSIDE}/b", f"{OUTSIDE}/b"))
attempt("link by a descriptor's name", lambda: raw("linkat", -100, f"/proc/self/fd/{FILE}".encode(), -100, f"{INSIDE}/d".encode(), 0x400))
attempt("symlink outside", lambda: os.symlink("file", f"{OUTSIDE}/link"))
attempt("mkdir", lambda: os.mkdir(f"{OUTSIDE}/other"))
attempt("mkdir by a link", lambda: os.mkdir(f"{INSIDE}/climbs/other"))
attempt("rmdir", lambda: os.rmdir(f"{OUTSIDE}/folder"))
attempt("unlink", lambda: os.unlink(outside))
attempt("unlink by a link", lambda: os.unlink(f"{INSIDE}/climbs/file"))
attempt("unlink from a directory", lambda: os.unlink("file", dir_fd=FOLDER))
attempt("truncate", lambda: os.truncate(outside, 0))
attempt("truncate by a link", lambda: os.truncate(f"{INSIDE}/leads", 0))
attempt("flags", lambda: fcntl.ioctl(FILE, 0x40086602, struct.pack("l", 0)))
attempt("extended flags", lambda: fcntl.ioctl(FILE, 0x401C5820, bytes(28)))
attempt("old version of ext4", lambda: fcntl.ioctl(FILE, 0x40086604, struct.pack("l", 777)))
attempt("late blocks of ext4", lambda: fcntl.ioctl(FILE, 0x660C))
bpf = 321 if os.uname().machine == "x86_64" else 280
attempt("map of BPF", lambda: raw("syscall", bpf, 0, struct.pack("=IIII112x", 2, 4, 4, 1), 128))
attempt("fifo", lambda: os.mkfifo(f"{OUTSIDE}/fifo"))
attempt("device", lambda: os.mknod(f"{INSIDE}/device", stat.S_IFBLK | 0o600, os.makedev(7, 0)))
attempt("bind", lambda: socket.socket(socket.AF_UNIX).bind(f"{OUTSIDE}/socket"))
attempt("ring", lambda: raw("syscall", 425, 1, ctypes.create_string_buffer(120)))
# Two more directories of the policy: what replaces them leads elsewhere.
EMPTY = f"{INSIDE}-empty"
attempt("remove a directory of the list", lambda: os.rmdir(EMPTY))
attempt("rename it", lambda: os.rename(EMPTY, f"{INSIDE}/moved"))
attempt("symlink in its place", lambda: raw("renameat2", -100, f"{INSIDE}/climbs".encode(), -100, EMPTY.encode(), 2))


def changed_root():
    os.chroot(OUTSIDE)
    opened("/file", os.O_WRONLY)


def mounted(flags):
    raw("mount", OUTSIDE.encode(), INSIDE.encode(), None, flags, None)
    opened(f"{INSIDE}/file", os.O_WRONLY)


def in_namespaces(action):
    """As `unshare -Urm`; the maps of users are files of /proc, so the process has its privileges without them."""

    def act():
        raw("unshare", 0x1000_0000 | 0x2_0000)
        action()

    return act


def overlay():
    """A mount of an overlay makes directories in `workdir`."""
    context = raw("syscall", 430, b"overlay", 0)
    for key in ("lowerdir", "upperdir", "workdir"):
        raw("syscall", 431, context, 1, key.encode(), f"{OUTSIDE}/{key}".encode(), 0)
    raw("syscall", 431, context, 6, None, None, 0)


def cloned_mount():
    tree = raw("syscall", 428, -100, OUTSIDE.encode(), 1)
    opened("file", os.O_WRONLY, dir_fd=tree)


def core_dump():
    os.chdir(OUTSIDE)
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    os.kill(os.getpid(), signal.SIGSEGV)


for where, wrap in (("", lambda action: action), (" in namespaces", in_namespaces)):
    apart(f"another root{where}", wrap(changed_root))
    apart(f"bind mount{where}", wrap(lambda: mounted(4096)))
    apart(f"remount{where}", wrap(lambda: mounted(32 | 4096)))
    apart(f"tmpfs{where}", wrap(lambda: raw("mount", b"none", OUTSIDE.encode(), b"tmpfs", 0, None)))
    apart(f"overlay{where}", wrap(overlay))
    apart(f"clone of a mount{where}", wrap(cloned_mount))
apart("core dump", core_dump)

if len(sys.argv) > 3:
    PID = int(sys.argv[3])
    attempt("memory of a process", lambda: opened(f"/proc/{PID}/mem", os.O_RDWR))
    attempt("file of a process", lambda: opened(f"/proc/{PID}/fd/9", os.O_WRONLY))
    attempt("directory of a process", lambda: opened(f"/proc/{PID}/cwd/file", os.O_WRONLY))
    attempt("trace", lambda: raw("ptrace", 16, PID, None, None))
    attempt("write memory", lambda: raw("process_vm_writev", PID, None, 0, None, 0, 0))
    process = os.pidfd_open(PID)
    attempt("take a file", lambda: raw("syscall", 438, process, 9, 0))

print("# metadata")
attempt("chmod", lambda: os.chmod(outside, 0o777))
attempt("fchmod", lambda: os.fchmod(FILE, 0o777))
attempt("fchmodat2", lambda: raw("syscall", 452, -100, outside.encode(), 0o777, 0))
attempt("chown", lambda: os.chown(outside, os.getuid(), -1))
attempt("lchown", lambda: os.lchown(outside, os.getuid(), -1))
attempt("fchown", lambda: os.fchown(FILE, os.getuid(), -1))
attempt("fchownat by descriptor", lambda: raw("fchownat", FILE, b"", os.getuid(), -1, 0x1000))
attempt("setxattr", lambda: os.setxattr(outside, "user.a", b"b"))
attempt("fsetxattr", lambda: os.setxattr(FILE, "user.b", b"b"))
attempt("removexattr", lambda: os.removexattr(outside, "user.a"))
attempt("fremovexattr", lambda: os.removexattr(FILE, "user.b"))
attempt("utime", lambda: os.utime(outside))
attempt("times by descriptor", lambda: os.utime(FILE))
attempt("inside", lambda: os.chmod(f"{INSIDE}/b", 0o600))
