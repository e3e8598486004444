// SPDX-License-Identifier: MIT
/* A cgroup (version 2) of the command's own, below that of this process: cgroup.kill ends all of it at once. */
#ifndef PORTCULLIS_CGROUP_H
#define PORTCULLIS_CGROUP_H

struct cgroup {
  int parent; /* descriptors; -1 where there is none */
  int directory;
  char name[48];
};

/*
 * Makes it. 0, or a negative errno with a sentence in `what`: ENOENT where no cgroup2 is mounted or this process is in
 * none, EACCES and EROFS where it is not this user's to divide, EOPNOTSUPP before Linux 5.14 (no cgroup.kill).
 */
long make_cgroup(struct cgroup *cgroup, const char **what);

/* Moves the process that calls into it. 0, or a negative errno. */
long enter_cgroup(const struct cgroup *cgroup);

/* SIGKILL for every process in it and below, none of which can fork meanwhile (Linux 5.14). 0, or a negative errno. */
long kill_cgroup(const struct cgroup *cgroup);

/* Removes it, where it is empty. 0, or a negative errno: EBUSY while a process in it has not been reaped. */
long remove_cgroup(const struct cgroup *cgroup);

#endif
