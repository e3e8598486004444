// SPDX-License-Identifier: MIT
/* The instructions that our compilers use, as the kernel runs them (net/core/filter.c). */
#include "classic.h"

#include <string.h>

uint32_t run_classic(const struct sock_filter *next, const struct seccomp_data *call) {
  uint32_t a = 0;
  for (;; next++) {
    switch (next->code) {
      case BPF_LD | BPF_W | BPF_ABS:
        memcpy(&a, (const unsigned char *)call + next->k, sizeof a);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= next->k;
        break;
      case BPF_JMP | BPF_JA:
        next += next->k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        next += a == next->k ? next->jt : next->jf;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        next += a > next->k ? next->jt : next->jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        next += a >= next->k ? next->jt : next->jf;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        next += (a & next->k) != 0 ? next->jt : next->jf;
        break;
      case BPF_RET | BPF_K:
        return next->k;
      default:
        return 0;
    }
  }
}
