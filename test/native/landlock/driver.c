// SPDX-License-Identifier: MIT
/*
 * Makes trees of files, enters Landlock domains, does operations in them, and prints the errno of each without the domains
 * and with them. `driver FOLDER UID` reads trees from stdin, makes them in FOLDER, and does the operations as UID;
 * `driver --here UNUSED` makes the trees where it is, and does operations without a domain of its own.
 *
 * A line is a word and its arguments; paths are absolute and have no spaces:
 *   d f l p s c b w   make a directory, a file, a link, a FIFO, a socket, devices, a whiteout; h, m, v: hard link, bind mount, move
 *   start             the rules are made here
 *   layer FS NET SCOPES; rule PATH RIGHTS; port PORT RIGHTS
 *   layers BYTES      or the launcher makes them (native/launcher/layers.h), of bytes in hexadecimal digits
 *   do OPERATION …    the operations; `deny`: not without the domains
 *   end               does all this, and prints a line for each operation: the errno without domains (or -1), and with them; or
 *                   -2 and the errno for which the launcher makes no rules
 * After an operation that changes the tree it is made again.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <linux/landlock.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <grp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../native/launcher/layers.h"

enum { MOST_LINES = 4096, MOST_WORDS = 8, MOST_LAYERS = 16 };

struct line {
  char *words[MOST_WORDS];
};
struct lines {
  int count;
  struct line line[MOST_LINES];
};
static struct lines before, after, rules, operations;

static const char *folder;
static uid_t user;
static pid_t outsider;
static char abstract_name[32];
static int *shared; /* The number of results, then the results. */

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
  va_list list;
  va_start(list, format);
  vfprintf(stderr, format, list);
  fprintf(stderr, ": %s\n", strerror(errno));
  exit(1);
}

/* ---- Trees ---- */

#if defined(__x86_64__)
enum { MACHINE = EM_X86_64 };
static const unsigned char code[] = {0x31, 0xff, 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05}; /* exit(0) */
#else
enum { MACHINE = EM_AARCH64 };
static const unsigned char code[] = {0, 0, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 1, 0, 0, 0xd4};
#endif

/* A program that ends at once. Each can be the interpreter of another. */
static void write_program(int file, const char *interpreter) {
  struct {
    Elf64_Ehdr header;
    Elf64_Phdr parts[2];
    unsigned char code[16];
    char interpreter[256];
  } image;
  memset(&image, 0, sizeof image);
  size_t length = interpreter == NULL ? 0 : strlen(interpreter) + 1;
  Elf64_Ehdr *header = &image.header;
  memcpy(header->e_ident, ELFMAG, SELFMAG);
  header->e_ident[EI_CLASS] = ELFCLASS64;
  header->e_ident[EI_DATA] = ELFDATA2LSB;
  header->e_ident[EI_VERSION] = EV_CURRENT;
  header->e_type = ET_DYN;
  header->e_machine = MACHINE;
  header->e_version = EV_CURRENT;
  header->e_entry = offsetof(typeof(image), code);
  header->e_phoff = offsetof(typeof(image), parts);
  header->e_ehsize = sizeof *header;
  header->e_phentsize = sizeof image.parts[0];
  header->e_phnum = interpreter == NULL ? 1 : 2;
  image.parts[0] = (Elf64_Phdr){
      .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = sizeof image, .p_memsz = sizeof image, .p_align = 0x10000};
  image.parts[1] = (Elf64_Phdr){.p_type = PT_INTERP,
                                .p_flags = PF_R,
                                .p_offset = offsetof(typeof(image), interpreter),
                                .p_filesz = length,
                                .p_memsz = length,
                                .p_align = 1};
  memcpy(image.code, code, sizeof code);
  if (length != 0) memcpy(image.interpreter, interpreter, length);
  if (write(file, &image, sizeof image) != sizeof image) fail("write");
}

/* `empty`, `program`, `script=INTERPRETER`, `elf=INTERPRETER`. */
static void make_file(const char *path, const char *content) {
  int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (file < 0) fail("%s", path);
  if (strcmp(content, "program") == 0) write_program(file, NULL);
  if (strncmp(content, "elf=", 4) == 0) write_program(file, content + 4);
  if (strncmp(content, "script=", 7) == 0) dprintf(file, "#!%s\n", content + 7);
  close(file);
}

static mode_t mode_of(char kind) {
  switch (kind) {
    case 'f':
      return S_IFREG;
    case 'p':
      return S_IFIFO;
    case 'b':
      return S_IFBLK;
    default:
      return S_IFCHR;
  }
}

/* /dev/null, a block device that does not exist, a whiteout. */
static dev_t device_of(char kind) { return kind == 'c' ? makedev(1, 3) : kind == 'b' ? makedev(0, 1) : 0; }

/* The tree's sockets, on which this process listens. */
static int listening[MOST_LINES], sockets;

static int make_socket(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) fail("%s is too long", path);
  strcpy(address.sun_path, path);
  int file = listening[sockets++] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return bind(file, (struct sockaddr *)&address, sizeof address) != 0 ? -1 : listen(file, MOST_LINES);
}

static void make_entry(struct line *line) {
  const char *path = line->words[1], *other = line->words[2];
  char kind = line->words[0][0];
  int result = 0;
  switch (kind) {
    case 'd':
      result = mkdir(path, 0755);
      break;
    case 'f':
      make_file(path, other);
      break;
    case 'l':
      result = symlink(other, path);
      break;
    case 's':
      result = make_socket(path);
      break;
    case 'h':
      result = linkat(AT_FDCWD, other, AT_FDCWD, path, 0);
      break;
    case 'm':
      result = mount(other, path, NULL, MS_BIND, NULL);
      break;
    case 'v':
      result = rename(other, path);
      break;
    default:
      result = mknod(path, mode_of(kind) | 0755, device_of(kind));
  }
  if (result != 0) fail("%c %s", kind, path);
  if (user != 0 && kind != 'h' && kind != 'm' && kind != 'v' && lchown(path, user, user) != 0) fail("lchown %s", path);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place) {
  (void)status, (void)type;
  if (place->level > 0 && remove(path) != 0) fail("remove %s", path);
  return 0;
}

static int mounts;

static void remove_tree(void) {
  while (sockets > 0) close(listening[--sockets]);
  /* Mounts of a folder that has been moved, and mounts in mounts, go with the whole. */
  if (mounts > 0) {
    if (umount2(folder, MNT_DETACH) != 0 || mount("tree", folder, "tmpfs", 0, "mode=755") != 0) fail("mount");
    if (lchown(folder, user, user) != 0) fail("lchown");
    mounts = 0;
    return;
  }
  if (nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0) fail("nftw");
}

static int rulesets[MOST_LAYERS], layers;

/* What the launcher's file needs of others. */
size_t string_length(const char *string) { return strlen(string); }
void *allocate(size_t size);
void *allocate(size_t size) { return calloc(1, size); }
int strings_equal(const char *one, const char *other) { return strcmp(one, other) == 0; }
void print_best_effort(const char *missing, const char *what, long error) {
  (void)error;
  fail("%s: %s", missing, what);
}

static int refusal;

static void use_launcher(const char *digits) {
  static unsigned char bytes[MAX_LAYERS_SIZE] __attribute__((aligned(8)));
  size_t size = 0;
  for (unsigned byte; sscanf(digits + 2 * size, "%2x", &byte) == 1; size++) bytes[size] = (unsigned char)byte;
  const char *what;
  struct layers made;
  made.count = 0;
  long result = make_layers(&made, bytes, size, 0, &what);
  refusal = (int)-result;
  for (layers = 0; layers < made.count; layers++) rulesets[layers] = (int)made.rulesets[layers];
}

static void make_rules(void) {
  for (int i = 0; i < rules.count; i++) {
    char **words = rules.line[i].words;
    if (strcmp(words[0], "layers") == 0) {
      use_launcher(words[1]);
    } else if (strcmp(words[0], "layer") == 0) {
      struct {
        __u64 files, ports, scopes;
      } attributes = {strtoull(words[1], NULL, 10), strtoull(words[2], NULL, 10), strtoull(words[3], NULL, 10)};
      rulesets[layers] = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
      if (rulesets[layers++] < 0) fail("landlock_create_ruleset");
    } else if (strcmp(words[0], "rule") == 0) {
      struct landlock_path_beneath_attr rule = {.allowed_access = strtoull(words[2], NULL, 10)};
      rule.parent_fd = open(words[1], O_PATH | O_NOFOLLOW | O_CLOEXEC);
      if (rule.parent_fd < 0) fail("%s", words[1]);
      if (syscall(SYS_landlock_add_rule, rulesets[layers - 1], LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        fail("a rule on %s", words[1]);
      close(rule.parent_fd);
    } else {
      struct {
        __u64 access, port;
      } rule = {strtoull(words[2], NULL, 10), strtoull(words[1], NULL, 10)};
      if (syscall(SYS_landlock_add_rule, rulesets[layers - 1], 2 /* LANDLOCK_RULE_NET_PORT */, &rule, 0) != 0)
        fail("a rule on port %s", words[1]);
    }
  }
}

static void make_tree(void) {
  for (; layers > 0; layers--) close(rulesets[layers - 1]);
  remove_tree();
  for (int i = 0; i < before.count; i++) make_entry(&before.line[i]);
  make_rules();
  for (int i = 0; i < after.count; i++) make_entry(&after.line[i]);
  for (int i = 0; i < before.count; i++) mounts += before.line[i].words[0][0] == 'm';
  for (int i = 0; i < after.count; i++) mounts += after.line[i].words[0][0] == 'm';
}

/* ---- Operations: each returns 0 or an errno ---- */

static int error_of(long result) { return result < 0 ? errno : 0; }

/* Letters: read, write, both (`x`: neither), truncate, create, exclusive, directory, no follow, path, unnamed. */
static int open_file(const char *path, const char *letters) {
  int reads = strchr(letters, 'r') != NULL, writes = strchr(letters, 'w') != NULL;
  int flags = reads && writes ? O_RDWR : writes ? O_WRONLY : reads ? O_RDONLY : O_ACCMODE;
  if (strchr(letters, 't') != NULL) flags |= O_TRUNC;
  if (strchr(letters, 'c') != NULL) flags |= O_CREAT;
  if (strchr(letters, 'e') != NULL) flags |= O_EXCL;
  if (strchr(letters, 'd') != NULL) flags |= O_DIRECTORY;
  if (strchr(letters, 'n') != NULL) flags |= O_NOFOLLOW;
  if (strchr(letters, 'p') != NULL) flags |= O_PATH;
  if (strchr(letters, 'u') != NULL) flags |= O_TMPFILE;
  return open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0755);
}

static int execute(const char *path, int flags) {
  char *const words[] = {(char *)path, NULL}, *const environment[] = {NULL};
  volatile int error = 0;
  pid_t child = vfork();
  if (child == 0) {
    syscall(SYS_execveat, AT_FDCWD, path, words, environment, flags);
    error = errno;
    _exit(0);
  }
  int status;
  if (child < 0 || waitpid(child, &status, 0) != child) fail("vfork");
  return error != 0 ? error : status != 0 ? 10000 + status : 0;
}

static int bind_socket(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) fail("%s is too long", path);
  strcpy(address.sun_path, path);
  int socket_file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int error = error_of(bind(socket_file, (struct sockaddr *)&address, sizeof address));
  close(socket_file);
  return error;
}

static int make(const char *path, char kind) {
  if (kind == 'd') return error_of(mkdir(path, 0755));
  if (kind == 'l') return error_of(symlink("target", path));
  if (kind == 'S') return bind_socket(path);
  return error_of(mknod(path, mode_of(kind) | 0755, device_of(kind)));
}

static int make_inet_socket(const char *protocol, int version) {
  int type = strcmp(protocol, "tcp") == 0 ? SOCK_STREAM : SOCK_DGRAM;
  return socket(version == 6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

union internet {
  struct sockaddr any;
  struct sockaddr_in four;
  struct sockaddr_in6 six;
};

/* The socket of each operation that begins with one which has a port. */
static int bound[MOST_LINES];

static void bind_sockets(void) {
  for (int i = shared[0]; i < operations.count; i++) {
    char **words = operations.line[i].words + 1;
    if (words[4] == NULL || words[4][0] != 'b') continue;
    const int version = atoi(words[3]);
    union internet address;
    memset(&address, 0, sizeof address);
    address.any.sa_family = version == 6 ? AF_INET6 : AF_INET;
    bound[i] = make_inet_socket(words[1], version);
    if (bind(bound[i], &address.any, version == 6 ? sizeof address.six : sizeof address.four) != 0) fail("bind");
  }
}

/* `does`: `bind`, `connect` or `send`. `file`: the socket, or -1 for a new one. */
static int use_port(const char *does, const char *protocol, const char *port, int version, int file) {
  int binds = does[0] == 'b';
  if (file < 0) file = make_inet_socket(protocol, version);
  if (file < 0) return errno;
  int on = 1;
  setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  union internet address;
  memset(&address, 0, sizeof address);
  socklen_t length = version == 6 ? sizeof address.six : sizeof address.four;
  if (strcmp(port, "unspec") == 0) {
    address.any.sa_family = AF_UNSPEC;
  } else if (version == 6) {
    address.six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(atoi(port))};
    if (!binds) address.six.sin6_addr = in6addr_loopback;
  } else {
    address.four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    if (!binds) address.four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  long result = does[0] == 's' ? sendto(file, "", 1, 0, &address.any, length)
                : binds        ? bind(file, &address.any, length)
                               : connect(file, &address.any, length);
  int error = error_of(result);
  close(file);
  return error;
}

static int send_signal(int outside) {
  if (outside) return error_of(kill(outsider, 0));
  pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  int error = error_of(kill(child, 0));
  /* Without a domain's permission even SIGKILL fails. */
  if (kill(child, SIGKILL) != 0 || waitpid(child, NULL, 0) != child) fail("a child of this process cannot be killed");
  return error;
}

static int listen_at(const char *name, struct sockaddr_un *address, socklen_t *length) {
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  strcpy(address->sun_path + 1, name);
  *length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
  int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(file, (struct sockaddr *)address, *length) != 0 || listen(file, 8) != 0) fail("listen");
  return file;
}

static int connect_abstract(int outside) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  socklen_t length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(abstract_name);
  strcpy(address.sun_path + 1, abstract_name);
  char inner[48];
  snprintf(inner, sizeof inner, "%s-%d", abstract_name, getpid());
  int listener = outside ? -1 : listen_at(inner, &address, &length);
  int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int error = error_of(connect(file, (struct sockaddr *)&address, length));
  close(file);
  if (listener >= 0) close(listener);
  return error;
}

static int connect_unix(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) fail("%s is too long", path);
  strcpy(address.sun_path, path);
  int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int error = error_of(connect(file, (struct sockaddr *)&address, sizeof address));
  close(file);
  return error;
}

static int operate(struct line *line, int *changes) {
  char **words = line->words + 1;
  const char *what = words[0], *path = words[1], *other = words[2];
  int error = 0;
  *changes = 0;
  if (strcmp(what, "open") == 0 || strcmp(what, "ftruncate") == 0 || strcmp(what, "ioctl") == 0) {
    int file = open_file(path, other);
    error = error_of(file);
    if (error == 0 && what[0] == 'f') error = error_of(ftruncate(file, 0));
    if (error == 0 && what[0] == 'i') error = error_of(ioctl(file, strtoul(words[3], NULL, 10), 0));
    if (file >= 0) close(file);
    /* A file that is made and then not opened stays. */
    *changes = strchr(other, 'c') != NULL || strchr(other, 't') != NULL || what[0] == 'f';
    return error;
  }
  if (strcmp(what, "execute") == 0) return execute(path, other[0] == 'n' ? AT_SYMLINK_NOFOLLOW : 0);
  if (strcmp(what, "bind") == 0 || strcmp(what, "connect") == 0 || strcmp(what, "send") == 0)
    return use_port(what, path, other, atoi(words[3]), words[4][0] == 'b' ? bound[line - operations.line] : -1);
  if (strcmp(what, "unix") == 0) return connect_unix(path);
  if (strcmp(what, "signal") == 0) return send_signal(path[0] == 'o');
  if (strcmp(what, "abstract") == 0) return connect_abstract(path[0] == 'o');
  if (strcmp(what, "make") == 0) error = make(path, other[0]);
  if (strcmp(what, "remove") == 0) error = error_of(other[0] == 'd' ? rmdir(path) : unlink(path));
  if (strcmp(what, "truncate") == 0) error = error_of(truncate(path, 0));
  if (strcmp(what, "link") == 0)
    error = error_of(linkat(AT_FDCWD, path, AT_FDCWD, other, words[3][0] == 'f' ? AT_SYMLINK_FOLLOW : 0));
  if (strcmp(what, "rename") == 0) {
    const char flag = words[3][0];
    unsigned flags = flag == 'e' ? RENAME_EXCHANGE : flag == 'n' ? RENAME_NOREPLACE : flag == 'w' ? RENAME_WHITEOUT : 0;
    error = error_of(syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, other, flags));
  }
  *changes = error == 0;
  return error;
}

static void become_user(void) {
  if (geteuid() == 0 && user != 0 &&
      (setgroups(0, NULL) != 0 || setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0))
    fail("setresuid");
}

/* Operations from the first that has no result, until one changes the tree. */
static void operate_in_child(int confined, int *results) {
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    become_user();
    bind_sockets();
    if (confined && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("no_new_privs");
    for (int i = 0; confined && i < layers; i++)
      if (syscall(SYS_landlock_restrict_self, rulesets[i], 0) != 0) fail("landlock_restrict_self");
    int changes = 0;
    for (; !changes && shared[0] < operations.count; shared[0]++) {
      struct line *line = &operations.line[shared[0]];
      int skip = !confined && strcmp(line->words[0], "deny") == 0;
      results[shared[0]] = skip ? -1 : operate(line, &changes);
    }
    _exit(0);
  }
  int status;
  if (waitpid(child, &status, 0) != child || status != 0) fail("operation %d ends the process", shared[0]);
}

static void do_all(void) {
  int *results[2] = {shared + 1, shared + 1 + MOST_LINES};
  for (int confined = 0; confined < 2; confined++) {
    for (shared[0] = 0; shared[0] < operations.count;) {
      make_tree();
      operate_in_child(confined, results[confined]);
    }
  }
  for (int i = 0; i < operations.count; i++)
    printf("%d %d\n", refusal != 0 ? -2 : results[0][i], refusal != 0 ? refusal : results[1][i]);
  refusal = 0;
}

static void start_outsider(void) {
  snprintf(abstract_name, sizeof abstract_name, "portcullis-%d", getpid());
  int ready[2];
  if (pipe(ready) != 0) fail("pipe");
  outsider = fork();
  if (outsider == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    become_user();
    /* A change of the user clears it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct sockaddr_un address;
    socklen_t length;
    int listener = listen_at(abstract_name, &address, &length);
    if (write(ready[1], "", 1) != 1) _exit(1);
    for (;;) close(accept(listener, NULL, NULL));
  }
  char byte;
  if (outsider < 0 || read(ready[0], &byte, 1) != 1) fail("the process outside");
  close(ready[0]), close(ready[1]);
}

/* Namespaces of its own: mounts, and ports that nobody else has. */
static void separate(void) {
  if (geteuid() != 0) return;
  if (unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) fail("unshare");
  struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int file = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (ioctl(file, SIOCSIFFLAGS, &loopback) != 0) fail("the loopback interface");
  close(file);
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) fail("mount");
  if (mount("tree", folder, "tmpfs", 0, "mode=755") != 0 || lchown(folder, user, user) != 0) fail("mount %s", folder);
}

/* The words stay in the text. */
static void add(struct lines *lines, char *text) {
  if (lines->count == MOST_LINES) fail("too many lines");
  struct line *line = &lines->line[lines->count++];
  memset(line, 0, sizeof *line);
  char *rest = text;
  for (int i = 0; rest != NULL && i < MOST_WORDS; i++) line->words[i] = strsep(&rest, " ");
}

static char *read_all(void) {
  size_t size = 0, room = 1 << 20;
  char *text = malloc(room);
  while (text != NULL) {
    ssize_t length = read(0, text + size, room - size - 1);
    if (length < 0) fail("read");
    text[size += (size_t)length] = 0;
    if (length == 0) return text;
    if (size < room / 2) continue;
    char *larger = realloc(text, room *= 2);
    if (larger == NULL) free(text);
    text = larger;
  }
  fail("memory");
}

int main(int count, char **words) {
  if (count != 3) return 2;
  int here = strcmp(words[1], "--here") == 0;
  folder = words[1];
  user = (uid_t)atoi(words[2]);
  umask(0);
  shared = mmap(NULL, (1 + 2 * MOST_LINES) * sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) fail("mmap");
  if (!here) {
    separate();
    start_outsider();
  }
  struct lines *entries = &before;
  char *rest = read_all();
  for (char *text; (text = strsep(&rest, "\n")) != NULL;) {
    if (*text == 0) continue;
    if (strcmp(text, "start") == 0) {
      entries = &after;
    } else if (strcmp(text, "end") == 0) {
      do_all();
      before.count = after.count = rules.count = operations.count = 0;
      entries = &before;
    } else if (strncmp(text, "do ", 3) == 0 && here) {
      int changes;
      operations.count = 0;
      add(&operations, text);
      printf("%d\n", operate(&operations.line[0], &changes));
      fflush(stdout);
    } else if (here) {
      before.count = 0;
      add(&before, text);
      make_entry(&before.line[0]);
    } else if (strncmp(text, "do ", 3) == 0 || strncmp(text, "deny ", 5) == 0) {
      add(&operations, text);
    } else {
      int isRule = strncmp(text, "layer", 5) == 0 || strncmp(text, "rule ", 5) == 0 || strncmp(text, "port ", 5) == 0;
      add(isRule ? &rules : entries, text);
    }
  }
  if (outsider > 0) kill(outsider, SIGKILL);
  if (!here && geteuid() != 0) remove_tree();
  return 0;
}
