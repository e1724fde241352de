/* SPDX-License-Identifier: MIT */
/* The daemon as a process: background, pid file, limits, the service manager. */
#ifndef TGT_DAEMON_PROCESS_H
#define TGT_DAEMON_PROCESS_H

/*
 * Goes on in a child; the parent exits with 0 once the child calls background_ready(), or with 1
 * when it ends without.  Before any thread.  The child gets 0, or -errno after a log line.
 */
int background_enter(void);
/* Lets the terminal and the parent go; harmless in the foreground. */
void background_ready(void);

/* Also makes the path absolute, for pid_file_remove().  0 or -errno after a log line. */
int pid_file_write(const char *path);
void pid_file_remove(void);

/* As many file descriptors as there may be: each connection is one. */
void raise_file_limit(void);

/* Tells the service manager (sd_notify(3)): "READY=1".  Without one nothing happens. */
void notify_manager(const char *state);

#endif
