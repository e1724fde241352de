/* SPDX-License-Identifier: MIT */
/* The command line of tgt-admin. */
#ifndef TGT_TGTADM_ADMIN_OPTIONS_H
#define TGT_TGTADM_ADMIN_OPTIONS_H

#include <stdbool.h>

enum admin_action {
	ADMIN_NONE,
	ADMIN_UPDATE, /* --execute too */
	ADMIN_DELETE,
	ADMIN_OFFLINE,
	ADMIN_READY,
	ADMIN_SHOW,
	ADMIN_DUMP,
};

/* Texts point into argv. */
struct admin_options {
	enum admin_action action;
	const char *value; /* ALL, tid=N, or a target's name */
	const char *file;  /* or NULL */
	bool has_port;
	unsigned int control_port;
	bool force, pretend, ignore_errors, verbose;
};

/* -1: go on; else what to exit with: help was printed, or what is wrong, on stderr. */
int admin_parse(int argc, char **argv, struct admin_options *options);

#endif
