/* SPDX-License-Identifier: MIT */
#include "tgtadm/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

enum option_type {
	TEXT,    /* goes into the request as it is */
	NUMBER,  /* 0 to max */
	FLAG,    /* a member that is true */
	IGNORED, /* taken for compatibility */
	OP,
	MODE,
	DEVICE_TYPE,
	PORT,
	HELP,
	VERSION,
	JSON,
	DEBUG,
};

#define NO_LETTER 0x100 /* --json */

static const struct option_row {
	const char *name;
	int letter;
	enum option_type type;
	const char *member; /* of the request */
	uint64_t max;
	const char *value, *help;
} rows[] = {
    {"lld", 'L', TEXT, "lld", 0, "DRIVER", "the transport: iscsi"},
    {"op", 'o', OP, NULL, 0, "OPERATION", "what to do"},
    {"mode", 'm', MODE, NULL, 0, "MODE", "what to do it to"},
    {"tid", 't', NUMBER, "tid", INT_MAX, "ID", "target"},
    {"sid", 's', NUMBER, "sid", INT64_MAX, "ID", "session"},
    {"cid", 'c', NUMBER, "cid", UINT_MAX, "ID", "connection"},
    {"lun", 'l', NUMBER, "lun", INT64_MAX, "LUN", "logical unit number"},
    {"name", 'n', TEXT, "name", 0, "NAME", "name of what to update"},
    {"value", 'v', TEXT, "value", 0, "VALUE", "its new value"},
    {"backing-store", 'b', TEXT, "backing_store", 0, "PATH", "file or device with the data"},
    {"bstype", 'E', TEXT, "bstype", 0, "NAME", "backing store, see mode backingstore"},
    {"bsopts", 'S', TEXT, "bsopts", 0, "OPTIONS", "its options: name=value;name=value"},
    {"bsoflags", 'f', TEXT, "bsoflags", 0, "FLAGS", "sync, direct, or sync:direct"},
    {"blocksize", 'y', NUMBER, "blocksize", UINT_MAX, "BYTES", "logical block length (512)"},
    {"targetname", 'T', TEXT, "targetname", 0, "NAME", "iSCSI name of the target"},
    {"initiator-address", 'I', TEXT, "initiator_address", 0, "ADDRESS",
     "who may log in: ALL, ADDRESS, ADDRESS/BITS"},
    {"initiator-name", 'Q', TEXT, "initiator_name", 0, "NAME", "who may log in: an iSCSI name"},
    {"user", 'u', TEXT, "user", 0, "NAME", "account"},
    {"password", 'p', TEXT, "password", 0, "SECRET", "its CHAP secret"},
    {"host", 'H', IGNORED, NULL, INT_MAX, "HOST", "taken for compatibility"},
    {"force", 'F', FLAG, "force", 0, NULL, "delete, or take out, although it is in use"},
    {"params", 'P', TEXT, "params", 0, "KEY=VALUE,...", "what to change"},
    {"bus", 'B', IGNORED, NULL, 0, "BUS", "taken for compatibility"},
    {"device-type", 'Y', DEVICE_TYPE, "device_type", 0, "TYPE",
     "disk (default), tape, changer, pt"},
    {"outgoing", 'O', FLAG, "outgoing", 0, NULL, "the account is the target's own"},
    {"control-port", 'C', PORT, NULL, USHRT_MAX, "N", "of the daemon to talk to (0)"},
    {"json", NO_LETTER, JSON, NULL, 0, NULL, "print the result as JSON"},
    {"debug", 'd', DEBUG, NULL, 0, NULL, "print what is sent and received"},
    {"version", 'V', VERSION, NULL, 0, NULL, "print the version and exit"},
    {"help", 'h', HELP, NULL, 0, NULL, "print the options and exit"},
};

void adm_print_help(void)
{
	printf("Usage: tgtadm [--lld iscsi] --mode MODE --op OPERATION [options]\n"
	       "Manages the SCSI target daemon, tgtd.\n\n"
	       "Modes and their operations:\n"
	       "system (sys)        show stat update delete\n"
	       "target (tgt)        new delete show stat bind unbind update\n"
	       "logicalunit (lu)    new delete update stat\n"
	       "portal (pt)         new delete show\n"
	       "session (sess)      show stat\n"
	       "connection (conn)   show stat delete\n"
	       "account             new delete show bind unbind update\n"
	       "lld                 start stop show\n"
	       "backingstore (bs)   show\n\n"
	       "Options:\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct option_row *r = &rows[i];
		char left[80];
		int len = 0;

		if (r->letter != NO_LETTER)
			len = snprintf(left, sizeof(left), "-%c, ", r->letter);
		snprintf(left + len, sizeof(left) - (size_t)len, "--%s%s%s", r->name,
			 r->value ? " " : "", r->value ? r->value : "");
		printf("  %-34s  %s\n", left, r->help);
	}
}

static int try_help(void)
{
	fprintf(stderr, "Try `tgtadm --help' for more information.\n");
	return EINVAL;
}

/* As stgt reads them: any base, and a colon after it ("Target 1:" cut out of show) is no harm. */
static int parse_number(const struct option_row *row, const char *text, uint64_t *number)
{
	const char *why = NULL;
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 0);
	if (end == text || errno || *number == ULLONG_MAX || strchr(text, '-') ||
	    (*end && strcmp(end, ":") != 0))
		why = "invalid";
	else if (*number > row->max)
		why = "out of range";
	if (!why)
		return -1;
	fprintf(stderr, "-%c argument value '%s' %s\n", row->letter, text, why);
	return try_help();
}

static int take_number(struct adm_options *o, const struct option_row *row, const char *text)
{
	uint64_t number;
	int rc = parse_number(row, text, &number);

	if (rc >= 0)
		return rc;
	if (row->type == PORT)
		o->control_port = (unsigned int)number;
	else
		json_object_set_new(o->request, row->member, json_integer((json_int_t)number));
	return -1;
}

static int take_text(struct adm_options *o, const struct option_row *row, const char *text)
{
	if (!json_object_set_new(o->request, row->member, json_string(text)))
		return -1;
	fprintf(stderr, "tgtadm: the value of --%s is not UTF-8\n", row->name);
	return EINVAL;
}

static int take_device_type(struct adm_options *o, const struct option_row *row, const char *text)
{
	static const char *const known[] = {"disk", "cd", "osd", "changer", "tape", "pt", "ssc"};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(known[i], text) == 0)
			return take_text(o, row, text);
	}
	fprintf(stderr, "tgtadm: unknown target type: %s\n", text);
	return EINVAL;
}

static int take_op(struct adm_options *o, const char *text)
{
	o->op = adm_find_op(text);
	if (o->op != OP_NONE)
		return -1;
	fprintf(stderr, "tgtadm: unknown operation: %s\n", text);
	return 1;
}

static int take_mode(struct adm_options *o, const char *text)
{
	o->mode = adm_find_mode(text);
	if (o->mode != MODE_NONE)
		return -1;
	fprintf(stderr, "tgtadm: unknown mode: %s\n", text);
	return 1;
}

static void note_used(struct adm_options *o, const struct option_row *row)
{
	size_t len = strlen(o->used);

	/* where to go and how to print say nothing about the operation */
	if (!row->member && row->type != IGNORED)
		return;
	if (strcmp(row->name, "lld") != 0 && !adm_used(o, (char)row->letter) &&
	    len + 1 < sizeof(o->used))
		o->used[len] = (char)row->letter;
}

static int take(struct adm_options *o, const struct option_row *row, const char *text)
{
	uint64_t number;

	note_used(o, row);
	switch (row->type) {
	case TEXT:
		return take_text(o, row, text);
	case NUMBER:
	case PORT:
		return take_number(o, row, text);
	case FLAG:
		json_object_set_new(o->request, row->member, json_true());
		return -1;
	case IGNORED:
		return row->max ? parse_number(row, text, &number) : -1;
	case OP:
		return take_op(o, text);
	case MODE:
		return take_mode(o, text);
	case DEVICE_TYPE:
		return take_device_type(o, row, text);
	case JSON:
		o->json = true;
		return -1;
	case DEBUG:
		o->debug = true;
		return -1;
	case VERSION:
		printf("%s\n", TGT_VERSION);
		return 0;
	case HELP:
		adm_print_help();
		return 0;
	}
	return -1;
}

static const struct option_row *row_of(int letter)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].letter == letter)
			return &rows[i];
	}
	return NULL;
}

/* getopt_long()'s two tables, from ours. */
static void make_tables(struct option *longs, char *shorts)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct option_row *r = &rows[i];

		longs[i] = (struct option){.name = r->name,
					   .has_arg = r->value ? required_argument : no_argument,
					   .val = r->letter};
		if (r->letter == NO_LETTER)
			continue;
		*shorts++ = (char)r->letter;
		if (r->value)
			*shorts++ = ':';
	}
	*shorts = '\0';
}

static void finish_request(struct adm_options *o)
{
	json_object_set_new(o->request, "version", json_integer(1));
	json_object_set_new(o->request, "op", json_string(adm_op_name(o->op)));
	json_object_set_new(o->request, "mode", json_string(adm_mode_name(o->mode)));
}

int adm_parse(int argc, char **argv, struct adm_options *o)
{
	struct option longs[ARRAY_SIZE(rows) + 1] = {{0}};
	char shorts[2 * ARRAY_SIZE(rows) + 1];
	int letter, rc;

	memset(o, 0, sizeof(*o));
	o->request = json_object();
	make_tables(longs, shorts);
	while ((letter = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_row *row = row_of(letter);

		rc = row ? take(o, row, optarg) : try_help();
		if (rc >= 0)
			return rc;
	}
	if (optind < argc) {
		fprintf(stderr, "tgtadm: unrecognized option '%s'\n", argv[optind]);
		return try_help();
	}
	rc = adm_check(o);
	if (rc < 0)
		finish_request(o);
	return rc;
}
