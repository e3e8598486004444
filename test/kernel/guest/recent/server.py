# Serves sockets outside of the tree in the folder FOLDER and runs a command, then prints who has connected.
# server.py FOLDER COMMAND...
import os, shutil, socket, struct, subprocess, sys, threading

folder = sys.argv[1]
os.mkdir(folder)
os.chdir(folder)
open_sockets = []


def serve(name, kind):
    one = socket.socket(socket.AF_UNIX, kind)
    one.bind(name)
    if kind == socket.SOCK_STREAM:
        one.listen()
    open_sockets.append(one)
    return one


agent = serve("agent", socket.SOCK_STREAM)
serve("other", socket.SOCK_STREAM)
letters = serve("letters", socket.SOCK_DGRAM)
serve("other-letters", socket.SOCK_DGRAM)
peers = []


def accept():
    while True:
        one, _ = agent.accept()
        peer, _, _ = struct.unpack("3i", one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        peers.append((peer, int(one.recv(100))))


threading.Thread(target=accept, daemon=True).start()
status = subprocess.run(sys.argv[2:]).returncode
print("status", status)
print("peers that the server sees as themselves:", sum(peer == said for peer, said in peers), "of", len(peers))
shutil.rmtree(folder)
