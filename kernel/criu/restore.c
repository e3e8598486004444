// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives a tree of processes its filters and its state. CRIU, their tracer, has just restored them and keeps them
 * stopped.
 *
 * A filter is attached once, by a child of its own, the donor, to which the older filters have been given before. A file
 * descriptor then stands for it and the older ones, and gives them to each thread that had them. So what was shared is
 * shared again.
 */
#include <bpf/btf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plugin.h"

/* ---- In the donor ----------------------------------------------------------------------------------------------- */

static int make_types(const struct map *map)
{
	union bpf_attr attr = { .btf = (unsigned long)map->btf, .btf_size = map->btf_cnt };

	return bpf(BPF_BTF_LOAD, &attr);
}

static int update(const struct map *map, const void *key, const void *value)
{
	union bpf_attr attr = {
		.map_fd = map->fd,
		.key = (unsigned long)key,
		.value = (unsigned long)value,
	};

	return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

static int make_map(struct map *map)
{
	size_t size = (size_t)map->key_size + map->value_size;
	union bpf_attr attr = {
		.map_type = map->type,
		.key_size = map->key_size,
		.value_size = map->value_size,
		.max_entries = map->max_entries,
		.map_flags = map->flags,
		.map_extra = map->extra,
	};
	__u32 e;

	memcpy(attr.map_name, map->name, sizeof(map->name));
	if (map->btf_cnt) {
		attr.btf_fd = make_types(map);
		attr.btf_key_type_id = map->key_type;
		attr.btf_value_type_id = map->value_type;
	}
	map->fd = bpf(BPF_MAP_CREATE, &attr);
	if (map->fd < 0)
		goto fail;
	if (map->type == BPF_MAP_TYPE_PROG_ARRAY)
		return 0;
	for (e = 0; e < map->element_cnt; e++)
		if (update(map, map->elements + e * size, map->elements + e * size + map->key_size))
			goto fail;
	if (map->frozen) {
		memset(&attr, 0, sizeof(attr));
		attr.map_fd = map->fd;
		if (bpf(BPF_MAP_FREEZE, &attr))
			goto fail;
	}
	return 0;
fail:
	say_errno("cannot create the map %.16s", map->name);
	return -1;
}

static int find_kfuncs(struct prog *prog)
{
	static struct btf *types;
	__u32 k;

	for (k = 0; k < prog->kfunc_cnt; k++) {
		int id;

		if (!types)
			types = btf__load_vmlinux_btf();
		id = types ? btf__find_by_name_kind(types, prog->kfuncs[k].name, BTF_KIND_FUNC) : -1;
		if (id < 0) {
			say_error("this kernel has no function %s", prog->kfuncs[k].name);
			return -1;
		}
		prog->insns[prog->kfuncs[k].insn].imm = id;
	}
	return 0;
}

static int load_prog(const struct filter *filter, struct prog *prog)
{
	int *fds = allocate(prog->map_cnt, sizeof(*fds));
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SECCOMP,
		.insn_cnt = prog->insn_cnt,
		.insns = (unsigned long)prog->insns,
		.license = (unsigned long)(prog->gpl ? "GPL" : ""),
		.fd_array = (unsigned long)fds,
	};
	__u32 m, attempt;

	if (find_kfuncs(prog))
		return -1;
	memcpy(attr.prog_name, prog->name, sizeof(prog->name));
	for (m = 0; m < prog->map_cnt; m++)
		fds[m] = filter->maps[prog->maps[m]].fd;
	/* The verifier gives up with EAGAIN when there is a signal. */
	for (attempt = 0; attempt < 5; attempt++) {
		prog->fd = bpf(BPF_PROG_LOAD, &attr);
		if (prog->fd >= 0)
			return 0;
		if (errno != EAGAIN)
			break;
	}
	say_errno("cannot load the program %.16s", prog->name);
	return -1;
}

static int fill_program_arrays(struct filter *filter)
{
	__u32 m, e, p;

	for (m = 0; m < filter->map_cnt; m++) {
		struct map *map = &filter->maps[m];

		if (map->type != BPF_MAP_TYPE_PROG_ARRAY)
			continue;
		for (e = 0; e < map->element_cnt; e++) {
			__u8 *element = map->elements + e * 2 * sizeof(p);

			memcpy(&p, element + sizeof(p), sizeof(p));
			if (p >= filter->prog_cnt || update(map, element, &filter->progs[p].fd)) {
				say_errno("cannot put program %u into the map %.16s", p, map->name);
				return -1;
			}
		}
	}
	return 0;
}

static int attach_extended(const struct filter *filter, unsigned int flags)
{
	struct seccomp_ebpf_attach attach = {
		.size = sizeof(attach),
		.prog_fd = filter->progs[0].fd,
		.flags = filter->ebpf_flags,
		.state_cnt = filter->state_cnt,
		.arg_cnt = filter->arg_cnt,
		.room_cnt = filter->room_cnt,
	};
	int *open_maps = allocate(filter->map_cnt, sizeof(*open_maps));
	__u32 m;

	if (filter->state_cnt) {
		attach.states = (unsigned long)filter->states;
		attach.state_size = sizeof(*filter->states);
	}
	if (filter->arg_cnt) {
		attach.args = (unsigned long)filter->args;
		attach.arg_size = sizeof(*filter->args);
	}
	if (filter->room_cnt) {
		attach.rooms = (unsigned long)filter->rooms;
		attach.room_size = sizeof(*filter->rooms);
	}
	/* Ring buffers are left out of every seal, and nothing else can be. */
	for (m = 0; m < filter->map_cnt; m++)
		if (filter->ebpf_flags & SECCOMP_EBPF_SEAL && filter->maps[m].type == BPF_MAP_TYPE_RINGBUF)
			open_maps[attach.open_map_cnt++] = filter->maps[m].fd;
	if (attach.open_map_cnt)
		attach.open_maps = (unsigned long)open_maps;
	return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_EXTENDED, &attach);
}

struct capabilities {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct sets[2];
};

/* Effective ones */
static int drop_capabilities(struct capabilities *saved, __u64 without)
{
	struct capabilities left;

	saved->header = (struct __user_cap_header_struct){ .version = _LINUX_CAPABILITY_VERSION_3 };
	if (syscall(__NR_capget, &saved->header, saved->sets))
		return -1;
	left = *saved;
	left.sets[0].effective &= ~(__u32)without;
	left.sets[1].effective &= ~(__u32)(without >> 32);
	return syscall(__NR_capset, &left.header, left.sets);
}

#define BIT(capability) (1ULL << (capability))

static int load(struct filter *filter)
{
	struct capabilities saved;
	__u32 i;

	/*
	 * The arrays of a task with CAP_PERFMON are not protected against speculation, and no filter can use them.
	 * A filter that an ordinary user has loaded must not see more of processes that are not dumpable than before.
	 */
	if (drop_capabilities(&saved, BIT(CAP_PERFMON) | BIT(CAP_SYS_ADMIN) |
					      (filter->prog_cnt && filter->progs[0].uid ? BIT(CAP_SYS_PTRACE) : 0)))
		return -1;
	for (i = 0; i < filter->map_cnt; i++)
		if (make_map(&filter->maps[i]))
			return -1;
	for (i = 0; i < filter->prog_cnt; i++)
		if (load_prog(filter, &filter->progs[i]))
			return -1;
	if (fill_program_arrays(filter))
		return -1;
	return syscall(__NR_capset, &saved.header, saved.sets);
}

static int attach(const struct filter *filter)
{
	/* There is no listener any more: a call that would wait for one fails with ENOSYS. */
	unsigned int flags = filter->flags & SECCOMP_FILTER_FLAG_LOG;
	struct sock_fprog program = { .len = filter->classic_cnt, .filter = filter->classic };

	if (filter->flags & SECCOMP_FILTER_FLAG_EXTENDED)
		return attach_extended(filter, flags);
	return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static int enter_namespace(pid_t root, const char *name)
{
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", root, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ret = fd < 0 ? -1 : setns(fd, 0);
	if (ret)
		say_errno("cannot enter %s", path);
	return ret;
}

/*
 * Loads the filter's programs, and makes a sibling that attaches it: a process enters a pid namespace by being created
 * there. Returns the sibling's pid, or -1.
 */
static pid_t prepare_donor(struct filter *filter, pid_t root)
{
	pid_t pid;

	if (load(filter) || (filter->in_pid_ns && enter_namespace(root, "pid")) ||
	    (filter->in_user_ns && enter_namespace(root, "user")) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	pid = syscall(__NR_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	if (pid)
		return pid;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	raise(SIGSTOP);
	if (attach(filter)) {
		say_errno("cannot attach a filter");
		_exit(1);
	}
	raise(SIGSTOP);
	_exit(0);
}

/* ---- In CRIU ---------------------------------------------------------------------------------------------------- */

static int wait_for_stop(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -1;
	return WIFSTOPPED(status) ? 0 : -1;
}

static void wait_for_end(pid_t pid)
{
	int status;

	for (;;) {
		pid_t ended = waitpid(pid, &status, __WALL);

		if (ended < 0 && errno == EINTR)
			continue;
		if (ended < 0 || !WIFSTOPPED(status))
			return;
	}
}

static int set_object(pid_t tid, const struct filter *filter, const struct object *object)
{
	struct ptrace_seccomp_state state = {
		.filter_off = filter->depth,
		.object = object->index,
		.size = object->size,
		.data = (unsigned long)object->data,
	};

	if (ptrace(PTRACE_SECCOMP_SET_STATE, tid, sizeof(state), &state) == object->size)
		return 0;
	say_errno("cannot set state object %u of filter %u of thread %d", object->index, filter->depth, tid);
	return -1;
}

static int use_donor(const struct tree *tree, struct filter *filter, pid_t pid)
{
	const struct filter *older = find_filter(tree, filter->older);
	__u32 i;

	if (wait_for_stop(pid))
		return -1;
	/* The older filters do not judge what the donor does. */
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_SUSPEND_SECCOMP) ||
	    (older && ptrace(PTRACE_SECCOMP_SET_FILTERS, pid, NULL, older->fd)) || ptrace(PTRACE_CONT, pid, NULL, 0)) {
		say_errno("cannot prepare the attachment of a filter");
		return -1;
	}
	if (wait_for_stop(pid))
		return -1;
	for (i = 0; i < filter->object_cnt; i++)
		if (set_object(pid, filter, &filter->objects[i]))
			return -1;
	filter->fd = ptrace(PTRACE_SECCOMP_GET_FILTERS, pid, NULL, NULL);
	if (filter->fd < 0)
		say_errno("cannot take over a filter");
	return filter->fd < 0 ? -1 : 0;
}

/* Returns -1 if it fails. */
static pid_t start_donor(struct filter *filter, pid_t root)
{
	pid_t pid, donor = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid == 0) {
		donor = prepare_donor(filter, root);
		_exit(donor > 0 && write(ends[1], &donor, sizeof(donor)) == sizeof(donor) ? 0 : 1);
	}
	close(ends[1]);
	if (pid < 0 || read(ends[0], &donor, sizeof(donor)) != sizeof(donor))
		donor = -1;
	close(ends[0]);
	if (pid > 0)
		wait_for_end(pid);
	return donor;
}

static int make_filter(const struct tree *tree, struct filter *filter, pid_t root)
{
	const struct filter *older = find_filter(tree, filter->older);
	pid_t pid;
	int ret;

	filter->depth = older ? older->depth + 1 : 0;
	pid = start_donor(filter, root);
	if (pid < 0) {
		say_error("cannot load a filter");
		return -1;
	}
	ret = use_donor(tree, filter, pid);
	kill(pid, SIGKILL);
	wait_for_end(pid);
	return ret;
}

static int restore_thread(const struct tree *tree, const struct thread *thread, pid_t tid)
{
	__u32 i;

	if (ptrace(PTRACE_SECCOMP_SET_FILTERS, tid, NULL, find_filter(tree, thread->filter)->fd)) {
		say_errno("cannot give thread %d its filters", tid);
		return -1;
	}
	for (i = 0; i < thread->object_cnt; i++)
		if (set_object(tid, find_filter(tree, thread->objects[i].filter), &thread->objects[i]))
			return -1;
	return 0;
}

int restore_tree(const struct tasks *tasks, struct tree *tree)
{
	__u32 i, t;

	for (i = 0; i < tree->filter_cnt; i++)
		if (make_filter(tree, &tree->filters[i], tasks->task[0].process))
			return -1;
	for (i = 0; i < tree->thread_cnt; i++) {
		const struct thread *thread = &tree->threads[i];

		for (t = 0; t < tasks->cnt && (__u32)tasks->task[t].inside != thread->tid; t++)
			;
		if (t == tasks->cnt) {
			say_error("there is no thread %u, which had a filter", thread->tid);
			return -1;
		}
		if (restore_thread(tree, thread, tasks->task[t].here))
			return -1;
	}
	for (i = 0; i < tree->filter_cnt; i++)
		close(tree->filters[i].fd);
	say_info("restored %u filters of %u threads", tree->filter_cnt, tree->thread_cnt);
	return 0;
}
