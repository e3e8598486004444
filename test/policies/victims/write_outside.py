"""Tries to change something outside of INSIDE, in OUTSIDE, which has `file` and the directory `folder`."""
import ctypes, fcntl, os, socket, stat, struct, sys, time

INSIDE, OUTSIDE = sys.argv[1], sys.argv[2]
libc = ctypes.CDLL(None, use_errno=True)


def attempt(name, action):
    try:
        action()
        print(name, "ok", flush=True)
    except OSError as error:
        print(name, os.strerror(error.errno), flush=True)


def raw(name, *words):
    result = libc[name](*words)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def opened(path, flags, **more):
    os.close(os.open(path, flags, **more))


def from_folder(action):
    def act():
        folder = os.open(OUTSIDE, os.O_RDONLY | os.O_DIRECTORY)
        try:
            action(folder)
        finally:
            os.close(folder)

    return act


def in_file(action):
    def act():
        file = os.open(f"{OUTSIDE}/file", os.O_RDONLY)
        try:
            action(file)
        finally:
            os.close(file)

    return act


CREATE = os.O_WRONLY | os.O_CREAT
inside, outside, up = f"{INSIDE}/a", f"{OUTSIDE}/file", f"{INSIDE}/../{os.path.basename(OUTSIDE)}/file"
print("# inside")
attempt("create", lambda: opened(inside, CREATE))
attempt("rename", lambda: os.rename(inside, f"{INSIDE}/b"))
attempt("link", lambda: os.link(f"{INSIDE}/b", inside))
attempt("symlink", lambda: os.symlink("b", f"{INSIDE}/link"))
attempt("mkdir", lambda: os.mkdir(f"{INSIDE}/folder"))
attempt("rmdir", lambda: os.rmdir(f"{INSIDE}/folder"))
attempt("chmod", lambda: os.chmod(inside, 0o600))
attempt("utime", lambda: os.utime(inside))
attempt("truncate", lambda: os.truncate(inside, 0))
attempt("fifo", lambda: os.mkfifo(f"{INSIDE}/fifo"))
attempt("unlink", lambda: os.unlink(inside))
attempt("bind", lambda: socket.socket(socket.AF_UNIX).bind(f"{INSIDE}/socket"))
attempt("abstract", lambda: socket.socket(socket.AF_UNIX).bind(f"\0{INSIDE}"))
attempt("null", lambda: opened("/dev/null", os.O_WRONLY))
attempt("read outside", lambda: opened(outside, os.O_RDONLY))
print("# outside")
attempt("create", lambda: opened(f"{OUTSIDE}/new", CREATE))
attempt("write", lambda: opened(outside, os.O_WRONLY))
attempt("read and write", lambda: opened(outside, os.O_RDWR))
attempt("mode 3", lambda: opened(outside, 3))
attempt("truncate while reading", lambda: opened(outside, os.O_RDONLY | os.O_TRUNC))
attempt("temporary file", lambda: opened(OUTSIDE, os.O_TMPFILE | os.O_RDWR))
attempt("dots", lambda: opened(up, os.O_WRONLY))
attempt("slashes", lambda: opened("//" + outside, os.O_WRONLY))
attempt("the directory's name continued", lambda: opened(f"{INSIDE}-other", CREATE))
attempt("from a directory", from_folder(lambda at: opened("file", os.O_WRONLY, dir_fd=at)))
attempt("creat", lambda: raw("creat", outside.encode(), 0o600))
attempt("openat2", lambda: raw("syscall", 437, -100, outside.encode(), struct.pack("=QQQ", os.O_WRONLY, 0, 0), 24))


def by_descriptor(file):
    opened(f"/proc/self/fd/{file}", os.O_WRONLY)


attempt("reopen", in_file(by_descriptor))
attempt("rename out", lambda: os.rename(f"{INSIDE}/b", f"{OUTSIDE}/b"))
attempt("rename in", lambda: os.rename(outside, f"{INSIDE}/c"))
attempt("rename from a directory", from_folder(lambda at: os.rename("file", f"{INSIDE}/c", src_dir_fd=at)))
attempt("link to outside", lambda: os.link(outside, f"{INSIDE}/c"))
attempt("link by descriptor", in_file(lambda file: raw("linkat", file, b"", -100, f"{INSIDE}/c".encode(), 0x1000)))
attempt("symlink to outside", lambda: os.symlink(outside, f"{INSIDE}/c"))
attempt("symlink with dots", lambda: os.symlink(f"../{os.path.basename(OUTSIDE)}/file", f"{INSIDE}/c"))
attempt("symlink with later dots", lambda: os.symlink("x/../../y", f"{INSIDE}/c"))
attempt("symlink outside", lambda: os.symlink("file", f"{OUTSIDE}/link"))
attempt("mkdir", lambda: os.mkdir(f"{OUTSIDE}/other"))
attempt("rmdir", lambda: os.rmdir(f"{OUTSIDE}/folder"))
attempt("unlink", lambda: os.unlink(outside))
attempt("unlink from a directory", from_folder(lambda at: os.unlink("file", dir_fd=at)))
attempt("truncate", lambda: os.truncate(outside, 0))
attempt("chmod", lambda: os.chmod(outside, 0o777))
attempt("fchmod", in_file(lambda file: os.fchmod(file, 0o777)))
attempt("fchmodat2", lambda: raw("syscall", 452, -100, outside.encode(), 0o777, 0))
attempt("chown", lambda: os.chown(outside, os.getuid(), -1))
attempt("lchown", lambda: os.lchown(outside, os.getuid(), -1))
attempt("fchown", in_file(lambda file: os.fchown(file, os.getuid(), -1)))
attempt("fchownat by descriptor", in_file(lambda file: raw("fchownat", file, b"", os.getuid(), -1, 0x1000)))
attempt("setxattr", lambda: os.setxattr(outside, "user.a", b"b"))
attempt("fsetxattr", in_file(lambda file: os.setxattr(file, "user.a", b"b")))
attempt("removexattr", lambda: os.removexattr(outside, "user.given"))
attempt("utime", lambda: os.utime(outside))
attempt("times by descriptor", in_file(lambda file: os.utime(file)))
attempt("flags", in_file(lambda file: fcntl.ioctl(file, 0x40086602, struct.pack("l", 0))))
attempt("extended flags", in_file(lambda file: fcntl.ioctl(file, 0x401C5820, bytes(28))))
attempt("old version of ext4", in_file(lambda file: fcntl.ioctl(file, 0x40086604, struct.pack("l", 777))))
attempt("late blocks of ext4", in_file(lambda file: fcntl.ioctl(file, 0x660C)))
bpf = 321 if os.uname().machine == "x86_64" else 280
attempt("map of BPF", lambda: raw("syscall", bpf, 0, struct.pack("=IIII112x", 2, 4, 4, 1), 128))
attempt("fifo", lambda: os.mkfifo(f"{OUTSIDE}/fifo"))
attempt("device", lambda: os.mknod(f"{INSIDE}/device", stat.S_IFBLK | 0o600, os.makedev(7, 0)))
attempt("bind", lambda: socket.socket(socket.AF_UNIX).bind(f"{OUTSIDE}/socket"))
attempt("chroot", lambda: os.chroot(OUTSIDE))
attempt("mount", lambda: raw("mount", OUTSIDE.encode(), INSIDE.encode(), None, 4096, None))
# Two more directories of the policy: what replaces them leads elsewhere.
EMPTY, MISSING = f"{INSIDE}-empty", f"{INSIDE}-missing"
attempt("remove a directory of the list", lambda: os.rmdir(EMPTY))
attempt("with a slash", lambda: os.rmdir(f"{EMPTY}/"))
attempt("with slashes", lambda: os.rmdir(f"{EMPTY}//"))
attempt("rename it", lambda: os.rename(EMPTY, f"{INSIDE}/moved"))
attempt("rename to it", lambda: os.rename(f"{INSIDE}/b", MISSING))
attempt("link to it", lambda: os.link(f"{INSIDE}/b", MISSING))
attempt("symlink in its place", lambda: os.symlink(os.path.basename(OUTSIDE), MISSING))
print("# relative")
attempt("enter inside", lambda: os.chdir(INSIDE))
attempt("create here", lambda: opened("here", CREATE))
attempt("enter outside", lambda: os.chdir(OUTSIDE))
attempt("create there", lambda: opened("there", CREATE))
attempt("enter outside by descriptor", from_folder(os.fchdir))
attempt("create there", lambda: opened("there", CREATE))
attempt("enter outside by dots", lambda: os.chdir(f"{INSIDE}/../{os.path.basename(OUTSIDE)}"))
attempt("write there", lambda: opened("file", os.O_WRONLY))
