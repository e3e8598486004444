// SPDX-License-Identifier: MIT
/*
 * Variables in which systemd names the process that it starts, by its pid: LISTEN_PID (sd_listen_fds(3)), WATCHDOG_PID
 * (sd_watchdog_enabled(3)) and SYSTEMD_EXEC_PID (systemd.exec(5)); or by its pidfd's inode number: LISTEN_PIDFDID. A
 * program ignores its sockets or its watchdog if they name another process, and systemd starts the front, not the command.
 */
#ifndef PORTCULLIS_PID_VARIABLES_H
#define PORTCULLIS_PID_VARIABLES_H

/* Finds the variables that name this process, and reserves space for any other. Does not change their values. */
void find_pid_variables(char **environment);

/* Writes the calling process's numbers into the variables found. Called in the command's process, with its pidfd. */
void set_pid_variables(int pidfd);

#endif
