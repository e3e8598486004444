"""Tries to reach 127.0.0.1:PORT (allowed) and 127.0.0.2:PORT (another host) in every way that connects or sends."""
import ctypes, os, socket, struct, sys

port, udp_port = int(sys.argv[1]), int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)


def attempt(name, action):
    try:
        action()
        print(name, "ok", flush=True)
    except OSError as error:
        print(name, os.strerror(error.errno) if error.errno else error, flush=True)


def tcp(family=socket.AF_INET):
    return socket.socket(family, socket.SOCK_STREAM)


def raw(name, *words):
    result = libc[name](*words)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def udp():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def address(host, family=socket.AF_INET, to=port):
    return struct.pack("=HH4s8x", family, socket.htons(to), socket.inet_aton(host))


HERE, THERE = "127.0.0.1", "127.0.0.2"
attempt("connect here", lambda: tcp().connect((HERE, port)))
attempt("connect there", lambda: tcp().connect((THERE, port)))
attempt("connect to another port", lambda: tcp().connect((HERE, port ^ 1)))
attempt("connect mapped here", lambda: tcp(socket.AF_INET6).connect((f"::ffff:{HERE}", port)))
attempt("connect mapped there", lambda: tcp(socket.AF_INET6).connect((f"::ffff:{THERE}", port)))
attempt("fast open there", lambda: tcp().sendto(b"x", socket.MSG_FASTOPEN, (THERE, port)))
attempt("fast open there by sendmsg", lambda: tcp().sendmsg([b"x"], [], socket.MSG_FASTOPEN, (THERE, port)))


def short():
    with tcp() as one:
        raw("connect", one.fileno(), address(THERE), 8)


attempt("connect with a short address", short)
attempt("connect to 0.0.0.0", lambda: tcp().connect(("0.0.0.0", port)))
attempt("source route", lambda: tcp().setsockopt(0, 4, bytes([131, 7, 4, 127, 0, 0, 2, 0])))
attempt("routing header", lambda: tcp(socket.AF_INET6).setsockopt(41, 57, b""))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 6))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM))
attempt("vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))
attempt("mptcp", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262))
attempt("sctp", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132))
attempt("udp", udp)

if "datagrams" not in sys.argv:
    sys.exit()
# A socket that comes by a Unix socket: its destinations are judged like all others.
given = udp()
left, right = socket.socketpair()
socket.send_fds(left, [b"x"], [given.fileno()])
passed = socket.socket(fileno=socket.recv_fds(right, 1, 1)[1][0])
attempt("passed: send here", lambda: passed.sendto(b"here", (HERE, udp_port)))
attempt("passed: send there", lambda: passed.sendto(b"there", (THERE, udp_port)))
attempt("passed: sendmsg there", lambda: passed.sendmsg([b"there"], [], 0, (THERE, udp_port)))
attempt("passed: connect here", lambda: passed.connect((HERE, udp_port)))
attempt("passed: send, connected", lambda: passed.send(b"here"))
attempt("passed: send elsewhere while connected", lambda: passed.sendto(b"there", (THERE, udp_port)))
attempt("passed: connect there", lambda: passed.connect((THERE, udp_port)))
unspecified = address(THERE, socket.AF_UNSPEC, udp_port)
attempt("passed: disconnect", lambda: raw("connect", passed.fileno(), unspecified, 16))


def to_nowhere(host, text):
    return lambda: raw("sendto", passed.fileno(), text, len(text), 0, address(host, socket.AF_UNSPEC, udp_port), 16)


attempt("passed: AF_UNSPEC here", to_nowhere(HERE, b"here"))
attempt("passed: AF_UNSPEC there", to_nowhere(THERE, b"there"))


def many():
    name = ctypes.create_string_buffer(address(THERE, to=udp_port))
    data = ctypes.create_string_buffer(b"there")
    vector = (ctypes.c_uint64 * 2)(ctypes.addressof(data), 5)
    header = (ctypes.c_uint64 * 8)(ctypes.addressof(name), 16, ctypes.addressof(vector), 1, 0, 0, 0, 0)
    raw("sendmmsg", passed.fileno(), ctypes.byref(header), 1, 0)


attempt("passed: sendmmsg there", many)
