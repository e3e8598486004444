// SPDX-License-Identifier: MIT
/* Installs the filters and executes the command. */
#include "confine.h"

#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "kernel.h"

/*
 * Installing the classic filter first means that no filter sees that call. The call that installs the extended filter
 * carries the token, with which the classic filter allows seccomp(2) and execve(2). It also seals the maps
 * (SECCOMP_EBPF_SEAL).
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
