// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin for CRIU that dumps and restores trees of processes under eBPF seccomp filters, with their state. CRIU itself
 * gives up when it meets such a filter. See the section about it in kernel/README.md.
 *
 * When CRIU dumps, the plugin reads the filters as soon as all processes are stopped, and has CRIU take the processes
 * for unconfined. When CRIU restores, the plugin gives them their filters as the last step, before any of them runs.
 *
 * An image that is restored without the plugin would run unconfined. So the plugin gives one of CRIU's files another
 * name, without which CRIU refuses the image.
 */
#include <criu/criu-plugin.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plugin.h"

/* CRIU opens it once, before it creates a process. */
#define NEEDED "pstree.img"
#define HIDDEN "pstree-needs-seccomp-ebpf-plugin.img"

static struct tree tree;
/* Of the images */
static int folder = -1;
/* The hooks are called for each process, the root being the first. */
static bool done;

long bpf(int command, union bpf_attr *attr)
{
	return syscall(__NR_bpf, command, attr, sizeof(*attr));
}

/* ---- The processes ---------------------------------------------------------------------------------------------- */

/* Of a line "name: first ... last" in the status of a thread; -1 if there is none. */
static int read_status(pid_t process, pid_t tid, const char *name, char *value, size_t size)
{
	char path[64], line[256];
	size_t length = strlen(name);
	int found = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", process, tid);
	file = fopen(path, "re");
	while (file && found && fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, length) || line[length] != ':')
			continue;
		snprintf(value, size, "%s", line + length + 1 + strspn(line + length + 1, "\t "));
		found = 0;
	}
	if (file)
		fclose(file);
	return found;
}

static int add_task(struct tasks *tasks, pid_t process, pid_t tid)
{
	char state[64], ids[128];
	struct task *task;
	const char *last;

	if (read_status(process, tid, "State", state, sizeof(state)) ||
	    read_status(process, tid, "NSpid", ids, sizeof(ids))) {
		say_error("cannot read the status of thread %d", tid);
		return -1;
	}
	/* A process that has ended has no filter. */
	if (state[0] == 'Z' || state[0] == 'X')
		return 0;
	last = strrchr(ids, '\t');
	task = append(tasks->task, tasks->cnt);
	task->process = process;
	task->here = tid;
	task->inside = atoi(last ? last + 1 : ids);
	return 0;
}

/* Ids that a file of /proc lists. */
static int read_ids(pid_t **ids, __u32 *cnt, const char *path)
{
	FILE *file = fopen(path, "re");
	pid_t id;

	if (!file)
		return -1;
	while (fscanf(file, "%d", &id) == 1)
		*append(*ids, *cnt) = id;
	fclose(file);
	return 0;
}

static int list_threads(pid_t process, pid_t **tids, __u32 *cnt)
{
	char path[64];
	struct dirent *entry;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/task", process);
	folder = opendir(path);
	if (!folder)
		return -1;
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			*append(*tids, *cnt) = atoi(entry->d_name);
	closedir(folder);
	return 0;
}

int list_tasks(pid_t root, struct tasks *tasks)
{
	__u32 process_cnt = 0, p, t;
	pid_t *processes = NULL;
	int ret = 0;

	*append(processes, process_cnt) = root;
	for (p = 0; !ret && p < process_cnt; p++) {
		__u32 tid_cnt = 0;
		pid_t *tids = NULL;
		char path[64];

		ret = list_threads(processes[p], &tids, &tid_cnt);
		for (t = 0; !ret && t < tid_cnt; t++) {
			snprintf(path, sizeof(path), "/proc/%d/task/%d/children", processes[p], tids[t]);
			ret = add_task(tasks, processes[p], tids[t]) ?: read_ids(&processes, &process_cnt, path);
		}
		free(tids);
	}
	free(processes);
	if (ret)
		say_errno("cannot list the processes of the tree");
	return ret;
}

/* ---- Hooks ------------------------------------------------------------------------------------------------------ */

static int checkpoint(int pid)
{
	struct tasks tasks = {};
	__u32 i, t;

	if (done)
		return -ENOTSUP;
	done = true;
	if (list_tasks(pid, &tasks) || dump_tree(&tasks, &tree))
		return -1;
	if (!tree.filter_cnt)
		return -ENOTSUP;
	if (!seccomp_collect_entry) {
		say_error("this version of CRIU is not supported");
		return -1;
	}
	if (write_image(folder, &tree))
		return -1;
	for (i = 0; i < tree.thread_cnt; i++)
		for (t = 0; t < tasks.cnt; t++)
			if ((__u32)tasks.task[t].inside == tree.threads[i].tid &&
			    seccomp_collect_entry(tasks.task[t].here, SECCOMP_MODE_DISABLED))
				return -1;
	say_info("dumped %u filters of %u threads", tree.filter_cnt, tree.thread_cnt);
	return 0;
}
CR_PLUGIN_REGISTER_HOOK(CR_PLUGIN_HOOK__CHECKPOINT_DEVICES, checkpoint)

/* CRIU goes on whatever this returns, so a tree that cannot be confined is ended here. */
static int resume(int pid)
{
	struct tasks tasks = {};
	__u32 t;

	if (done || !tree.filter_cnt)
		return -ENOTSUP;
	done = true;
	if (!list_tasks(pid, &tasks) && !restore_tree(&tasks, &tree))
		return 0;
	say_error("the processes are killed, because they cannot be confined");
	kill(pid, SIGKILL);
	for (t = 0; t < tasks.cnt; t++)
		kill(tasks.task[t].process, SIGKILL);
	_exit(1);
}
CR_PLUGIN_REGISTER_HOOK(CR_PLUGIN_HOOK__RESUME_DEVICES_LATE, resume)

static int init(int stage)
{
	char path[64];
	int file;

	/* CRIU closes its own before the plugin's last function is called. */
	folder = fcntl(criu_get_image_dir(), F_DUPFD_CLOEXEC, 0);
	if (folder < 0)
		return -1;
	if (stage == CR_PLUGIN_STAGE__DUMP)
		return remove_image(folder) ?: unlinkat(folder, HIDDEN, 0) && errno != ENOENT ? -1 : 0;
	if (stage != CR_PLUGIN_STAGE__RESTORE || !image_exists(folder))
		return 0;
	if (read_image(folder, &tree))
		return -1;
	/* The name leads nowhere as soon as this process ends, in whatever way. */
	file = openat(folder, HIDDEN, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), file);
	if (file >= 0)
		unlinkat(folder, NEEDED, 0);
	if (file < 0 || symlinkat(path, folder, NEEDED)) {
		say_errno("cannot make " HIDDEN " available");
		return -1;
	}
	return 0;
}

static void finish(int stage, int ret)
{
	if (tree.filter_cnt && stage == CR_PLUGIN_STAGE__RESTORE) {
		unlinkat(folder, NEEDED, 0);
	} else if (tree.filter_cnt && !ret && renameat(folder, NEEDED, folder, HIDDEN)) {
		say_errno("cannot rename " NEEDED ", so it is removed");
		unlinkat(folder, NEEDED, 0);
	}
	close(folder);
}
CR_PLUGIN_REGISTER(NAME, init, finish)
