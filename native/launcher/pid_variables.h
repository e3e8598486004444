// SPDX-License-Identifier: MIT
/*
 * Variables in which systemd passes a pid: LISTEN_PID (sd_listen_fds(3)) and WATCHDOG_PID (sd_watchdog_enabled(3)). A
 * program ignores its sockets or its watchdog if the pid is not its own, and systemd starts the front, not the command.
 */
#ifndef PORTCULLIS_PID_VARIABLES_H
#define PORTCULLIS_PID_VARIABLES_H

/* Finds the variables that contain this process's pid, and reserves space for any pid. Does not change their values. */
void find_pid_variables(char **environment);

/* Writes the calling process's pid into the variables found. Called in the command's process. */
void set_pid_variables(void);

#endif
