/** Statements of Python that open, link or rename what no-secrets takes for a credential, in a directory with `id_rsa` and `.aws/s`. victims/reach_around.c has the same in C. */
export const secretStatements = [
  ["a key", 'open("id_rsa").close()'],
  ["a key in a child", "if os.fork() == 0: open('id_rsa'); os._exit(0)\nos.wait()"],
  ["a key by an absolute path and dots", 'open(os.getcwd() + "/.aws/../id_rsa").close()'],
  ["a file from the directory of secrets", 'os.open("s", os.O_RDONLY, dir_fd=os.open(".aws", os.O_RDONLY))'],
  ["a file in the directory of secrets", 'os.chdir(".aws"); open("s").close()'],
  ["a link to it", 'os.symlink("id_rsa", "x"); open("x").close()'],
  ["a hard link to it", 'try: os.link("id_rsa", "x")\nexcept OSError: pass'],
  ["a new name", 'os.rename("id_rsa", "x"); open("x").close()'],
  ["the variables of a process", 'open(f"/proc/{os.getpid()}/environ").close()'],
] as const;

/** A program that connects to this port of the loopback before and after a statement, and prints what it gets. */
export function reachingAround(statement: string, port: number): string {
  return [
    "import os, socket",
    "def reach():",
    "  try:",
    `    socket.create_connection(("127.0.0.1", ${port})).close()`,
    '    print("reached")',
    "  except OSError as error:",
    "    print(os.strerror(error.errno))",
    "reach()",
    statement,
    "reach()",
  ].join("\n");
}
