/* SPDX-License-Identifier: MIT */
/* The command line of tgtd. */
#ifndef TGT_DAEMON_OPTIONS_H
#define TGT_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_PORTALS 64

/* Texts point into argv. */
struct daemon_options {
	bool foreground; /* -f, -D */
	bool syslog;     /* log there: -D, or in the background */
	bool debug;
	unsigned int control_port, io_threads;
	unsigned int poll_us;       /* event loops, before they sleep */
	unsigned int reactors;      /* 0: one for each CPU that the daemon may run on */
	const char *config;         /* or NULL */
	const char *pid_file;       /* or NULL */
	const char *store_dir;      /* NULL: the built-in one */
	const char *state_dir;      /* NULL: the built-in one */
	const char *default_store;  /* NULL: the built-in one */
	char *portals[MAX_PORTALS]; /* none: the standard ones */
	uint16_t tags[MAX_PORTALS]; /* of their portal groups */
	unsigned int nr_portals;
	uint32_t nop_interval, nop_count;
};

/* Reads the command line.  -1: go on; else what to exit with: help or version were printed, or what
 * is wrong, on stderr. */
int options_parse(int argc, char **argv, struct daemon_options *options);

#endif
