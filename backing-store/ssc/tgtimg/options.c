/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_FROM = 256, OPT_TO, OPT_DENSITY, OPT_BRIEF };

static const struct option long_options[] = {
    {"op", required_argument, NULL, 'o'},
    {"device-type", required_argument, NULL, 'Y'},
    {"barcode", required_argument, NULL, 'b'},
    {"size", required_argument, NULL, 's'},
    {"type", required_argument, NULL, 't'},
    {"file", required_argument, NULL, 'f'},
    {"thin-provisioning", no_argument, NULL, 'T'},
    {"density", required_argument, NULL, OPT_DENSITY},
    {"from", required_argument, NULL, OPT_FROM},
    {"to", required_argument, NULL, OPT_TO},
    {"brief", no_argument, NULL, OPT_BRIEF},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void print_help(void)
{
	printf(
	    "Usage: tgtimg [OPTION]...\n"
	    "Makes, shows, checks and converts the files that hold tapes, and makes disks.\n\n"
	    "  -o, --op OP              new, show, check, convert\n"
	    "  -Y, --device-type TYPE   tape, disk\n"
	    "  -f, --file FILE          the tape or disk\n"
	    "  -s, --size SIZE          new: in MiB, or with a suffix k, M, G, T\n"
	    "  -t, --type MEDIUM        new: data, worm, clean (of a tape); disk\n"
	    "  -b, --barcode TEXT       new: of the cartridge\n"
	    "      --density CODE       new: density code of the cartridge, e.g. 0x5e for LTO-8\n"
	    "  -T, --thin-provisioning  new disk: allocate nothing yet\n"
	    "      --from SOURCE        convert: make FILE of a tape of stgt's, or of a .tap\n"
	    "      --to TAP             convert: make a .tap of FILE\n"
	    "      --brief              show: leave out the records\n"
	    "  -V, --version            print the version and exit\n"
	    "  -h, --help               print the options and exit\n");
}

static int try_help(void)
{
	fprintf(stderr, "Try `tgtimg --help' for more information.\n");
	return EINVAL;
}

static int refuse(const char *why)
{
	fprintf(stderr, "tgtimg: %s\n", why);
	return try_help();
}

static bool take_op(struct tgtimg_options *o, const char *text)
{
	static const char *const names[] = {
	    [OP_NEW] = "new", [OP_SHOW] = "show", [OP_CHECK] = "check", [OP_CONVERT] = "convert"};

	for (int i = OP_NEW; i <= OP_CONVERT; i++)
		if (strcmp(names[i], text) == 0)
			o->op = (enum tgtimg_op)i;
	return o->op != OP_NONE;
}

static bool take_device(struct tgtimg_options *o, const char *text)
{
	static const char *const names[] = {
	    [DEVICE_TAPE] = "tape", [DEVICE_CD] = "cd", [DEVICE_DISK] = "disk"};

	for (int i = DEVICE_TAPE; i <= DEVICE_DISK; i++)
		if (strcmp(names[i], text) == 0)
			o->device = (enum tgtimg_device)i;
	return o->device != DEVICE_NONE;
}

/* Bytes; a number alone counts MiB, as it always did. */
static bool take_size(struct tgtimg_options *o, const char *text)
{
	static const char suffixes[] = "kMGT";
	unsigned shift = 20;
	unsigned long long number;
	const char *suffix;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (*end) {
		suffix = strchr(suffixes, *end == 'K' ? 'k' : *end);
		if (!suffix || end[1])
			return false;
		shift = (unsigned)(suffix - suffixes + 1) * 10;
	}
	o->size = number << shift;
	return !errno && number && number <= (uint64_t)INT64_MAX >> shift;
}

static bool take_density(struct tgtimg_options *o, const char *text)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 0);
	o->density = (unsigned)number;
	return *text >= '0' && *text <= '9' && !*end && !errno && number && number <= 0xff;
}

/* NULL: taken; else why not. */
static const char *take(struct tgtimg_options *o, int option, const char *value)
{
	switch (option) {
	case 'o':
		return take_op(o, value) ? NULL : "the operation is new, show, check or convert";
	case 'Y':
		return take_device(o, value) ? NULL : "the device type is tape or disk";
	case 's':
		return take_size(o, value) ? NULL : "the size is a number of MiB, at least 1";
	case OPT_DENSITY:
		return take_density(o, value) ? NULL : "a density code is a number from 1 to 255";
	case 'b':
		o->barcode = value;
		break;
	case 't':
		o->type = value;
		break;
	case 'f':
		o->file = value;
		break;
	case OPT_FROM:
		o->from = value;
		break;
	case OPT_TO:
		o->to = value;
		break;
	case OPT_BRIEF:
		o->brief = true;
		break;
	default:
		o->thin = true;
		break;
	}
	return NULL;
}

static const char *check_new(const struct tgtimg_options *o)
{
	if (!o->type)
		return "Missing the media type param";
	if (o->device == DEVICE_TAPE && !o->barcode)
		return "Missing the barcode param";
	if (!o->size)
		return "Missing the capacity param";
	if (o->device == DEVICE_TAPE && o->thin)
		return "a tape always takes the space of what is written to it: no -T";
	return NULL;
}

static const char *check(const struct tgtimg_options *o)
{
	if (o->op == OP_NONE)
		return "specify the operation type";
	if (o->device == DEVICE_NONE)
		return "specify the device type";
	if (o->device == DEVICE_CD)
		return "tgtd has no CD or DVD drive";
	if (!o->file)
		return "specify the file";
	if (o->op == OP_NEW)
		return check_new(o);
	if (o->device != DEVICE_TAPE)
		return "only tapes can be shown, checked and converted";
	if (o->op == OP_CONVERT && !o->from == !o->to)
		return "convert goes --from a tape of another format or --to one";
	return NULL;
}

int tgtimg_options_parse(int argc, char **argv, struct tgtimg_options *options)
{
	const char *why = NULL;
	int option;

	memset(options, 0, sizeof(*options));
	while (!why &&
	       (option = getopt_long(argc, argv, "o:Y:b:s:t:f:TVh", long_options, NULL)) != -1) {
		switch (option) {
		case 'h':
			print_help();
			return 0;
		case 'V':
			printf("%s\n", TGT_VERSION);
			return 0;
		case '?':
			return try_help();
		default:
			why = take(options, option, optarg);
		}
	}
	if (!why && optind < argc)
		why = "there are options only, no arguments";
	if (!why)
		why = check(options);
	return why ? refuse(why) : -1;
}
