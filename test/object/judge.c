// SPDX-License-Identifier: MIT
/*
 * Uses a policy's object file through a skeleton of bpftool: opens it, sets the launch values, loads it, and runs the
 * program for the calls of its arguments by BPF_PROG_TEST_RUN.
 *
 *     judge NUMBER...        prints the program's result for each, one per line
 *
 * SKELETON is the skeleton's header, NAME the object's name in it, STEP the policy's function.
 */
#include <bpf/bpf.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>

#include SKELETON

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

int main(int count, char **numbers) {
  struct NAME *skeleton = JOIN(NAME, __open)();
  if (skeleton == NULL) return 1;
#ifdef HAS_SECRET
  for (int i = 0; i < 3; i++) skeleton->rodata->secret[i] = 0x9e3779b97f4a7c15ull;
#endif
  if (JOIN(NAME, __load)(skeleton) != 0) return 2;
  int program = bpf_program__fd(skeleton->progs.STEP);
  for (int i = 1; i < count; i++) {
    /* struct trial_context: the call, then the inputs of an evaluation (src/backend/ebpf/testing/trial-target.ts). */
    _Alignas(8) unsigned char context[CONTEXT_SIZE] = {0};
    struct seccomp_data *call = (void *)context;
    call->nr = atoi(numbers[i]);
    call->arch = AUDIT_ARCH_X86_64;
    LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = context, .ctx_size_in = sizeof context);
    if (bpf_prog_test_run_opts(program, &options) != 0) return 3;
    printf("%u\n", options.retval);
  }
  JOIN(NAME, __destroy)(skeleton);
  return 0;
}
