/* SPDX-License-Identifier: MIT */
/*
 * Variables by which systemd addresses one process: LISTEN_PID (sd_listen_fds(3)) and WATCHDOG_PID
 * (sd_watchdog_enabled(3)). A program ignores its sockets, or its watchdog, where they hold another pid than its own, and
 * the command has another pid than the front that systemd started.
 */
#ifndef PORTCULLIS_PID_VARIABLES_H
#define PORTCULLIS_PID_VARIABLES_H

/* Finds those that hold the pid of this process and gives them room for any pid. Their values stay what they are. */
void find_pid_variables(char **environment);

/* In the command's process: they hold its pid. Others are left alone. */
void set_pid_variables(void);

#endif
