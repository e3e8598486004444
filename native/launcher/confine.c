// SPDX-License-Identifier: MIT
#include "confine.h"

#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "kernel.h"

/*
 * The extended filter comes last: the other's own call is judged by nobody then, and this one carries the token, which the
 * classic filter lets through for seccomp(2) as for execve(2). Sealing (SECCOMP_EBPF_SEAL) closes the maps at that moment.
 */
long confine(const struct confinement *confinement, enum stage *stage) {
  *stage = NO_NEW_PRIVILEGES;
  long result = CALL(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (result < 0) return result;
  *stage = INSTALL;
  if (confinement->classic_length > 0) {
    struct sock_fprog program = {(unsigned short)confinement->classic_length, confinement->classic};
    result = CALL(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
    if (result < 0) return result;
  }
  *stage = ATTACH;
  if (confinement->extended == NULL) return 0;
  return call6(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_EXTENDED,
               (long)&confinement->extended->attach, 0, (long)confinement->token[0], (long)confinement->token[1]);
}

long execute(const char *file, char **argv, char **environment, const uint64_t token[2]) {
  return call6(__NR_execve, (long)file, (long)argv, (long)environment, 0, (long)token[0], (long)token[1]);
}
