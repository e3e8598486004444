// SPDX-License-Identifier: MIT
/* A cgroup (version 2) for the command, below this process's cgroup: cgroup.kill ends all its processes at once. */
#ifndef PORTCULLIS_CGROUP_H
#define PORTCULLIS_CGROUP_H

struct cgroup {
  int parent; /* descriptors, or -1 */
  int directory;
  char name[48];
};

/*
 * Creates the cgroup. Returns 0, or a negative errno with a sentence in `what`: ENOENT if no mounted cgroup2 hierarchy
 * contains this process, EACCES or EROFS if the user may not create one, EOPNOTSUPP before Linux 5.14 (no cgroup.kill).
 */
long make_cgroup(struct cgroup *cgroup, const char **what);

/* Moves the calling process into the cgroup. Returns 0, or a negative errno. */
long enter_cgroup(const struct cgroup *cgroup);

/*
 * Kills every process in the cgroup and below, which cannot fork meanwhile (Linux 5.14). Returns 0, or a negative
 * errno.
 */
long kill_cgroup(const struct cgroup *cgroup);

/* Removes an empty cgroup. Returns 0, or a negative errno: EBUSY while a process in it is not reaped. */
long remove_cgroup(const struct cgroup *cgroup);

#endif
