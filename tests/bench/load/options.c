/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

struct options opt = {.initiator = "iqn.2026-01.org.tgt:load",
		      .lun = 1,
		      .size = 4096,
		      .depth = 32,
		      .sessions = 1,
		      .at_once = 1,
		      .length_ns = 3 * SECOND,
		      .mix = 100};

static const char usage[] =
    "usage: iscsi-load --portal HOST:PORT --target NAME --lun N | --url "
    "iscsi://HOST[:PORT]/NAME/LUN\n"
    "                  [option...]\n"
    "  --op read|write|idle  what to do (read); idle: log in, and do nothing\n"
    "  --mix N               reads in percent, the others are writes\n"
    "  --size BYTES          of an I/O (4096)\n"
    "  --depth N             I/Os in flight a session (32)\n"
    "  --batch               the next I/Os start when all those in flight have ended\n"
    "  --spin                look for answers all the time instead of sleeping: waking a sleeper "
    "up is\n"
    "                        work of the CPU that the target has\n"
    "  --sessions N          (1)\n"
    "  --at-once N           connections that are made and log in at the same time (1)\n"
    "  --range BYTES         of the medium that are used (1 GiB, or all if it is smaller)\n"
    "  --sequential          in order, not at random\n"
    "  --seconds N           how long, also 0.5 (3)\n"
    "  --count N             so many I/Os instead; what was written is then synchronised\n"
    "  --rate N              start so many I/Os a second; the time of each counts from when it was "
    "due\n"
    "  --verify              write blocks that say where they belong and when they were written, "
    "and\n"
    "                        check what is read; with writes, the range is written once before\n"
    "  --header-digest, --data-digest\n"
    "                        CRC32C, which the target has to agree to\n"
    "  --tape                READ(6) and WRITE(6), rewound before; needs --count\n"
    "  --initiator NAME\n"
    "Prints \"go\" when the measurement begins, and then a line of JSON.  Ends with 1 if commands "
    "failed, or\n"
    "data were wrong.\n";

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("iscsi-load: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

void die(const char *what)
{
	fail("%s: %s", what, strerror(errno));
}

static _Noreturn void bad(const char *what)
{
	fprintf(stderr, "iscsi-load: %s; --help lists the options\n", what);
	exit(2);
}

static uint64_t number(const char *name, const char *text, uint64_t min, uint64_t max)
{
	char what[128], *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || n < min || n > max) {
		snprintf(what, sizeof(what), "--%s takes a number from %llu to %llu", name,
			 (unsigned long long)min, (unsigned long long)max);
		bad(what);
	}
	return n;
}

static uint64_t duration(const char *name, const char *text)
{
	char what[128], *end;
	double seconds = strtod(text, &end);

	/* not a number is none of both */
	if (end == text || *end || !(seconds >= 0 && seconds <= 1000000)) {
		snprintf(what, sizeof(what), "--%s takes seconds from 0 to 1000000", name);
		bad(what);
	}
	return (uint64_t)(seconds * SECOND);
}

/* HOST:PORT, where HOST may be an IPv6 address in brackets; without a port, it is iSCSI's own. */
static void take_portal(const char *text)
{
	bool bracket = *text == '[';
	const char *end = bracket ? strchr(text, ']') : strchr(text, ':');
	size_t len = end ? (size_t)(end - text) - bracket : strlen(text);
	const char *port = end && bracket ? end + 1 : end;

	if ((bracket && !end) || !len || len >= sizeof(opt.host))
		bad("--portal takes HOST:PORT");
	memcpy(opt.host, text + bracket, len);
	opt.host[len] = 0;
	snprintf(opt.port, sizeof(opt.port), "%s", port && *port == ':' ? port + 1 : "3260");
}

static void take_target(const char *text, size_t len)
{
	if (!len || len > 223) /* RFC 7143 4.2.7.1 */
		bad("--target takes an iSCSI name");
	memcpy(opt.target, text, len);
	opt.target[len] = 0;
}

static void take_url(const char *url)
{
	char portal[300];
	const char *name, *lun;

	if (strncmp(url, "iscsi://", 8) != 0 || !(name = strchr(url + 8, '/')) ||
	    !(lun = strrchr(name + 1, '/')) || (size_t)(name - url - 8) >= sizeof(portal))
		bad("--url takes iscsi://HOST[:PORT]/NAME/LUN");
	memcpy(portal, url + 8, (size_t)(name - url - 8));
	portal[name - url - 8] = 0;
	take_portal(portal);
	take_target(name + 1, (size_t)(lun - name - 1));
	opt.lun = (unsigned)number("url", lun + 1, 0, 16383);
}

static void take_op(const char *op)
{
	if (strcmp(op, "read") != 0 && strcmp(op, "write") != 0 && strcmp(op, "idle") != 0)
		bad("--op takes read, write or idle");
	opt.idle = !strcmp(op, "idle");
	opt.mix = strcmp(op, "write") ? 100 : 0;
}

static const struct option options[] = {
    {"portal", required_argument, NULL, 'p'},
    {"target", required_argument, NULL, 't'},
    {"url", required_argument, NULL, 'u'},
    {"lun", required_argument, NULL, 'l'},
    {"op", required_argument, NULL, 'o'},
    {"mix", required_argument, NULL, 'm'},
    {"size", required_argument, NULL, 's'},
    {"depth", required_argument, NULL, 'd'},
    {"batch", no_argument, NULL, 'b'},
    {"spin", no_argument, NULL, 'z'},
    {"range", required_argument, NULL, 'r'},
    {"sessions", required_argument, NULL, 'n'},
    {"seconds", required_argument, NULL, 'S'},
    {"sequential", no_argument, NULL, 'q'},
    {"count", required_argument, NULL, 'c'},
    {"rate", required_argument, NULL, 'R'},
    {"verify", no_argument, NULL, 'v'},
    {"header-digest", no_argument, NULL, 'H'},
    {"data-digest", no_argument, NULL, 'D'},
    {"tape", no_argument, NULL, 'T'},
    {"initiator", required_argument, NULL, 'i'},
    {"at-once", required_argument, NULL, 'a'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static void take_number(int c, const char *name, const char *text)
{
	if (c == 'l')
		opt.lun = (unsigned)number(name, text, 0, 16383); /* SAM-5 4.6.8: flat space */
	else if (c == 'm')
		opt.mix = (unsigned)number(name, text, 0, 100);
	else if (c == 's')
		opt.size = (unsigned)number(name, text, 512, MAX_IO_SIZE);
	else if (c == 'd')
		opt.depth = (unsigned)number(name, text, 1, MAX_DEPTH);
	else if (c == 'r')
		opt.range = number(name, text, 512, UINT64_MAX);
	else if (c == 'n')
		opt.sessions = (unsigned)number(name, text, 1, MAX_SESSIONS);
	else if (c == 'a')
		opt.at_once = (unsigned)number(name, text, 1, MAX_SESSIONS);
	else if (c == 'S')
		opt.length_ns = duration(name, text);
	else if (c == 'c')
		opt.count = number(name, text, 0, UINT64_MAX);
	else if (c == 'R')
		opt.rate = (unsigned)number(name, text, 1, 100000000);
}

static void take(int c, const char *name, const char *value)
{
	switch (c) {
	case 'h':
		fputs(usage, stdout);
		exit(0);
	case 'p':
		take_portal(value);
		break;
	case 't':
		take_target(value, strlen(value));
		break;
	case 'u':
		take_url(value);
		break;
	case 'o':
		take_op(value);
		break;
	case 'b':
		opt.batch = true;
		break;
	case 'z':
		opt.spin = true;
		break;
	case 'q':
		opt.sequential = true;
		break;
	case 'v':
		opt.verify = true;
		break;
	case 'H':
		opt.header_digest = true;
		break;
	case 'D':
		opt.data_digest = true;
		break;
	case 'T':
		opt.tape = true;
		break;
	case 'i':
		opt.initiator = value;
		break;
	default:
		take_number(c, name, value);
	}
}

void options_parse(int argc, char **argv)
{
	int c, index = 0;

	while ((c = getopt_long(argc, argv, "", options, &index)) >= 0) {
		if (c == '?')
			exit(2);
		take(c, options[index].name, optarg);
	}
	if (optind < argc)
		bad("no arguments but options are taken");
	if (!opt.target[0] || !opt.host[0])
		bad("a portal and a target, or a URL, are needed");
	if (strlen(opt.initiator) > 223)
		bad("--initiator takes an iSCSI name");
	if (opt.tape && (!opt.count || opt.sessions > 1 || opt.verify || opt.size >= 1u << 24 ||
			 (opt.mix != 0 && opt.mix != 100)))
		bad("a tape takes a count, one session, and reads or writes, which aren't "
		    "verified");
	if (opt.rate && (opt.count || opt.idle || opt.batch))
		bad("--rate goes with neither a count, batches nor idleness");
}
