// SPDX-License-Identifier: MIT
/*
 * Opens files and connects sockets under a policy about the objects that paths lead to (test/live/objects.test.ts). The
 * working directory has allowed/, forbidden/ and agent.sock; what the policy refuses fails with EDOM. Each step is a line:
 * its name and the result.
 */
#include "victim.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static void tell(const char *name, long result) {
  if (result < 0) printf("%s %s\n", name, strerrorname_np((int)-result));
  else printf("%s %ld\n", name, result);
}

/* What a file begins with, as a number, or a negative errno. Takes the descriptor. */
static long first_of(long file) {
  unsigned char byte = '-';
  if (file < 0) return file;
  long count = result_of(read((int)file, &byte, 1));
  close((int)file);
  return count < 0 ? count : byte;
}

static long open_file(const char *path, int flags) {
  return result_of(syscall(SYS_openat, AT_FDCWD, path, flags, 0644));
}

static void show(const char *name, long file) {
  long byte = first_of(file);
  if (byte < 0) tell(name, byte);
  else printf("%s %c\n", name, (char)byte);
}

static long open_how(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = {flags, mode, resolve};
  return result_of(syscall(SYS_openat2, directory, path, &how, sizeof how));
}

static long size_of(const char *path) {
  struct stat found;
  return stat(path, &found) == 0 ? found.st_size : -errno;
}

static int paths(void) {
  char text[64];
  show("allowed", open_file("allowed/file", O_RDONLY));
  show("open", result_of(syscall(SYS_open, "allowed/file", O_RDONLY)));
  show("forbidden", open_file("forbidden/file", O_RDONLY));
  show("dot-dot", open_file("allowed/../forbidden/./file", O_RDONLY));
  show("link", open_file("allowed/link", O_RDONLY));
  show("directory-link", open_file("allowed/directory/file", O_RDONLY));
  show("hard-link", open_file("allowed/secret-by-another-name", O_RDONLY));
  int directory = open("forbidden", O_PATH | O_DIRECTORY);
  tell("directory", directory < 0 ? -errno : 0);
  if (chdir("forbidden") != 0) return 1;
  show("working-directory", open_file("file", O_RDONLY));
  tell("create", open_file("made", O_CREAT | O_WRONLY));
  tell("truncate", open_file("file", O_TRUNC | O_WRONLY));
  if (chdir("..") != 0) return 1;
  tell("made", size_of("forbidden/made"));
  tell("size", size_of("forbidden/file"));
  int allowed = open("allowed", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  show("dirfd", result_of(syscall(SYS_openat, allowed, "file", O_RDONLY)));
  show("dirfd-up", result_of(syscall(SYS_openat, allowed, "../forbidden/file", O_RDONLY)));
  tell("bad-dirfd", result_of(syscall(SYS_openat, 999, "file", O_RDONLY)));
  tell("no-directory", result_of(syscall(SYS_openat, 0, "file", O_RDONLY)));
  show("beneath", open_how(allowed, "file", O_RDONLY, 0, RESOLVE_BENEATH));
  tell("beneath-up", open_how(allowed, "../allowed/file", O_RDONLY, 0, RESOLVE_BENEATH));
  tell("no-links", open_how(allowed, "link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
  tell("wrong-flags", open_how(allowed, "file", 1ULL << 40, 0, 0));
  tell("wrong-mode", open_how(allowed, "file", O_RDONLY, 0644, 0));
  tell("no-follow", open_file("allowed/own-link", O_RDONLY | O_NOFOLLOW));
  tell("file-as-directory", open_file("allowed/file", O_RDONLY | O_DIRECTORY));
  tell("through-file", open_file("allowed/file/x", O_RDONLY));
  tell("missing", open_file("allowed/missing", O_RDONLY));
  tell("missing-above", open_file("allowed/missing/x", O_CREAT | O_WRONLY));
  tell("empty", open_file("", O_RDONLY));
  tell("null", result_of(syscall(SYS_openat, AT_FDCWD, NULL, O_RDONLY)));
  tell("exclusive", open_file("allowed/file", O_CREAT | O_EXCL | O_WRONLY));
  tell("create-directory", open_file("allowed", O_CREAT | O_WRONLY));
  tell("slash", open_file("allowed/new/", O_CREAT | O_WRONLY));
  tell("slash-file", open_file("allowed/file/", O_CREAT | O_WRONLY));
  tell("slash-exclusive", open_file("outer/", O_CREAT | O_EXCL | O_WRONLY));
  tell("slash-missing-above", open_file("allowed/missing/x/", O_CREAT | O_WRONLY));
  /* These can be read and not searched. */
  if (mkdir("allowed/unsearchable", 0444) != 0 || mkdir("forbidden/unsearchable", 0444) != 0) return 1;
  tell("unsearchable", open_file("allowed/unsearchable", O_RDONLY | O_DIRECTORY) < 0);
  tell("unsearchable-forbidden", open_file("forbidden/unsearchable", O_RDONLY | O_DIRECTORY));
  tell("dangling-forbidden", open_file("allowed/dangling-forbidden", O_CREAT | O_WRONLY));
  tell("still-missing", size_of("forbidden/by-link"));

  umask(027);
  struct stat found;
  int file = (int)open_file("allowed/new", O_CREAT | O_EXCL | O_RDWR);
  printf("mode %o\n", file >= 0 && fstat(file, &found) == 0 ? found.st_mode & 07777 : 0);
  printf("flags %d %d\n", fcntl(file, F_GETFD), (fcntl(file, F_GETFL) & (O_ACCMODE | O_NOFOLLOW)) == O_RDWR);
  tell("written", write(file, "new", 3));
  close(file);
  tell("again", open_file("allowed/new", O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC) < 0);
  tell("truncated", size_of("allowed/new"));
  file = (int)result_of(syscall(SYS_creat, "allowed/dangling", 0666));
  printf("dangling %d %d %ld\n", file >= 0, fcntl(file, F_GETFD), size_of("allowed/by-link"));
  file = (int)open_file("allowed", O_TMPFILE | O_RDWR);
  printf("unnamed %d\n", file >= 0 && fstat(file, &found) == 0 && found.st_nlink == 0);
  tell("unnamed-forbidden", open_file("forbidden", O_TMPFILE | O_RDWR));
  tell("path-only", open_file("allowed/own-link", O_PATH | O_NOFOLLOW));

  /* What means the caller itself. */
  file = (int)open_file("allowed/file", O_RDONLY | O_CLOEXEC);
  snprintf(text, sizeof text, "/proc/self/fd/%d", file);
  show("own-descriptor", open_file(text, O_RDONLY));
  snprintf(text, sizeof text, "/proc/thread-self/fd/%d", file);
  show("own-thread", open_file(text, O_RDONLY));
  snprintf(text, sizeof text, "/dev/fd/%d/../forbidden/file", allowed);
  show("descriptor-up", open_file(text, O_RDONLY));
  show("own-directory", open_file("/proc/self/cwd/allowed/file", O_RDONLY));
  show("own-directory-up", open_file("/proc/self/cwd/forbidden/file", O_RDONLY));
  show("own-root", open_file("/proc/self/root/proc/self/comm", O_RDONLY));
  tell("own-link-itself", open_file("/proc/self", O_RDONLY | O_NOFOLLOW));
  tell("restricted-walk", open_how(AT_FDCWD, "/proc/self/comm", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
  show("comm", open_file("/proc/self/comm", O_RDONLY));
  show("mounts", open_file("/proc/mounts", O_RDONLY));
  tell("no-process", open_file("/proc/self/fd/999", O_RDONLY));
  show("null-device", open_file("/dev/zero", O_RDONLY) < 0 ? -errno : open_file("allowed/file", O_RDONLY));
  int ends[2];
  if (pipe(ends) != 0 || write(ends[1], "p", 1) != 1) return 1;
  snprintf(text, sizeof text, "/proc/self/fd/%d", ends[0]);
  show("pipe", open_file(text, O_RDONLY));
  return 0;
}

/* The supervisor's own files: argument 2 is its process. */
static int supervisor(const char *process) {
  char text[64];
  snprintf(text, sizeof text, "/proc/%s/status", process);
  tell("absolute", open_file(text, O_RDONLY));
  snprintf(text, sizeof text, "/proc/%s", process);
  int directory = open(text, O_PATH);
  tell("itself", directory < 0 ? -errno : 0);
  if (chdir(text) != 0) return 1;
  tell("relative", open_file("status", O_RDONLY));
  tell("through-own-link", open_file("/proc/self/cwd/status", O_RDONLY));
  tell("up", open_file("/proc/self/cwd/task/../mem", O_RDWR));
  pid_t child = fork();
  if (child == 0) pause();
  snprintf(text, sizeof text, "/proc/%d/cwd", child);
  tell("other", open_file(text, O_RDONLY));
  kill(child, SIGKILL);
  return 0;
}

/* ── Other processes ─────────────────────────────────────────────────────────────────────────────────────────────── */

/* Opens files that the kernel protects as it protects tracing: of the process `argument`, which is outside the tree, or of a child. */
static void protected_files(const char *of, const char *process) {
  static const char *const names[] = {"mem",       "environ",
                                      "auxv",      "maps",
                                      "smaps",     "smaps_rollup",
                                      "numa_maps", "pagemap",
                                      "map_files", "syscall",
                                      "io",        "fd",
                                      "stack",     "fdinfo",
                                      "ns",        "personality",
                                      "ns/mnt",    "fd/0",
                                      "cwd",       "root/",
                                      "exe",       "missing",
                                      "net/unix",  "attr/current",
                                      "timers",    "map_files/1000-2000"};
  char text[64];
  long reached = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf(text, sizeof text, "/proc/%s/%s", process, names[i]);
    long file = open_file(text, O_RDONLY);
    if (file != -EACCES) printf("%s-%s %ld\n", of, names[i], file);
    snprintf(text, sizeof text, "/proc/%s/task/%s/%s", process, process, names[i]);
    reached += file != -EACCES || open_file(text, O_RDONLY) != -EACCES;
  }
  printf("%s-protected %ld\n", of, reached);
  snprintf(text, sizeof text, "/proc/%s/mem", process);
  printf("%s-memory %s\n", of, strerrorname_np((int)-open_file(text, O_RDWR)));
  snprintf(text, sizeof text, "/proc/self/../%s/task/../mem", process);
  printf("%s-around %s\n", of, strerrorname_np((int)-open_file(text, O_RDWR)));
  snprintf(text, sizeof text, "/proc/%s/mem", process);
  int memory = (int)syscall(428 /* open_tree */, AT_FDCWD, text, O_CLOEXEC);
  snprintf(text, sizeof text, "/proc/self/fd/%d", memory);
  printf("%s-descriptor %s\n", of, memory < 0 ? "-" : strerrorname_np((int)-open_file(text, O_RDWR)));
  snprintf(text, sizeof text, "/proc/%s", process);
  int directory = (int)open_file(text, O_RDONLY | O_DIRECTORY);
  long through = result_of(syscall(SYS_openat, directory, "mem", O_RDWR));
  printf("%s-through-directory %s\n", of, directory < 0 ? "-" : strerrorname_np((int)-through));
  if (chdir(text) != 0) exit(1);
  printf("%s-relative %s\n", of, strerrorname_np((int)-open_file("mem", O_RDWR)));
  printf("%s-through-own-link %s\n", of, strerrorname_np((int)-open_file("/proc/self/cwd/maps", O_RDONLY)));
  static const char *const public[] = {"status", "stat", "statm", "cmdline", "comm", "limits", "mountinfo", "task"};
  for (size_t i = 0; i < sizeof public / sizeof *public; i++)
    if (open_file(public[i], O_RDONLY) < 0) printf("%s-%s %s\n", of, public[i], strerrorname_np(errno));
}

static void *thread_of_this(void *number) {
  char text[64];
  snprintf(text, sizeof text, "/proc/%ld/maps", (long)number);
  tell("own-first-thread", open_file(text, O_RDONLY) < 0);
  snprintf(text, sizeof text, "/proc/%ld/maps", (long)syscall(SYS_gettid));
  tell("own-thread-by-number", open_file(text, O_RDONLY) < 0);
  snprintf(text, sizeof text, "/proc/self/task/%ld/environ", (long)syscall(SYS_gettid));
  tell("own-thread-below", open_file(text, O_RDONLY) < 0);
  tell("own-thread-itself", open_file("/proc/thread-self/mem", O_RDWR) < 0);
  return NULL;
}

static int others(const char *process) {
  char text[64];
  pthread_t thread;
  protected_files("outside", process);
  pid_t child = fork();
  if (child == 0) pause();
  snprintf(text, sizeof text, "%d", child);
  protected_files("child", text);
  kill(child, SIGKILL);
  tell("own-memory", open_file("/proc/self/mem", O_RDWR) < 0);
  tell("own-descriptors", open_file("/proc/self/fd", O_RDONLY | O_DIRECTORY) < 0);
  if (pthread_create(&thread, NULL, thread_of_this, (void *)(long)getpid()) != 0) return 1;
  pthread_join(thread, NULL);
  tell("restricted-missing", open_how(AT_FDCWD, "/proc/self/map_files/1000-2000", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
  int root = open("/", O_RDONLY | O_DIRECTORY);
  tell("restricted-root", open_how(root, "/proc/self/map_files/1000-2000", O_RDONLY, 0, RESOLVE_IN_ROOT));
  return 0;
}

/* ── Races ───────────────────────────────────────────────────────────────────────────────────────────────────────── */

static atomic_bool over;

/* allowed/flip leads to an allowed and to a forbidden file, in turn. */
static void *flip(void *argument) {
  (void)argument;
  while (!over) {
    if (rename("allowed/to-forbidden", "allowed/flip") != 0 && errno != ENOENT) abort();
    if (symlink("../forbidden/file", "allowed/to-forbidden") != 0 && errno != EEXIST) abort();
    if (rename("allowed/to-allowed", "allowed/flip") != 0 && errno != ENOENT) abort();
    if (symlink("file", "allowed/to-allowed") != 0 && errno != EEXIST) abort();
  }
  return NULL;
}

/* A directory that both files lie under is moved to and fro. */
static void *move(void *argument) {
  (void)argument;
  while (!over) {
    if (rename("forbidden/inner", "allowed/inner") != 0) abort();
    if (rename("allowed/inner", "forbidden/inner") != 0) abort();
  }
  return NULL;
}

/* `control`: the judgement looks at the path, and the open that follows looks once more. */
static int race(long tries, bool control) {
  pthread_t thread;
  long opened = 0, refused = 0, lost = 0, other = 0;
  if (pthread_create(&thread, NULL, flip, NULL) != 0) return 1;
  /* Until there was one of each: the other thread can lack a processor for long. */
  for (long i = 0; i < tries || (control ? lost == 0 : opened == 0 || refused == 0); i++) {
    char target[64] = "";
    if (control && (readlink("allowed/flip", target, sizeof target - 1) < 0 || strcmp(target, "file") != 0)) continue;
    long byte = first_of(open_file("allowed/flip", O_RDONLY));
    if (byte == 'a') opened++;
    else if (byte == 'f') lost++;
    else if (byte == -EDOM) refused++;
    else other++;
  }
  over = true;
  pthread_join(thread, NULL);
  printf("lost %ld\nopened %d\nrefused %d\nother %ld\n", lost, opened > 0, refused > 0, other);
  return 0;
}

/* A file below a directory that is moved is opened where it was judged, or refused. Its parent's name proves nothing. */
static int moving(long tries) {
  pthread_t thread;
  long wrong = 0;
  if (pthread_create(&thread, NULL, move, NULL) != 0) return 1;
  for (long i = 0; i < tries; i++) {
    /* This one lies under forbidden/fixed, which nothing moves out. */
    long byte = first_of(open_file("outer/forbidden-link/fixed/file", O_RDONLY));
    if (byte != -EDOM) wrong++;
    first_of(open_file("forbidden/inner/file", O_RDONLY));
  }
  over = true;
  pthread_join(thread, NULL);
  tell("wrong", wrong);
  return 0;
}

/* ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void *read_fifo(void *argument) {
  (void)argument;
  return (void *)first_of(open_file("allowed/fifo", O_RDONLY));
}

static int fifo(void) {
  pthread_t thread;
  void *byte;
  if (mkfifo("allowed/fifo", 0644) != 0 || pthread_create(&thread, NULL, read_fifo, NULL) != 0) return 1;
  long others = 0;
  for (int i = 0; i < 100; i++) others += first_of(open_file("allowed/file", O_RDONLY)) == 'a';
  tell("others", others);
  int end = (int)open_file("allowed/fifo", O_WRONLY);
  if (write(end, "x", 1) != 1) return 1;
  close(end);
  pthread_join(thread, &byte);
  printf("through %c\n", (char)(long)byte);
  tell("no-reader", open_file("allowed/fifo", O_WRONLY | O_NONBLOCK));
  return 0;
}

static void ignore(int signal) { (void)signal; }

static void *read_leased(void *argument) {
  (void)argument;
  return (void *)first_of(open_file("allowed/leased", O_RDONLY));
}

/* An open waits until the holder gives up its lease, or for /proc/sys/fs/lease-break-time. */
static int lease(void) {
  pthread_t thread;
  void *byte;
  long others = 0;
  int own = (int)open_file("allowed/leased", O_CREAT | O_RDWR);
  if (signal(SIGIO, SIG_IGN) == SIG_ERR || write(own, "x", 1) != 1) return 1;
  /* Files of this file system are opened at once from the second on. */
  close((int)open_file("allowed/file", O_RDONLY));
  if (fcntl(own, F_SETLEASE, F_WRLCK) != 0) return 1;
  tell("at-once", open_file("allowed/leased", O_RDONLY | O_NONBLOCK));
  if (pthread_create(&thread, NULL, read_leased, NULL) != 0) return 1;
  for (int i = 0; i < 100; i++) {
    int file = (int)open_file("allowed/file", O_RDONLY);
    others += (fcntl(file, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == O_RDONLY;
    close(file);
  }
  tell("others", others);
  tell("gives-up", fcntl(own, F_SETLEASE, F_UNLCK));
  pthread_join(thread, &byte);
  printf("through %c\n", (char)(long)byte);
  return 0;
}

/* The other end is never opened. */
static int interrupted(void) {
  const struct sigaction action = {.sa_handler = ignore};
  if (mkfifo("allowed/fifo", 0644) != 0 || sigaction(SIGALRM, &action, NULL) != 0) return 1;
  ualarm(50000, 0);
  tell("interrupted", open_file("allowed/fifo", O_RDONLY));
  return 0;
}

/* A child that waits is killed. */
static int killed(void) {
  if (mkfifo("allowed/fifo", 0644) != 0) return 1;
  for (int i = 0; i < 200; i++) {
    pid_t child = fork();
    if (child == 0) _exit(open_file("allowed/fifo", O_RDONLY) < 0);
    usleep(1000);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
  }
  tell("others", first_of(open_file("allowed/file", O_RDONLY)) == 'a');
  return 0;
}

static int count_descriptors(void) {
  int count = 0;
  DIR *directory = opendir("/proc/self/fd");
  while (directory != NULL && readdir(directory) != NULL) count++;
  if (directory != NULL) closedir(directory);
  return count;
}

/* The test counts the supervisor's at both lines. */
static int leaks(long tries) {
  char line[8];
  first_of(open_file("allowed/file", O_RDONLY));
  int before = count_descriptors();
  printf("begin\n");
  fflush(stdout);
  if (fgets(line, sizeof line, stdin) == NULL) return 1;
  for (long i = 0; i < tries; i++) {
    first_of(open_file("allowed/file", O_RDONLY));
    first_of(open_file("forbidden/file", O_RDONLY));
    open_file("allowed/missing", O_RDONLY);
    close((int)open_file("allowed/made", O_CREAT | O_WRONLY));
    unlink("allowed/made");
  }
  printf("end %d\n", count_descriptors() - before);
  fflush(stdout);
  return fgets(line, sizeof line, stdin) == NULL;
}

/* A lock and a busy text end with the caller's own close(2). */
static int closes(long tries) {
  long wrong = 0;
  for (long i = 0; i < tries; i++) {
    int end = (int)open_file("allowed/fifo", O_RDONLY | O_NONBLOCK);
    close(end);
    if (open_file("allowed/fifo", O_WRONLY | O_NONBLOCK) != -ENXIO) wrong++;
  }
  tell("wrong", wrong);
  return 0;
}

/* ── Callers that are not as portcullis is ───────────────────────────────────────────────────────────────────────── */

static int restrict_self(void) {
  struct {
    uint64_t files;
  } rights = {1 << 2 /* LANDLOCK_ACCESS_FS_READ_FILE */};
  long rules = result_of(syscall(SYS_landlock_create_ruleset, &rights, sizeof rights, 0));
  if (rules < 0) return (int)-rules;
  syscall(SYS_prctl, 38 /* PR_SET_NO_NEW_PRIVS */, 1, 0, 0, 0);
  return syscall(SYS_landlock_restrict_self, (int)rules, 0) == 0 ? 0 : errno;
}

static int drop_capabilities(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{0}};
  return syscall(SYS_capset, &header, data) == 0 ? 0 : errno;
}

static int confined(const char *how) {
  int error = 0;
  if (strcmp(how, "user") == 0) error = setresuid(1, 1, 1) == 0 ? 0 : errno;
  else if (strcmp(how, "group") == 0) error = setresgid(1, 1, 1) == 0 ? 0 : errno;
  else if (strcmp(how, "groups") == 0) error = setgroups(1, (gid_t[]){1}) == 0 ? 0 : errno;
  else if (strcmp(how, "capabilities") == 0) error = drop_capabilities();
  else if (strcmp(how, "root") == 0) error = chroot(".") == 0 ? 0 : errno;
  else if (strcmp(how, "mounts") == 0) error = unshare(CLONE_NEWNS) == 0 ? 0 : errno;
  else if (strcmp(how, "user-namespace") == 0) error = unshare(CLONE_NEWUSER) == 0 ? 0 : errno;
  else if (strcmp(how, "landlock") == 0) error = restrict_self();
  if (error != 0) {
    tell("impossible", -error);
    return 0;
  }
  if (strcmp(how, "landlock") == 0) {
    /* Its children, and theirs. */
    pid_t child = fork();
    if (child == 0) {
      pid_t grandchild = fork();
      if (grandchild == 0) tell("grandchild", open_file("allowed/file", O_RDONLY));
      waitpid(grandchild, NULL, 0);
      _exit(0);
    }
    waitpid(child, NULL, 0);
  }
  tell("confined", open_file(strcmp(how, "root") == 0 ? "/allowed/file" : "allowed/file", O_RDONLY));
  return 0;
}

/* ── Sockets ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

static long connect_to(int type, const char *path, bool is_abstract) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + is_abstract + strlen(path) + !is_abstract);
  memcpy(address.sun_path + is_abstract, path, strlen(path));
  int socket_ = socket(AF_UNIX, type, 0);
  long result = result_of(connect(socket_, (struct sockaddr *)&address, length));
  if (result == 0 && type == SOCK_STREAM)
    result = -result_of(connect(socket_, (struct sockaddr *)&address, length)) == EISCONN ? 0 : 1;
  close(socket_);
  return result;
}

static int serve(int type, const char *path, bool is_abstract) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + is_abstract + strlen(path) + !is_abstract);
  memcpy(address.sun_path + is_abstract, path, strlen(path));
  int socket_ = socket(AF_UNIX, type, 0);
  if (bind(socket_, (struct sockaddr *)&address, length) != 0) abort();
  if (type != SOCK_DGRAM && listen(socket_, 64) != 0) abort();
  return socket_;
}

static int sockets(void) {
  int agent = serve(SOCK_STREAM, "agent.sock", false);
  serve(SOCK_STREAM, "other.sock", false);
  serve(SOCK_STREAM, "agent.sock", true);
  serve(SOCK_DGRAM, "allowed/datagram.sock", false);
  tell("agent", connect_to(SOCK_STREAM, "agent.sock", false));
  tell("dots", connect_to(SOCK_STREAM, "allowed/../agent.sock", false));
  tell("link", connect_to(SOCK_STREAM, "allowed/agent-link", false));
  tell("other", connect_to(SOCK_STREAM, "other.sock", false));
  tell("abstract", connect_to(SOCK_STREAM, "agent.sock", true));
  tell("datagram", connect_to(SOCK_DGRAM, "allowed/datagram.sock", false));
  tell("wrong-type", connect_to(SOCK_DGRAM, "agent.sock", false));
  tell("missing", connect_to(SOCK_STREAM, "missing.sock", false));
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "agent.sock"};
  int file = (int)open_file("allowed/file", O_RDONLY);
  tell("no-socket", result_of(connect(file, (struct sockaddr *)&address, sizeof address)));
  tell("bad-descriptor", result_of(connect(999, (struct sockaddr *)&address, sizeof address)));
  int peer = accept(agent, NULL, NULL);
  struct ucred credentials;
  socklen_t length = sizeof credentials;
  if (getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return 1;
  printf("peer %d %d\n", credentials.uid == getuid(), credentials.pid == getpid());
  /* A full queue. */
  if (listen(agent, 0) != 0) return 1;
  for (int i = 0; i < 8; i++) {
    int one = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connect(one, (struct sockaddr *)&address, sizeof address) != 0) break;
  }
  tell("full", -errno);
  return 0;
}

int main(int count, char **words) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (count < 2) return 2;
  const char *what = words[1], *argument = count > 2 ? words[2] : "0";
  if (strcmp(what, "paths") == 0) return paths();
  if (strcmp(what, "supervisor") == 0) {
    char line[32] = "";
    printf("ready\n");
    if (fgets(line, sizeof line, stdin) == NULL) return 1;
    line[strcspn(line, "\n")] = 0;
    return supervisor(line);
  }
  if (strcmp(what, "others") == 0) return others(argument);
  if (strcmp(what, "status") == 0) {
    char text[64];
    snprintf(text, sizeof text, "/proc/%s/status", argument);
    tell("status", open_file(text, O_RDONLY) < 0 ? -errno : 0);
    tell("own", open_file("/proc/self/status", O_RDONLY) < 0);
    return 0;
  }
  if (strcmp(what, "exclusive") == 0) {
    /* The open file holds the block device, as a mount does. */
    tell("first", open_file(argument, O_RDONLY | O_EXCL) < 0 ? -errno : 0);
    tell("second", open_file(argument, O_RDONLY | O_EXCL));
    tell("shared", open_file(argument, O_RDONLY) < 0 ? -errno : 0);
    return 0;
  }
  if (strcmp(what, "race") == 0) return race(atol(argument), false);
  if (strcmp(what, "control") == 0) return race(atol(argument), true);
  if (strcmp(what, "moving") == 0) return moving(atol(argument));
  if (strcmp(what, "fifo") == 0) return fifo();
  if (strcmp(what, "lease") == 0) return lease();
  if (strcmp(what, "interrupted") == 0) return interrupted();
  if (strcmp(what, "killed") == 0) return killed();
  if (strcmp(what, "leaks") == 0) return leaks(atol(argument));
  if (strcmp(what, "closes") == 0) return closes(atol(argument));
  if (strcmp(what, "confined") == 0) return confined(argument);
  if (strcmp(what, "beside") == 0) {
    /* A child that restricts itself is not its parent, nor its parent's other children. */
    pid_t child = fork();
    if (child == 0) _exit(confined("landlock"));
    waitpid(child, NULL, 0);
    tell("parent", first_of(open_file("allowed/file", O_RDONLY)) == 'a');
    child = fork();
    if (child == 0) {
      tell("other-child", first_of(open_file("allowed/file", O_RDONLY)) == 'a');
      _exit(0);
    }
    waitpid(child, NULL, 0);
    return 0;
  }
  if (strcmp(what, "sockets") == 0) return sockets();
  return 2;
}
