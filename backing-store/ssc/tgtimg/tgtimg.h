/* SPDX-License-Identifier: MIT */
/* What tgtimg does.  Each prints what went wrong, and returns the exit status. */
#ifndef TGT_TGTIMG_H
#define TGT_TGTIMG_H

#include "options.h"

int tgtimg_new_tape(const struct tgtimg_options *options);
int tgtimg_new_disk(const struct tgtimg_options *options);
int tgtimg_show(const struct tgtimg_options *options);
int tgtimg_check(const struct tgtimg_options *options);
int tgtimg_convert(const struct tgtimg_options *options);

/* "tgtimg: FILE: why"; 1. */
int tgtimg_fail(const char *file, const char *why);

#endif
