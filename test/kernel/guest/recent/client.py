# Uses sockets and ports, and prints what the kernel says. client.py FOLDER
import os, socket, sys

os.chdir(sys.argv[1])


def attempt(what, call):
    try:
        call()
        print(what, "ok")
    except OSError as error:
        print(what, error.strerror)


def connect(name, text=b""):
    one = socket.socket(socket.AF_UNIX)
    one.connect(name)
    one.sendall(text)


def send(name):
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", name)


own = socket.socket(socket.AF_UNIX)
own.bind(f"own-{os.getpid()}")
own.listen()
attempt("agent", lambda: connect("agent", str(os.getpid()).encode()))
attempt("agent by a link", lambda: (os.symlink("agent", f"link-{os.getpid()}"), connect(f"link-{os.getpid()}", str(os.getpid()).encode())))
attempt("other", lambda: connect("other"))
attempt("letters", lambda: send("letters"))
attempt("other letters", lambda: send("other-letters"))
attempt("other letters by sendmsg", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendmsg([b"x"], [], 0, "other-letters"))
attempt("own", lambda: connect(f"own-{os.getpid()}"))


def udp(family=socket.AF_INET, port=None):
    one = socket.socket(family, socket.SOCK_DGRAM)
    if port is not None:
        one.bind(("localhost", port))
    return one


attempt("bind 5353", lambda: udp(port=5353))
attempt("bind 5354", lambda: udp(port=5354))
attempt("bind 0", lambda: udp(port=0))
attempt("connect 53", lambda: udp().connect(("127.0.0.1", 53)))
attempt("connect 54", lambda: udp().connect(("127.0.0.1", 54)))
attempt("connect 53 by IPv6", lambda: udp(socket.AF_INET6).connect(("::1", 53)))
attempt("connect 54 by IPv6", lambda: udp(socket.AF_INET6).connect(("::1", 54)))
attempt("send 53", lambda: udp().sendto(b"x", ("127.0.0.1", 53)))
attempt("send 54", lambda: udp().sendto(b"x", ("127.0.0.1", 54)))
attempt("bound, send 53", lambda: udp(port=5353).sendto(b"x", ("127.0.0.1", 53)))
attempt("bound, send 54", lambda: udp(port=5353).sendto(b"x", ("127.0.0.1", 54)))


def connected():
    one = udp(port=5353)
    one.connect(("127.0.0.1", 53))
    one.sendto(b"x", ("127.0.0.1", 54))


attempt("connected, send 54", connected)
attempt("tcp 54", lambda: socket.create_connection(("127.0.0.1", 54)))
