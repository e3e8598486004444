/* SPDX-License-Identifier: GPL-2.0-only */
/* The series' additions to the kernel's interface, for older headers. */
#ifndef CRIU_SECCOMP_UAPI_H
#define CRIU_SECCOMP_UAPI_H

#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/types.h>

#ifndef SECCOMP_FILTER_FLAG_EXTENDED
#define SECCOMP_FILTER_FLAG_EXTENDED (1UL << 6)
#define BPF_PROG_TYPE_SECCOMP	     33

#define SECCOMP_EBPF_SEAL (1U << 0)

#define SECCOMP_EBPF_FORK_SHARE 2

struct seccomp_ebpf_state {
	__u32 scope;
	__u32 fork;
	__u32 size;
	__u32 flags;
};

struct seccomp_ebpf_attach {
	__u32 size;
	__s32 prog_fd;
	__u32 flags;
	__u32 state_cnt;
	__aligned_u64 states;
	__aligned_u64 open_maps;
	__u32 open_map_cnt;
	__u32 assert_allow_cnt;
	__aligned_u64 assert_allow;
	__u32 failed_arch;
	__u32 failed_nr;
	__u32 state_size;
	__u32 assert_allow_size;
	__aligned_u64 args;
	__u32 arg_cnt;
	__u32 arg_size;
	__aligned_u64 rooms;
	__u32 room_cnt;
	__u32 room_size;
};

struct seccomp_ebpf_arg {
	__u32 arch;
	__u32 nr;
	__u32 arg;
	__u32 kind;
	__u32 size;
	__u32 flags;
};

struct seccomp_ebpf_room {
	__u32 scope;
	__u32 sides;
	__u32 exclusive;
	__u32 late;
	__u64 timeout;
	__u64 flags;
};
#endif

#ifndef PTRACE_SECCOMP_GET_INFO
#define PTRACE_SECCOMP_GET_FILTER_EXTENDED 0x4230
#define PTRACE_SECCOMP_GET_INFO		   0x4232
#define PTRACE_SECCOMP_GET_INSNS	   0x4233
#define PTRACE_SECCOMP_GET_STATE	   0x4234
#define PTRACE_SECCOMP_SET_STATE	   0x4235
#define PTRACE_SECCOMP_GET_FILTERS	   0x4236
#define PTRACE_SECCOMP_SET_FILTERS	   0x4237

struct ptrace_seccomp_info {
	__u64 filter_off;
	__u64 id;
	__u32 flags;
	__u32 ebpf_flags;
	__u64 pid_ns;
	__u64 user_ns;
	__u32 prog_cnt;
	__u32 alive;
	__u64 states;
	__u64 args;
	__u32 state_cnt;
	__u32 arg_cnt;
	__u32 state_size;
	__u32 arg_size;
	__u64 rooms;
	__u32 room_cnt;
	__u32 room_size;
};

struct ptrace_seccomp_insns {
	__u64 filter_off;
	__u32 prog;
	__u32 insn_cnt;
	__u64 insns;
};

struct ptrace_seccomp_state {
	__u64 filter_off;
	__u32 object;
	__u32 size;
	__u64 data;
};
#endif

#endif /* CRIU_SECCOMP_UAPI_H */
