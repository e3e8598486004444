/* SPDX-License-Identifier: GPL-2.0-only */
/* Declarations that the plugin's files share, and functions of CRIU. */
#ifndef CRIU_SECCOMP_PLUGIN_H
#define CRIU_SECCOMP_PLUGIN_H

#include <errno.h>
#include <string.h>

#include "image.h"

/*
 * Functions of CRIU that it exports to its plugins but declares in no header for them (criu/include/log.h and
 * criu/include/seccomp.h, 4.1.1). Weak: a CRIU without the second one is refused.
 */
void print_on_level(unsigned int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
int seccomp_collect_entry(pid_t tid, unsigned int mode) __attribute__((weak));

#define NAME		       "seccomp_ebpf"
#define say_error(format, ...) print_on_level(1, NAME ": " format "\n", ##__VA_ARGS__)
#define say_errno(format, ...) say_error(format ": %s", ##__VA_ARGS__, strerror(errno))
#define say_info(format, ...)  print_on_level(3, NAME ": " format "\n", ##__VA_ARGS__)

long bpf(int command, union bpf_attr *attr);

/* A thread: its process, and its id here and in its innermost pid namespace */
struct task {
	pid_t process;
	pid_t here;
	pid_t inside;
};

/* All threads of a process and of its descendants; those of a process follow each other. */
struct tasks {
	__u32 cnt;
	struct task *task;
};

/* These return 0, or -1 after a message. */
int list_tasks(pid_t root, struct tasks *tasks);
/* Without an extended filter there is nothing in the tree afterwards: CRIU dumps classic filters itself. */
int dump_tree(const struct tasks *tasks, struct tree *tree);
int restore_tree(const struct tasks *tasks, struct tree *tree);

#endif /* CRIU_SECCOMP_PLUGIN_H */
