// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first process of a kernel that has 9p and overlayfs as modules: loads the modules of its initramfs (kernel/fetch),
 * mounts the host's file system as the root, and executes the init process of the test machine.
 * Arguments, from the kernel's command line: the mount options and the init process (machine.mjs).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
	/* Only the console is there; the host shows it. */
	dprintf(2, "vm-init: %s: %s\n", what, strerror(errno));
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		die(path);
	close(fd);
}

int main(int argc, char **argv)
{
	glob_t modules;

	if (argc != 3) {
		errno = EINVAL;
		die("expected mount options and an init process");
	}
	/* Sorted: their names begin with their position. */
	if (glob("/*.ko", 0, NULL, &modules) == 0)
		for (size_t i = 0; i < modules.gl_pathc; i++)
			load(modules.gl_pathv[i]);
	if (mount("host", "/root", "9p", MS_RDONLY, argv[1]))
		die("mounting the host's files");
	/* As switch_root(8). The initramfs keeps its memory. */
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		die("changing to the host's files");
	execl(argv[2], argv[2], NULL);
	die(argv[2]);
}
