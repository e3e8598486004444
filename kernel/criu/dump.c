// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads the filters of a stopped tree of processes, of which CRIU is the tracer, and the state of each thread. Nothing
 * in the tree changes by that.
 */
#include <bpf/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin.h"

static long ask(int request, pid_t tid, void *structure, size_t size)
{
	return ptrace(request, tid, size, structure);
}

/*
 * A filter names its callers' ids as seen from the namespaces in which it was attached. These can be found again if they
 * are CRIU's or those of the tree's root.
 */
static int find_namespace(const char *name, __u64 inode, pid_t root, bool *of_root)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	*of_root = stat(path, &st) || st.st_ino != inode;
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", root, name);
	if (!*of_root || (!stat(path, &st) && st.st_ino == inode))
		return 0;
	say_error("a filter was attached in a %s namespace that is neither CRIU's nor that of process %d", name, root);
	return -1;
}

/* ---- Maps ------------------------------------------------------------------------------------------------------- */

static int info_of(int fd, void *info, __u32 size)
{
	union bpf_attr attr = {
		.info = { .bpf_fd = fd, .info_len = size, .info = (unsigned long)info },
	};

	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

static int map_by_id(__u32 id)
{
	union bpf_attr attr = { .map_id = id };

	return bpf(BPF_MAP_GET_FD_BY_ID, &attr);
}

/* bpf(2) does not tell whether a map is frozen. */
static int is_frozen(int fd, bool *frozen)
{
	char path[64], line[64];
	int value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "frozen: %d", &value) == 1)
			break;
	if (file)
		fclose(file);
	*frozen = value == 1;
	return value < 0 ? -1 : 0;
}

static int dump_types(struct map *map, __u32 btf_id)
{
	union bpf_attr attr = { .btf_id = btf_id };
	struct bpf_btf_info info = {};
	int fd = bpf(BPF_BTF_GET_FD_BY_ID, &attr), ret;

	if (fd < 0)
		return -1;
	ret = info_of(fd, &info, sizeof(info));
	if (!ret) {
		map->btf_cnt = info.btf_size;
		map->btf = allocate(map->btf_cnt, 1);
		memset(&info, 0, sizeof(info));
		info.btf = (unsigned long)map->btf;
		info.btf_size = map->btf_cnt;
		ret = info_of(fd, &info, sizeof(info));
	}
	close(fd);
	return ret;
}

static int dump_elements(struct map *map, int fd)
{
	size_t size = (size_t)map->key_size + map->value_size;
	union bpf_attr attr;
	__u8 *key = NULL;

	map->elements = allocate(map->max_entries, size);
	while (map->element_cnt < map->max_entries) {
		__u8 *next = map->elements + map->element_cnt * size;

		memset(&attr, 0, sizeof(attr));
		attr.map_fd = fd;
		attr.key = (unsigned long)key;
		attr.next_key = (unsigned long)next;
		if (bpf(BPF_MAP_GET_NEXT_KEY, &attr))
			return errno == ENOENT ? 0 : -1;
		key = next;

		memset(&attr, 0, sizeof(attr));
		attr.map_fd = fd;
		attr.key = (unsigned long)key;
		attr.value = (unsigned long)key + map->key_size;
		if (!bpf(BPF_MAP_LOOKUP_ELEM, &attr))
			map->element_cnt++;
		else if (errno != ENOENT || map->type != BPF_MAP_TYPE_PROG_ARRAY)
			return -1;
		/* An empty place of an array of programs is written over. */
	}
	return 0;
}

static int dump_map(struct map *map)
{
	struct bpf_map_info info = {};
	int fd = map_by_id(map->id), ret = -1;

	if (fd < 0 || info_of(fd, &info, sizeof(info)) || is_frozen(fd, &map->frozen))
		goto out;
	map->type = info.type;
	map->key_size = info.key_size;
	map->value_size = info.value_size;
	map->max_entries = info.max_entries;
	map->flags = info.map_flags;
	map->extra = info.map_extra;
	memcpy(map->name, info.name, sizeof(map->name));
	if (info.btf_value_type_id) {
		map->key_type = info.btf_key_type_id;
		map->value_type = info.btf_value_type_id;
		if (dump_types(map, info.btf_id))
			goto out;
	}
	/* Unread records of a ring buffer are lost, and so is its reader. */
	ret = map->type == BPF_MAP_TYPE_RINGBUF ? 0 : dump_elements(map, fd);
out:
	if (ret)
		say_errno("cannot read the map %.16s with id %u", map->name, map->id);
	if (fd >= 0)
		close(fd);
	return ret;
}

/* Index of a map in the filter's */
static int add_map(struct filter *filter, __u32 id, __u32 *index)
{
	for (*index = 0; *index < filter->map_cnt; (*index)++)
		if (filter->maps[*index].id == id)
			return 0;
	append(filter->maps, filter->map_cnt)->id = id;
	return dump_map(&filter->maps[*index]);
}

/* A program that is called is known by its id; in the image, by its index. */
static int number_programs(struct filter *filter)
{
	__u32 m, e, p, id;

	for (m = 0; m < filter->map_cnt; m++) {
		struct map *map = &filter->maps[m];

		if (map->type != BPF_MAP_TYPE_PROG_ARRAY)
			continue;
		for (e = 0; e < map->element_cnt; e++) {
			__u8 *value = map->elements + e * 2 * sizeof(id) + sizeof(id);

			memcpy(&id, value, sizeof(id));
			for (p = 0; p < filter->prog_cnt && filter->progs[p].id != id; p++)
				;
			if (p == filter->prog_cnt) {
				say_error("the program with id %u in %.16s is not part of the filter", id, map->name);
				return -1;
			}
			memcpy(value, &p, sizeof(p));
		}
	}
	return 0;
}

/* ---- Programs --------------------------------------------------------------------------------------------------- */

static int name_kfuncs(struct prog *prog)
{
	static struct btf *types;
	__u32 i;

	for (i = 0; i < prog->insn_cnt; i++) {
		const struct bpf_insn *insn = &prog->insns[i];
		const struct btf_type *type;
		struct kfunc *kfunc;
		const char *name;

		if (insn->code == (BPF_LD | BPF_IMM | BPF_DW)) {
			if (insn->src_reg == BPF_PSEUDO_BTF_ID) {
				say_error("the program %.16s refers to variables of the kernel", prog->name);
				return -1;
			}
			i++;
			continue;
		}
		if (insn->code != (BPF_JMP | BPF_CALL) || insn->src_reg != BPF_PSEUDO_KFUNC_CALL)
			continue;
		if (!types)
			types = btf__load_vmlinux_btf();
		type = types ? btf__type_by_id(types, insn->imm) : NULL;
		name = type ? btf__name_by_offset(types, type->name_off) : NULL;
		if (!name || insn->off || strlen(name) >= sizeof(kfunc->name)) {
			say_error("the program %.16s calls an unknown function of the kernel", prog->name);
			return -1;
		}
		kfunc = append(prog->kfuncs, prog->kfunc_cnt);
		kfunc->insn = i;
		strcpy(kfunc->name, name);
	}
	return 0;
}

static int dump_insns(struct prog *prog, pid_t tid, __u32 off, __u32 index)
{
	struct ptrace_seccomp_insns insns = { .filter_off = off, .prog = index };
	long cnt = ask(PTRACE_SECCOMP_GET_INSNS, tid, &insns, sizeof(insns));

	if (cnt <= 0)
		return -1;
	prog->insns = allocate(cnt, sizeof(*prog->insns));
	prog->insn_cnt = cnt;
	insns.insn_cnt = cnt;
	insns.insns = (unsigned long)prog->insns;
	return ask(PTRACE_SECCOMP_GET_INSNS, tid, &insns, sizeof(insns)) == cnt ? 0 : -1;
}

static int dump_prog(struct filter *filter, struct prog *prog, pid_t tid, __u32 off, __u32 index)
{
	struct bpf_prog_info info = {};
	__u32 maps[64], i;
	int fd = ptrace(PTRACE_SECCOMP_GET_FILTER_EXTENDED, tid, off, index), ret;

	info.nr_map_ids = sizeof(maps) / sizeof(maps[0]);
	info.map_ids = (unsigned long)maps;
	ret = fd < 0 ? -1 : info_of(fd, &info, sizeof(info));
	if (fd >= 0)
		close(fd);
	if (!ret && info.nr_map_ids > sizeof(maps) / sizeof(maps[0])) {
		errno = E2BIG;
		ret = -1;
	}
	if (ret || dump_insns(prog, tid, off, index)) {
		say_errno("cannot read program %u of filter %u of thread %d", index, off, tid);
		return -1;
	}
	prog->id = info.id;
	prog->uid = info.created_by_uid;
	prog->gpl = info.gpl_compatible;
	memcpy(prog->name, info.name, sizeof(prog->name));
	for (i = 0; i < info.nr_map_ids; i++)
		if (add_map(filter, maps[i], append(prog->maps, prog->map_cnt)))
			return -1;
	return name_kfuncs(prog);
}

/* ---- Filters ---------------------------------------------------------------------------------------------------- */

static int dump_object(struct object *object, pid_t tid, const struct filter *filter, __u32 index)
{
	struct ptrace_seccomp_state state = { .filter_off = filter->depth, .object = index };

	object->filter = filter->id;
	object->index = index;
	object->size = filter->states[index].size;
	object->data = allocate(object->size, 1);
	state.size = object->size;
	state.data = (unsigned long)object->data;
	if (ask(PTRACE_SECCOMP_GET_STATE, tid, &state, sizeof(state)) != object->size) {
		say_errno("cannot read state object %u of filter %u of thread %d", index, filter->depth, tid);
		return -1;
	}
	return 0;
}

static int dump_classic(struct filter *filter, pid_t tid)
{
	long cnt = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, filter->depth, NULL);

	if (cnt > 0) {
		filter->classic_cnt = cnt;
		filter->classic = allocate(cnt, sizeof(*filter->classic));
		cnt = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, filter->depth, filter->classic);
	}
	if (cnt > 0)
		return 0;
	say_errno("cannot read filter %u of thread %d", filter->depth, tid);
	return -1;
}

static int dump_extended(struct filter *filter, pid_t tid, pid_t root, const struct ptrace_seccomp_info *known)
{
	struct ptrace_seccomp_info info = {
		.filter_off = filter->depth,
		.state_cnt = known->state_cnt,
		.state_size = known->state_cnt ? sizeof(*filter->states) : 0,
		.arg_cnt = known->arg_cnt,
		.arg_size = known->arg_cnt ? sizeof(*filter->args) : 0,
		.room_cnt = known->room_cnt,
		.room_size = known->room_cnt ? sizeof(*filter->rooms) : 0,
	};
	__u32 i;

	filter->ebpf_flags = known->ebpf_flags;
	filter->alive = known->alive;
	filter->state_cnt = known->state_cnt;
	filter->states = allocate(filter->state_cnt, sizeof(*filter->states));
	filter->arg_cnt = known->arg_cnt;
	filter->args = allocate(filter->arg_cnt, sizeof(*filter->args));
	filter->room_cnt = known->room_cnt;
	filter->rooms = allocate(filter->room_cnt, sizeof(*filter->rooms));
	if (info.state_cnt)
		info.states = (unsigned long)filter->states;
	if (info.arg_cnt)
		info.args = (unsigned long)filter->args;
	if (info.room_cnt)
		info.rooms = (unsigned long)filter->rooms;
	if (ask(PTRACE_SECCOMP_GET_INFO, tid, &info, sizeof(info)) < 0) {
		say_errno("cannot read the declarations of filter %u of thread %d", filter->depth, tid);
		return -1;
	}
	if (find_namespace("pid", known->pid_ns, root, &filter->in_pid_ns) ||
	    find_namespace("user", known->user_ns, root, &filter->in_user_ns))
		return -1;
	for (i = 0; i < known->prog_cnt; i++)
		if (dump_prog(filter, append(filter->progs, filter->prog_cnt), tid, filter->depth, i))
			return -1;
	if (number_programs(filter))
		return -1;
	for (i = 0; i < filter->state_cnt; i++)
		if (filter->states[i].fork == SECCOMP_EBPF_FORK_SHARE &&
		    dump_object(append(filter->objects, filter->object_cnt), tid, filter, i))
			return -1;
	return 0;
}

static int get_info(pid_t tid, __u32 off, struct ptrace_seccomp_info *info)
{
	memset(info, 0, sizeof(*info));
	info->filter_off = off;
	return ask(PTRACE_SECCOMP_GET_INFO, tid, info, sizeof(*info)) < 0 ? -1 : 0;
}

static int dump_thread(struct tree *tree, const struct task *task, pid_t root)
{
	struct ptrace_seccomp_info info;
	struct thread *thread = NULL;
	__u64 older = 0;
	__u32 off, i;

	for (off = 0; !get_info(task->here, off, &info); off++) {
		struct filter *filter = find_filter(tree, info.id);

		if (!filter) {
			filter = append(tree->filters, tree->filter_cnt);
			filter->id = info.id;
			filter->older = older;
			filter->depth = off;
			filter->flags = info.flags;
			if (info.flags & SECCOMP_FILTER_FLAG_EXTENDED ? dump_extended(filter, task->here, root, &info)
								      : dump_classic(filter, task->here))
				return -1;
		}
		if (!thread)
			thread = append(tree->threads, tree->thread_cnt);
		thread->tid = task->inside;
		thread->filter = info.id;
		for (i = 0; i < filter->state_cnt; i++)
			if (filter->states[i].fork != SECCOMP_EBPF_FORK_SHARE &&
			    dump_object(append(thread->objects, thread->object_cnt), task->here, filter, i))
				return -1;
		older = info.id;
	}
	/* EINVAL: it has no filter at all */
	if (errno != ENOENT && errno != EINVAL) {
		say_errno("cannot read filter %u of thread %d", off, task->here);
		return -1;
	}
	return 0;
}

static bool is_extended(const struct task *task)
{
	struct ptrace_seccomp_info info;
	__u32 off;

	for (off = 0; !get_info(task->here, off, &info); off++)
		if (info.flags & SECCOMP_FILTER_FLAG_EXTENDED)
			return true;
	return false;
}

static bool has_filter(const struct tree *tree, const struct task *task, __u64 id)
{
	const struct filter *filter;
	__u32 i;

	for (i = 0; i < tree->thread_cnt; i++) {
		if (tree->threads[i].tid != (__u32)task->inside)
			continue;
		for (filter = find_filter(tree, tree->threads[i].filter); filter;
		     filter = find_filter(tree, filter->older))
			if (filter->id == id)
				return true;
	}
	return false;
}

/* What processes share must be the tree's own: it cannot be shared with others when it is restored. */
static int check_sharing(const struct tasks *tasks, const struct tree *tree)
{
	__u32 f, g, m, n, t;

	for (f = 0; f < tree->filter_cnt; f++) {
		struct filter *filter = &tree->filters[f];
		pid_t last = 0;

		for (t = 0; t < tasks->cnt; t++) {
			const struct task *task = &tasks->task[t];

			if (task->process != last && has_filter(tree, task, filter->id)) {
				last = task->process;
				filter->found++;
			}
		}
		if (filter->object_cnt && filter->found != filter->alive) {
			say_error("%u processes share the state of a filter, but only %u of them are in the tree",
				  filter->alive, filter->found);
			return -1;
		}
		for (m = 0; m < filter->map_cnt; m++) {
			if (filter->maps[m].flags & BPF_F_RDONLY_PROG)
				continue;
			for (g = 0; g < f; g++)
				for (n = 0; n < tree->filters[g].map_cnt; n++)
					if (tree->filters[g].maps[n].id == filter->maps[m].id) {
						say_error("two filters share the map %.16s", filter->maps[m].name);
						return -1;
					}
		}
	}
	return 0;
}

int dump_tree(const struct tasks *tasks, struct tree *tree)
{
	bool extended = false;
	__u32 t;

	for (t = 0; t < tasks->cnt && !extended; t++)
		extended = is_extended(&tasks->task[t]);
	if (!extended)
		return 0;

	for (t = 0; t < tasks->cnt; t++)
		if (dump_thread(tree, &tasks->task[t], tasks->task[0].process))
			return -1;
	return check_sharing(tasks, tree);
}
