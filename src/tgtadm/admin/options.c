/* SPDX-License-Identifier: MIT */
#include "tgtadm/admin/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* Options without a short form. */
enum { OPT_DELETE = 256, OPT_OFFLINE, OPT_READY, OPT_UPDATE, OPT_IGNORE_ERRORS, OPT_DUMP };

static const struct option long_options[] = {
    {"execute", no_argument, NULL, 'e'},
    {"delete", required_argument, NULL, OPT_DELETE},
    {"offline", required_argument, NULL, OPT_OFFLINE},
    {"ready", required_argument, NULL, OPT_READY},
    {"update", required_argument, NULL, OPT_UPDATE},
    {"show", no_argument, NULL, 's'},
    {"control-port", required_argument, NULL, 'C'},
    {"conf", required_argument, NULL, 'c'},
    {"ignore-errors", no_argument, NULL, OPT_IGNORE_ERRORS},
    {"force", no_argument, NULL, 'f'},
    {"pretend", no_argument, NULL, 'p'},
    {"dump", no_argument, NULL, OPT_DUMP},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void print_help(void)
{
	printf("Usage: tgt-admin [OPTION]...\n"
	       "Has tgtd read its configuration, and manages whole targets.\n"
	       "A TARGET is ALL, tid=N, or the target's name.\n\n"
	       "  -e, --execute            make what the configuration asks for\n"
	       "      --update TARGET      the same for one target, or ALL\n"
	       "      --delete TARGET      delete it\n"
	       "      --offline TARGET     take it offline: no logins, no commands\n"
	       "      --ready TARGET       put it back\n"
	       "  -s, --show               print all targets\n"
	       "      --dump               print what runs as a configuration, without passwords\n"
	       "  -c, --conf FILE          the configuration, instead of the daemon's own\n"
	       "      --ignore-errors      leave out what is wrong in it\n"
	       "  -f, --force              also what ends sessions\n"
	       "  -p, --pretend            only print what would be done, as tgtadm commands\n"
	       "  -v, --verbose            print what is done, as tgtadm commands\n"
	       "  -C, --control-port N     of the daemon to talk to (0)\n"
	       "  -h, --help               print the options and exit\n");
}

static int try_help(void)
{
	fprintf(stderr, "Try `tgt-admin --help' for more information.\n");
	return EINVAL;
}

static int act(struct admin_options *o, enum admin_action action, const char *value)
{
	if (o->action != ADMIN_NONE) {
		fprintf(stderr, "tgt-admin: one action at a time\n");
		return try_help();
	}
	o->action = action;
	o->value = value;
	return -1;
}

static int take_port(struct admin_options *o, const char *text)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (end == text || *end || errno || *text == '-' || number > USHRT_MAX) {
		fprintf(stderr, "-C argument value '%s' invalid\n", text);
		return try_help();
	}
	o->control_port = (unsigned int)number;
	o->has_port = true;
	return -1;
}

static int take_action(struct admin_options *o, int letter)
{
	switch (letter) {
	case 'e':
		return act(o, ADMIN_UPDATE, "ALL");
	case OPT_UPDATE:
		return act(o, ADMIN_UPDATE, optarg);
	case OPT_DELETE:
		return act(o, ADMIN_DELETE, optarg);
	case OPT_OFFLINE:
		return act(o, ADMIN_OFFLINE, optarg);
	case OPT_READY:
		return act(o, ADMIN_READY, optarg);
	case 's':
		return act(o, ADMIN_SHOW, NULL);
	case OPT_DUMP:
		return act(o, ADMIN_DUMP, NULL);
	default:
		return try_help();
	}
}

static int take(struct admin_options *o, int letter)
{
	switch (letter) {
	case 'C':
		return take_port(o, optarg);
	case 'c':
		o->file = optarg;
		break;
	case OPT_IGNORE_ERRORS:
		o->ignore_errors = true;
		break;
	case 'f':
		o->force = true;
		break;
	case 'p':
		o->pretend = true;
		break;
	case 'v':
		o->verbose = true;
		break;
	case 'h':
		print_help();
		return 0;
	default:
		return take_action(o, letter);
	}
	return -1;
}

int admin_parse(int argc, char **argv, struct admin_options *o)
{
	int letter, rc;

	*o = (struct admin_options){.action = ADMIN_NONE};
	while ((letter = getopt_long(argc, argv, "esC:c:fpvh", long_options, NULL)) != -1) {
		rc = take(o, letter);
		if (rc >= 0)
			return rc;
	}
	if (optind < argc) {
		fprintf(stderr, "tgt-admin: '%s' is not an option\n", argv[optind]);
		return try_help();
	}
	if (o->action == ADMIN_NONE) {
		fprintf(stderr, "tgt-admin: there is nothing to do\n");
		return try_help();
	}
	return -1;
}
