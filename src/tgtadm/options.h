/* SPDX-License-Identifier: MIT */
/* The command line of tgtadm: stgt's options, checks and texts. */
#ifndef TGT_TGTADM_OPTIONS_H
#define TGT_TGTADM_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>

enum adm_mode {
	MODE_NONE,
	MODE_SYSTEM,
	MODE_TARGET,
	MODE_LOGICALUNIT,
	MODE_PORTAL,
	MODE_SESSION,
	MODE_CONNECTION,
	MODE_ACCOUNT,
	MODE_LLD,
	MODE_BACKINGSTORE,
};

enum adm_op {
	OP_NONE,
	OP_NEW,
	OP_DELETE,
	OP_SHOW,
	OP_BIND,
	OP_UNBIND,
	OP_UPDATE,
	OP_STAT,
	OP_START,
	OP_STOP,
};

struct adm_options {
	enum adm_mode mode;
	enum adm_op op;
	unsigned int control_port;
	bool json, debug;
	char used[64];   /* letters of the options given, in their order, each once */
	json_t *request; /* what to send */
};

/*
 * Reads the command line.  Returns -1 when there is a request to send; else what to exit with: help
 * or version were printed, or one line on stderr says what is wrong.
 */
int adm_parse(int argc, char **argv, struct adm_options *options);

/* rules.c: does the operation exist, does it take the options given, are those it needs there?  -1,
 * or what to exit with after a line on stderr. */
int adm_check(const struct adm_options *options);
bool adm_used(const struct adm_options *options, char letter);

const char *adm_mode_name(enum adm_mode mode);
const char *adm_op_name(enum adm_op op);
/* By name or short name; …_NONE: there is none. */
enum adm_mode adm_find_mode(const char *name);
enum adm_op adm_find_op(const char *name);

/* The text of --help, on stdout. */
void adm_print_help(void);

#endif
