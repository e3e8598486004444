"""Tries to reach Unix sockets in FOLDER, of which `agent` is the one that may be. `serve` first listens on all of them."""
import ctypes, errno, mmap, os, socket, struct, sys, time

FOLDER = sys.argv[2]
libc = ctypes.CDLL(None, use_errno=True)
agent, other, datagrams = (f"{FOLDER}/{name}" for name in ("agent", "other", "datagrams"))
abstract = f"\0{agent}"


def serve():
    """Answers each connection with the name of its socket."""
    names = {}
    for name, path in (("agent", agent), ("other", other), ("abstract", abstract)):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(64)
        if path[0] != "\0":
            os.chmod(path, 0o777)
        if os.fork() == 0:
            while True:
                connection = listener.accept()[0]
                try:
                    connection.sendall(name.encode())
                except OSError:
                    pass
                connection.close()
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(datagrams)
    os.chmod(datagrams, 0o777)
    os.symlink(agent, f"{FOLDER}/link")
    print("serving", flush=True)
    while True:
        print("datagram", receiver.recv(100), flush=True)


def raw(name, *words):
    result = libc[name](*words)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def attempt(name, action):
    try:
        print(name, action() or "ok", flush=True)
    except OSError as error:
        print(name, os.strerror(error.errno), flush=True)


def stream(path):
    def act():
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(path)
            return f"reached {one.recv(100).decode()}"

    return act


def by_descriptor():
    file = os.open(agent, os.O_PATH)
    return stream(f"/proc/self/fd/{file}")()


def from_folder():
    os.chdir(FOLDER)
    return stream("agent")()


def datagram(action):
    return lambda: action(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) and None


def reconnected(one):
    """connect(2) of AF_UNSPEC takes back what a datagram socket was connected to; then it is connected elsewhere."""
    libc.connect(one.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16)
    one.connect(datagrams)
    one.send(b"reconnected")


def many(one):
    name = struct.pack("=H", socket.AF_UNIX) + datagrams.encode() + b"\0"
    address, data = ctypes.create_string_buffer(name), ctypes.create_string_buffer(b"many")
    vector = struct.pack("PN", ctypes.addressof(data), 4)
    vectors = ctypes.create_string_buffer(vector)
    header = struct.pack("P I P N P N i I", ctypes.addressof(address), len(name), ctypes.addressof(vectors), 1, 0, 0, 0, 0)
    raw("sendmmsg", one.fileno(), header, 1, 0)


def replaced():
    """Another socket at the path of the agent, which only who can write to its directory can make."""
    os.rename(other, agent)
    return stream(agent)()


def raced():
    """Another process changes the path between the two names while connect(2) reads it."""
    memory = mmap.mmap(-1, 4096)
    names = [struct.pack("=H", socket.AF_UNIX) + path.encode().ljust(100, b"\0") for path in (agent, other)]
    memory[: len(names[0])] = names[0]
    changer = os.fork()
    if changer == 0:
        while True:
            memory[: len(names[0])] = names[0]
            memory[: len(names[1])] = names[1]
    at = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    counts = {}
    for _ in range(int(sys.argv[3])):
        one = socket.socket(socket.AF_UNIX)
        if libc.connect(one.fileno(), ctypes.c_void_p(at), len(names[0])) == 0:
            result = one.recv(100).decode()
        else:
            result = errno.errorcode[ctypes.get_errno()]
        counts[result] = counts.get(result, 0) + 1
        one.close()
    os.kill(changer, 9)
    os.waitpid(changer, 0)
    return " ".join(sorted(counts))


def attempts():
    attempt("agent", stream(agent))
    attempt("other", stream(other))
    attempt("link", stream(f"{FOLDER}/link"))
    attempt("dots", stream(f"{FOLDER}/../{os.path.basename(FOLDER)}/agent"))
    attempt("slashes", stream(f"{FOLDER}//agent"))
    attempt("a longer name", stream(f"{agent}2"))
    attempt("descriptor", by_descriptor)
    attempt("root", stream(f"/proc/self/root{agent}"))
    attempt("abstract", stream(abstract))
    attempt("relative", from_folder)
    attempt("datagram", datagram(lambda one: one.sendto(b"datagram", datagrams)))
    attempt("message", datagram(lambda one: one.sendmsg([b"message"], [], 0, datagrams)))
    attempt("many", datagram(many))
    attempt("connected", datagram(lambda one: (one.connect(datagrams), one.send(b"connected"))))
    attempt("reconnected", datagram(reconnected))
    attempt("agent as a datagram", datagram(lambda one: one.connect(agent)))
    attempt("race", raced)
    attempt("mount", lambda: raw("mount", other.encode(), agent.encode(), None, 4096, None) and None)
    attempt("namespace", lambda: raw("unshare", 0x10020000) and None)
    attempt("mount there", lambda: raw("mount", other.encode(), agent.encode(), None, 4096, None) and None)
    attempt("replaced", replaced)


serve() if sys.argv[1] == "serve" else attempts()
