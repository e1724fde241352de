/* SPDX-License-Identifier: MIT */
/* tgtimg's command line, as stgt's takes it, and what is new here. */
#ifndef TGT_TGTIMG_OPTIONS_H
#define TGT_TGTIMG_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum tgtimg_op { OP_NONE, OP_NEW, OP_SHOW, OP_CHECK, OP_CONVERT };
enum tgtimg_device { DEVICE_NONE, DEVICE_TAPE, DEVICE_CD, DEVICE_DISK };

struct tgtimg_options {
	enum tgtimg_op op;
	enum tgtimg_device device;
	const char *file, *barcode, *type;
	const char *from, *to; /* convert: the other file */
	uint64_t size;         /* bytes; 0: not given */
	unsigned density;      /* density code; 0: not given */
	bool thin;
	bool brief; /* show: not each object */
};

/* Below 0: go on; else the exit status, and what there was to say has been said. */
int tgtimg_options_parse(int argc, char **argv, struct tgtimg_options *options);

#endif
