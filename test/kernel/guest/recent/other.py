# Another program that restricts itself, and is denied to read files while the file FILE exists.
import ctypes, os, struct, sys, time

libc = ctypes.CDLL(None)
attributes = struct.pack("QQQ", 1 << 2, 0, 0)
ruleset = libc.syscall(444, attributes, len(attributes), 0)
libc.prctl(38, 1, 0, 0, 0)
libc.syscall(446, ruleset, 2)
while os.path.exists(sys.argv[1]):
    try:
        open("/etc/hostname")
    except PermissionError:
        pass
    time.sleep(0.1)
