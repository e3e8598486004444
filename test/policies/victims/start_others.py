"""Tries to execute programs; PROGRAM is the one that may be, SCRATCH a directory for files of its own."""
import ctypes, os, sys

PROGRAM, SCRATCH = sys.argv[1], sys.argv[2]
libc = ctypes.CDLL(None, use_errno=True)


def attempt(name, action):
    child = os.fork()
    if child == 0:
        try:
            action()
        except OSError as error:
            print(name, os.strerror(error.errno), flush=True)
        os._exit(99)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 99:
        print(name, "started", flush=True)


def start(path, *words, **variables):
    return lambda: os.execve(path, words, {"PATH": "/usr/bin", **variables})


def twice(variable):
    """An environment that a dict cannot express: the same variable two times."""

    def act():
        words = (ctypes.c_char_p * 3)(b"git", b"status", None)
        variables = (ctypes.c_char_p * 4)(f"{variable}=".encode(), b"A=b", f"{variable}=/x/y.so".encode(), None)
        libc.execve(PROGRAM.encode(), words, variables)
        raise OSError(ctypes.get_errno(), "")

    return act


def without_words():
    libc.execve(PROGRAM.encode(), None, None)
    raise OSError(ctypes.get_errno(), "")


def by_descriptor():
    file = os.open("/usr/bin/true", os.O_RDONLY)
    words = (ctypes.c_char_p * 2)(b"true", None)
    libc.execveat(file, b"", words, (ctypes.c_char_p * 1)(None), 0x1000)
    raise OSError(ctypes.get_errno(), "")


def fexecve():
    file = os.open("/usr/bin/true", os.O_RDONLY)
    os.execve(f"/proc/self/fd/{file}", ["true"], {})


def mounted():
    libc.unshare(0x10020000)
    if libc.mount(b"/usr/bin/true", PROGRAM.encode(), None, 4096, None) < 0:
        raise OSError(ctypes.get_errno(), "")


os.symlink(PROGRAM, f"{SCRATCH}/link")
with open(f"{SCRATCH}/script", "w") as script:
    script.write(f"#!{PROGRAM} status\n")
os.chmod(f"{SCRATCH}/script", 0o755)
attempt("allowed", start(PROGRAM, "git", "status"))
attempt("another command", start(PROGRAM, "git", "version"))
attempt("no command", start(PROGRAM, "git"))
attempt("no words", without_words)
attempt("options first", start(PROGRAM, "git", "-c", "core.pager=id", "log"))
attempt("another name", start(PROGRAM, "git-version", "status"))
attempt("another program", start("/usr/bin/true", "true", "status"))
attempt("dots", start("/usr/bin/../bin/git", "git", "status"))
attempt("link", start(f"{SCRATCH}/link", "git", "status"))
attempt("script", start(f"{SCRATCH}/script", "git", "status"))
attempt("descriptor", by_descriptor)
attempt("descriptor by name", fexecve)
attempt("linker", start("/lib64/ld-linux-x86-64.so.2", "ld.so", PROGRAM))
attempt("preload", start(PROGRAM, "git", "status", LD_PRELOAD="/x/y.so"))
attempt("preload twice", twice("LD_PRELOAD"))
attempt("pager", start(PROGRAM, "git", "status", GIT_PAGER="id"))
attempt("configured", start(PROGRAM, "git", "status", GIT_CONFIG_COUNT="0"))
attempt("mount", mounted)
os.chdir("/usr/bin")
attempt("relative", start("git", "git", "status"))
# The repository's configuration names a program that `git status` starts; git runs it by a shell.
os.chdir(SCRATCH)
attempt("started by git", start(PROGRAM, "git", "status"))
print("ran" if os.path.exists(f"{SCRATCH}/ran") else "did not run")
