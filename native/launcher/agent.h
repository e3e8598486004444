// SPDX-License-Identifier: MIT
/*
 * The front's side of an agent (src/agent/local), which supervises instead of a Node of its own. Little-endian, as both
 * architectures are.
 *
 *     front → agent   a request with its strings and the socket to the launcher
 *     agent → front   ACCEPTED or FALL_BACK; until the command has started also FALL_BACK; then TEXT; at last END
 */
#ifndef PORTCULLIS_AGENT_H
#define PORTCULLIS_AGENT_H

#include <stdint.h>

#include "launcher.h"

enum { AGENT_MAGIC = 0x70636131, MAX_REQUEST_STRINGS = 1 << 16, MAX_TEXT = 4096 };

/* A file, by which the agent sees whether a name is the same one there. */
struct identity {
  uint32_t device_major, device_minor;
  uint64_t inode;
};

struct agent_request {
  uint32_t magic;
  uint32_t words;     /* strings: Node's script, and the words of portcullis */
  uint32_t variables; /* strings */
  uint32_t size;      /* bytes of all strings, each with its NUL: the words, the working directory, the variables */
  /* The agent serves no process that sees other files, processes or users than itself. */
  struct identity mounts, processes, users, root, directory;
};

struct agent_message {
  uint32_t kind; /* enum agent_message_kind */
  uint32_t value;
};
enum agent_message_kind {
  ACCEPTED = 1,  /* the agent orders the launcher */
  FALL_BACK = 2, /* nothing was started: the front starts Node */
  TEXT = 3,      /* value: so many bytes for standard error follow, 1 to MAX_TEXT */
  END = 4,       /* value: 0, or FAILED if the agent could not record all events */
};

struct agent {
  int socket;           /* -1 without an agent */
  int launcher;         /* the launcher's end of its socket to the agent */
  int pid;              /* the agent's */
  int is_of_other_user; /* root's; this process is not root's */
};

/*
 * Asks a running agent to supervise the command. `words` are the front's, from Node's script on. `agent->socket` is -1 if
 * none is running, or if it could be a confined process.
 */
void ask_agent(struct agent *agent, char **words, uint32_t count, char **environment);
/* Waits for the answer, but for a second at most. */
int is_accepted(const struct agent *agent);

/*
 * Reads without waiting, and prints what the agent has for standard error (output.h), as far as that takes it. Returns
 * FALL_BACK or END, 0 if nothing more can be read now, or a negative errno if the agent has gone.
 */
int hear_agent(const struct agent *agent, uint32_t *value);
/* Text waits for standard error; hear_agent reads nothing meanwhile. */
int has_text(void);
/* From now on text that standard error does not take is lost. */
void drop_text(void);

#endif
