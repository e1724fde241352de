/* SPDX-License-Identifier: MIT */
/* Where a partition ended when it was last on stable storage. */
#ifndef TGT_BACKING_STORE_SSC_CHECKPOINT_H
#define TGT_BACKING_STORE_SSC_CHECKPOINT_H

#include "partition.h"

#define CHECKPOINT_MAGIC 0x74675443u /* "tgTC" */

struct checkpoint {
	uint64_t nr, nr_marks, end, epoch;
	uint64_t last_block, directory; /* offsets, 0: there is none */
};

/* Of what p is now.  0 or -errno. */
int checkpoint_write(struct partition *p);
/* 0; -ENOENT: there is none, nothing was ever written; -EBADMSG: it makes no sense; another -errno.
 */
int checkpoint_read(struct partition *p, struct checkpoint *c);

#endif
