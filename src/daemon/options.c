/* SPDX-License-Identifier: MIT */
#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/control.h"
#include "reactor/reactor.h"
#include "util/cleanup.h"

#define DEFAULT_IO_THREADS 16
#define MAX_IO_THREADS 1024
#define MAX_POLL_US 10000

/* Options without a short form. */
enum {
	OPT_ISCSI = 256,
	OPT_THREADS,
	OPT_POLL,
	OPT_STORE_DIR,
	OPT_STATE_DIR,
	OPT_CONFIG,
	OPT_DEFAULT_STORE,
};

static const struct option long_options[] = {
    {"foreground", no_argument, NULL, 'f'},
    {"nodaemonize", no_argument, NULL, 'D'},
    {"control-port", required_argument, NULL, 'C'},
    {"nr_iothreads", required_argument, NULL, 't'},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"poll-us", required_argument, NULL, OPT_POLL},
    {"pid-file", required_argument, NULL, 'p'},
    {"iscsi", required_argument, NULL, OPT_ISCSI},
    {"backing-store-dir", required_argument, NULL, OPT_STORE_DIR},
    {"default-store", required_argument, NULL, OPT_DEFAULT_STORE},
    {"state-dir", required_argument, NULL, OPT_STATE_DIR},
    {"config", required_argument, NULL, OPT_CONFIG},
    {"debug", required_argument, NULL, 'd'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void print_help(void)
{
	printf("Usage: tgtd [OPTION]...\n"
	       "SCSI target daemon: exports disks, tapes and SCSI devices over iSCSI.\n\n"
	       "  -f, --foreground         stay in the foreground, log to stderr\n"
	       "  -D, --nodaemonize        stay in the foreground, log to syslog and stderr\n"
	       "      --config FILE        make the targets that FILE asks for (targets.conf(5)),\n"
	       "                           and read it again on SIGHUP\n"
	       "  -C, --control-port N     number of the management socket (0)\n"
	       "      --iscsi KEY=VALUE,...  portal=ADDRESS[:PORT], tpgt=TAG (of the portal\n"
	       "                           before it), nop_interval=SECONDS, nop_count=N; may be\n"
	       "                           repeated\n"
	       "      --threads N          event loop threads (one for each CPU)\n"
	       "      --poll-us N          event loops look for new work for up to N microseconds\n"
	       "                           before they sleep, while it comes that fast (0)\n"
	       "  -t, --nr_iothreads N     worker threads, for I/O that blocks (%d)\n"
	       "      --backing-store-dir DIR  load the backing stores from DIR, not from\n"
	       "                           %s\n"
	       "      --default-store NAME  the backing store of disks that don't name one (rdwr)\n"
	       "      --state-dir DIR      keep what survives a restart in DIR, not in\n"
	       "                           /var/lib/tgtd\n"
	       "  -p, --pid-file FILE      write the process ID to FILE\n"
	       "  -d, --debug N            1: log more\n"
	       "  -V, --version            print the version and exit\n"
	       "  -h, --help               print the options and exit\n",
	       DEFAULT_IO_THREADS, TGT_BSDIR);
}

static int try_help(int status)
{
	fprintf(stderr, "Try `tgtd --help' for more information.\n");
	return status;
}

/* Texts and exit codes are stgt's. */
static int take_number(const char *option, const char *text, unsigned long min, unsigned long max,
		       unsigned int *number)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (end == text || *end || strchr(text, '-')) {
		fprintf(stderr, "%s argument value '%s' invalid\n", option, text);
		return try_help(EINVAL);
	}
	if (errno || value < min || value > max) {
		fprintf(stderr, "%s argument value '%s' out of range\n", option, text);
		return try_help(ERANGE);
	}
	*number = (unsigned int)value;
	return -1;
}

static int take_portal(struct daemon_options *o, char *value)
{
	if (o->nr_portals == MAX_PORTALS) {
		fprintf(stderr, "--iscsi: more than %d portals\n", MAX_PORTALS);
		return try_help(EINVAL);
	}
	o->tags[o->nr_portals] = PORTAL_GROUP_DEFAULT;
	o->portals[o->nr_portals++] = value;
	return -1;
}

/* The portal group tag of the portal before it. */
static int take_tag(struct daemon_options *o, const char *value)
{
	unsigned int tag = 0;
	int status;

	if (!o->nr_portals) {
		fprintf(stderr, "--iscsi: tpgt= belongs after portal=\n");
		return try_help(EINVAL);
	}
	status = take_number("--iscsi tpgt", value, 1, UINT16_MAX, &tag);
	o->tags[o->nr_portals - 1] = (uint16_t)tag;
	return status;
}

/* The value of a "key=value" pair, when it has that key and is not empty. */
static char *value_of(char *pair, const char *key)
{
	size_t len = strlen(key);

	return strncmp(pair, key, len) == 0 && pair[len] == '=' && pair[len + 1] ? pair + len + 1
										 : NULL;
}

/* One key=value of --iscsi. */
static int take_iscsi_pair(struct daemon_options *o, char *pair)
{
	char *value;

	if ((value = value_of(pair, "portal")))
		return take_portal(o, value);
	if ((value = value_of(pair, "tpgt")))
		return take_tag(o, value);
	if ((value = value_of(pair, "nop_interval")))
		return take_number("--iscsi nop_interval", value, 0, 86400, &o->nop_interval);
	if ((value = value_of(pair, "nop_count")))
		return take_number("--iscsi nop_count", value, 0, 1000, &o->nop_count);
	fprintf(stderr, "--iscsi: '%s' is none of portal=, tpgt=, nop_interval=, nop_count=\n",
		pair);
	return try_help(EINVAL);
}

static int take_iscsi(struct daemon_options *o, char *text)
{
	char *rest = NULL;
	int status = -1;

	for (char *pair = strtok_r(text, ",", &rest); pair && status < 0;
	     pair = strtok_r(NULL, ",", &rest))
		status = take_iscsi_pair(o, pair);
	return status;
}

static int take_word(struct daemon_options *o, int letter)
{
	switch (letter) {
	case 'f':
		o->foreground = true;
		return -1;
	case 'D':
		o->foreground = o->syslog = true;
		return -1;
	case 'V':
		printf("%s\n", TGT_VERSION);
		return 0;
	default:
		print_help();
		return 0;
	}
}

static int take(struct daemon_options *o, int letter, char *value)
{
	unsigned int level;
	int status = -1;

	switch (letter) {
	case 'C':
		return take_number("-C", value, 0, USHRT_MAX, &o->control_port);
	case 't':
		return take_number("-t", value, 1, MAX_IO_THREADS, &o->io_threads);
	case OPT_THREADS:
		return take_number("--threads", value, 1, REACTOR_MAX, &o->reactors);
	case OPT_POLL:
		return take_number("--poll-us", value, 0, MAX_POLL_US, &o->poll_us);
	case 'd':
		status = take_number("-d", value, 0, INT_MAX, &level);
		o->debug = status < 0 && level;
		return status;
	case OPT_ISCSI:
		return take_iscsi(o, value);
	case 'p':
		o->pid_file = value;
		return -1;
	case OPT_STORE_DIR:
		o->store_dir = value;
		return -1;
	case OPT_DEFAULT_STORE:
		o->default_store = value;
		return -1;
	case OPT_STATE_DIR:
		o->state_dir = value;
		return -1;
	case OPT_CONFIG:
		o->config = value;
		return -1;
	default:
		return take_word(o, letter);
	}
}

static int complain(int letter, char **argv)
{
	const char *word = argv[optind - 1];

	if (letter == ':')
		fprintf(stderr, "'%s' needs a value\n", word);
	else if (optopt && optopt < OPT_ISCSI && strncmp(word, "--", 2) != 0)
		fprintf(stderr, "'%c' is an unknown option\n", optopt);
	else
		fprintf(stderr, "'%s' is an unknown option\n", word + strspn(word, "-"));
	return try_help(1);
}

int options_parse(int argc, char **argv, struct daemon_options *o)
{
	int letter, status;

	*o = (struct daemon_options){.io_threads = DEFAULT_IO_THREADS};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, ":fDC:t:p:d:Vh", long_options, NULL)) != -1) {
		bool known = letter != '?' && letter != ':';

		status = known ? take(o, letter, optarg) : complain(letter, argv);
		if (status >= 0)
			return status;
	}
	if (optind < argc) {
		fprintf(stderr, "'%s' is not an option\n", argv[optind]);
		return try_help(1);
	}
	if (!o->foreground)
		o->syslog = true;
	return -1;
}
