/* SPDX-License-Identifier: MIT */
/* The files that hold tapes: made, shown, checked, converted. */
#include <stdio.h>

#include "tgtimg.h"

int tgtimg_fail(const char *file, const char *why)
{
	fprintf(stderr, "tgtimg: %s: %s\n", file, why);
	return 1;
}

int main(int argc, char **argv)
{
	struct tgtimg_options options;
	int status = tgtimg_options_parse(argc, argv, &options);

	if (status >= 0)
		return status;
	switch (options.op) {
	case OP_NEW:
		return options.device == DEVICE_DISK ? tgtimg_new_disk(&options)
						     : tgtimg_new_tape(&options);
	case OP_SHOW:
		return tgtimg_show(&options);
	case OP_CHECK:
		return tgtimg_check(&options);
	default:
		return tgtimg_convert(&options);
	}
}
