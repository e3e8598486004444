// SPDX-License-Identifier: MIT
/*
 * lookups SCENARIO FOLDER: what calls with paths give, a line each, by a thread whose rights, root or namespaces changed as the
 * scenario says. Each call is made twice, so that the kernel has the names in its cache.
 */
#include "victim.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/stat.h>
#include <sys/mount.h>
#include <sys/stat.h>

static const char *const paths[] = {
    "missing",
    "missing/below",
    "file",
    "file/",
    "file/below",
    "closed/missing",
    "closed/file",
    "closed",
    "directory",
    "directory/",
    "directory/..",
    "link",
    "link/",
    "to-directory",
    "to-directory/",
    "dangling",
    "dangling/below",
    "loop",
    "loop/below",
    "absolute",
    "absolute-missing",
    "..",
    "../missing-up",
    ".",
    "to-own/nothing",
    "to-own/fd",
};

static char buffer[4096];

static void print(const char *call, const char *path, long result, int closes) {
  printf("%s %s %ld\n", call, path, closes && result >= 0 ? 0 : result);
  if (closes && result >= 0) close((int)result);
}

static void look_at(const char *path) {
  for (int again = 0; again < 2; again++) {
    print("open", path, result_of(syscall(SYS_open, path, O_RDONLY)), 1);
    print("open nofollow", path, result_of(syscall(SYS_open, path, O_RDONLY | O_NOFOLLOW)), 1);
    print("open directory", path, result_of(syscall(SYS_open, path, O_RDONLY | O_DIRECTORY)), 1);
    print("openat", path, result_of(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY)), 1);
    print("openat path", path, result_of(syscall(SYS_openat, AT_FDCWD, path, O_PATH)), 1);
    print("openat bad", path, result_of(syscall(SYS_openat, -7, path, O_RDONLY)), 1);
    print("stat", path, result_of(syscall(SYS_stat, path, buffer)), 0);
    print("lstat", path, result_of(syscall(SYS_lstat, path, buffer)), 0);
    print("newfstatat", path, result_of(syscall(SYS_newfstatat, AT_FDCWD, path, buffer, 0)), 0);
    print("newfstatat bits", path, result_of(syscall(SYS_newfstatat, AT_FDCWD, path, buffer, 0x40000)), 0);
    print("statx", path, result_of(syscall(SYS_statx, AT_FDCWD, path, 0, STATX_BASIC_STATS, buffer)), 0);
    print("statx sync", path, result_of(syscall(SYS_statx, AT_FDCWD, path, 0x6000, STATX_BASIC_STATS, buffer)), 0);
    print("readlink", path, result_of(syscall(SYS_readlink, path, buffer, sizeof buffer)), 0);
    print("readlink none", path, result_of(syscall(SYS_readlink, path, buffer, 0)), 0);
    print("readlinkat", path, result_of(syscall(SYS_readlinkat, AT_FDCWD, path, buffer, sizeof buffer)), 0);
    print("access", path, result_of(syscall(SYS_access, path, R_OK)), 0);
    print("access mode", path, result_of(syscall(SYS_access, path, 8)), 0);
    print("faccessat", path, result_of(syscall(SYS_faccessat, AT_FDCWD, path, F_OK)), 0);
    print("faccessat2", path, result_of(syscall(SYS_faccessat2, AT_FDCWD, path, W_OK, AT_EACCESS)), 0);
    print("faccessat2 link", path, result_of(syscall(SYS_faccessat2, AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW)), 0);
    print("faccessat2 bits", path, result_of(syscall(SYS_faccessat2, AT_FDCWD, path, F_OK, 0x40000)), 0);
    if (result_of(syscall(SYS_lstat, path, buffer)) == 0) {
      print("mkdir", path, result_of(syscall(SYS_mkdir, path, 0700)), 0);
      print("mkdirat", path, result_of(syscall(SYS_mkdirat, AT_FDCWD, path, 0700)), 0);
    }
    print("mkdir below", path, result_of(syscall(SYS_mkdir, "missing/below/all", 0700)), 0);
  }
}

static void look(const char *folder) {
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    char path[512];
    look_at(paths[i]);
    snprintf(path, sizeof path, "%s/%s", folder, paths[i]);
    look_at(path);
  }
  look_at("/proc/self/nothing");
  look_at("/proc/self/exe");
  look_at("/dev/nothing");
}

static void *as_other(void *folder) {
  /* Of this thread alone. */
  printf("setresuid %ld\n", result_of(syscall(SYS_setresuid, 65534, 65534, 65534)));
  look(folder);
  return NULL;
}

static void run_thread(const char *folder) {
  pthread_t thread;
  pthread_create(&thread, NULL, as_other, (void *)folder);
  pthread_join(thread, NULL);
}

static int wait_for(pid_t child) {
  int status = 1;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

/* access(2) takes the real users, and no effective capabilities if they are not root's. */
static void become_half(void) { printf("setresuid %ld\n", result_of(syscall(SYS_setresuid, 65534, 0, 0))); }

static void drop_override(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  syscall(SYS_capget, &header, data);
  data[0].effective &= ~(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH);
  printf("capset %ld\n", result_of(syscall(SYS_capset, &header, data)));
}

int main(int argc, char **argv) {
  if (argc != 3 || chdir(argv[2]) != 0) return 125;
  const char *scenario = argv[1], *folder = argv[2];
  setvbuf(stdout, NULL, _IOFBF, 1 << 20);
  look(folder);
  if (!strcmp(scenario, "user")) printf("setuid %ld\n", result_of(syscall(SYS_setresuid, 65534, 65534, 65534)));
  if (!strcmp(scenario, "real-user")) become_half();
  if (!strcmp(scenario, "file-user")) printf("setfsuid %ld\n", syscall(SYS_setfsuid, 65534));
  if (!strcmp(scenario, "capabilities")) drop_override();
  if (!strcmp(scenario, "thread")) run_thread(folder);
  if (!strcmp(scenario, "root")) printf("chroot %ld\n", result_of(syscall(SYS_chroot, "directory")));
  if (!strcmp(scenario, "shared-root")) {
    /* Another process has the same root and changes it. */
    fflush(stdout);
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) _exit(syscall(SYS_chroot, "directory") == 0 ? 0 : 1);
    printf("chroot %d\n", wait_for(child));
  }
  if (!strcmp(scenario, "mounts")) {
    printf("unshare %ld\n", result_of(syscall(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS)));
    printf("mount %ld\n", result_of(mount("none", "directory", "tmpfs", 0, NULL)));
    look("directory");
  }
  if (!strcmp(scenario, "child-mounts")) {
    fflush(stdout);
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
      printf("mount %ld\n", result_of(mount("none", "directory", "tmpfs", 0, NULL)));
      look(folder);
      fflush(stdout);
      _exit(0);
    }
    printf("child %d\n", wait_for(child));
  }
  look(folder);
  fflush(stdout);
  return 0;
}
