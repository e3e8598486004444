// SPDX-License-Identifier: MIT
/* The files, ports and scopes to which a policy restricts the command's tree: one Landlock domain for each layer. */
#ifndef PORTCULLIS_LAYERS_H
#define PORTCULLIS_LAYERS_H

#include "layer_format.h"

struct layers {
  int count;
  long rulesets[MAX_LAYERS];
  int positions[MAX_LAYERS]; /* among the policy's layers */
};

/*
 * Makes a ruleset of each layer, of checked bytes.
 *
 * Landlock has no rule that denies, so a directory on the way to an exception gets no rule itself; its entries get one
 * each, except those on the way. Directories on the way, and the exception, are recognised by device and inode. Symbolic
 * links get no rule, because the kernel looks at the object to which they lead.
 *
 * With `best_effort`, rights that this kernel cannot restrict are left out, and a message on standard error names each.
 *
 * Returns 0, or a negative errno with a sentence without a full stop in `what`, which the next call overwrites. The caller
 * releases the rulesets of a failed attempt, too.
 */
long make_layers(struct layers *layers, const unsigned char *bytes, size_t size, int best_effort, const char **what);
void release_layers(struct layers *layers);

/*
 * Moves the calling process into a domain of each ruleset. It must have no_new_privs set. The kernel's audit records the denials
 * of these domains, if it is on. It describes a domain by the name of the thread that entered it: with a `label` this is
 * `pcl-LABEL-POSITION`, by which the supervisor recognises the domain (src/engines/command/denials.ts). The name of the thread stays
 * so until it executes the command. Returns as make_layers does.
 */
long enter_layers(const struct layers *layers, uint32_t label, const char **what);

#endif
