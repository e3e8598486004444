# Is denied four requests, and then tries to forge events of others. denials.py FOLDER
import ctypes, os, socket, struct, subprocess, sys, time

folder = sys.argv[1]


def attempt(call):
    try:
        call()
        print("not denied")
    except OSError as error:
        print(error.strerror)


log = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9)  # NETLINK_AUDIT
if os.getuid() == 0:
    log.bind((0, 1))  # AUDIT_NLGRP_READLOG
    log.settimeout(60)

attempt(lambda: open("/root/a-secret"))
attempt(lambda: socket.create_connection(("127.0.0.1", 54)))
attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 54)))
attempt(lambda: socket.socket(socket.AF_UNIX).connect(f"{folder}/other"))

if os.getuid() != 0:
    sys.exit()

# The domain, which a reader of the audit knows.
domain = None
while domain is None:
    record = log.recv(9000)
    if struct.unpack_from("IH", record)[1] == 1423 and b"/root/a" in record:
        domain = record.split(b"domain=")[1].split(b" ")[0].decode()


def message(kind, text, flags=0):
    body = text.encode()
    return struct.pack("IHHII", 16 + len(body), kind, flags, 1, 0) + body


stamp = f"audit({int(time.time())}.000:999999): "
access = f'{stamp}domain={domain} blockers=fs.execute path="/forged" dev="x" ino=1'
call = (
    f"{stamp}arch=c000003e syscall=59 success=no exit=-13 a0=0 a1=0 a2=0 a3=0 items=0 ppid=1 pid={os.getpid()} auid=0"
    ' uid=0 tty=(none) ses=1 comm="forged" exe="/forged" subj=unconfined key=(null)'
)
# A record of a program, and messages to each reader of the audit.
log.sendto(message(1107, access, 1), (0, 0))
with open("/proc/net/netlink") as table:
    rows = [line.split() for line in table][1:]
sent = 0
for row in rows:
    if row[1] == "9" and int(row[2]) not in (0, os.getpid()):
        for one in (message(1423, access), message(1300, call)):
            sent += log.sendto(one, (int(row[2]), 0)) > 0
print("forged", sent > 0)

# A domain of this process's own, with a name like those of the launcher's.
libc = ctypes.CDLL(None)
attributes = struct.pack("QQQ", 1 << 0, 0, 0)
ruleset = libc.syscall(444, attributes, len(attributes), 0)
libc.prctl(15, b"pcl-00000000-0", 0, 0, 0)
print("own domain", libc.syscall(446, ruleset, 2))
sys.stdout.flush()
attempt(lambda: os.execv("/usr/bin/true", ["true"]))
