/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The filters and the state of a tree of processes, as in the image. Members behind "not in the image" are valid in one
 * run of CRIU only.
 */
#ifndef CRIU_SECCOMP_IMAGE_H
#define CRIU_SECCOMP_IMAGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "uapi.h"

/* A map's initial size and contents. */
struct map {
	__u32 type, key_size, value_size, max_entries, flags;
	__u64 extra;
	char name[BPF_OBJ_NAME_LEN];
	bool frozen;
	/* Types of its keys and values, for a lock in a value; or empty */
	__u32 key_type, value_type, btf_cnt;
	__u8 *btf;
	/* Each is a key and a value; in an array of programs, a value is an index in progs. */
	__u32 element_cnt;
	__u8 *elements;
	/* not in the image: */
	__u32 id;
	int fd;
};

/* The kernel function that an instruction calls. Its number is another on another kernel. */
struct kfunc {
	__u32 insn;
	char name[128];
};

struct prog {
	char name[BPF_OBJ_NAME_LEN];
	bool gpl;
	/* The uid of its loader */
	__u32 uid;
	__u32 insn_cnt, kfunc_cnt, map_cnt;
	struct bpf_insn *insns;
	struct kfunc *kfuncs;
	/* Indices in the filter's maps */
	__u32 *maps;
	/* not in the image: */
	__u32 id;
	int fd;
};

/* Contents of a state object */
struct object {
	__u64 filter;
	__u32 index, size;
	__u8 *data;
};

struct filter {
	__u64 id;
	/* The next older one of the task, or 0 */
	__u64 older;
	__u32 flags; /* SECCOMP_FILTER_FLAG_* */
	__u32 classic_cnt;
	struct sock_filter *classic;
	/* If it is an extended one: */
	__u32 ebpf_flags; /* SECCOMP_EBPF_* */
	/* It was attached in the namespace of the tree's root, not in CRIU's. */
	bool in_pid_ns, in_user_ns;
	__u32 state_cnt, arg_cnt, room_cnt, map_cnt, prog_cnt, object_cnt;
	struct seccomp_ebpf_state *states;
	struct seccomp_ebpf_arg *args;
	/* Not who is in them: a tracee that is stopped outside of calls is in none. */
	struct seccomp_ebpf_room *rooms;
	struct map *maps;
	struct prog *progs;
	/* Those that all processes share */
	struct object *objects;
	/* not in the image: */
	__u32 depth;	    /* how many older ones there are */
	__u32 alive, found; /* processes that have it, and those of the tree */
	int fd;		    /* see PTRACE_SECCOMP_GET_FILTERS */
};

struct thread {
	/* In the innermost pid namespace */
	__u32 tid;
	/* Its newest filter */
	__u64 filter;
	__u32 object_cnt;
	struct object *objects;
};

struct tree {
	/* An older filter comes before a newer one. */
	__u32 filter_cnt, thread_cnt;
	struct filter *filters;
	struct thread *threads;
};

/* One more element at the end of an array, which is zeros. The program ends if there is no memory. */
#define append(array, cnt) ((__typeof__(array))append_to((void **)&(array), &(cnt), sizeof(*(array))))
void *append_to(void **array, __u32 *cnt, size_t size);
void *allocate(size_t cnt, size_t size);

struct filter *find_filter(const struct tree *tree, __u64 id);

/* Return 0, or -1 after a message. */
int write_image(int folder, const struct tree *tree);
int read_image(int folder, struct tree *tree);
/* What an earlier dump has left must not be taken for a part of this one. */
int remove_image(int folder);
bool image_exists(int folder);

#endif /* CRIU_SECCOMP_IMAGE_H */
