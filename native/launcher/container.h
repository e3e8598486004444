// SPDX-License-Identifier: MIT
/*
 * Confines the processes of a container from outside, for deploy/crun/portcullis-crun (docs/containers.md, "seccomp-ebpf"):
 * `launcher container VERB [WORD...]`. Neither the image nor the container has a part of portcullis, nor a privilege for it.
 */
#ifndef PORTCULLIS_CONTAINER_H
#define PORTCULLIS_CONTAINER_H

#include "inheritance.h"

void confine_container(char **words, char **environment, const struct inheritance *inheritance)
    __attribute__((noreturn));

#endif
