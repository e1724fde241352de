/* SPDX-License-Identifier: MIT */
/* What is known of the medium, and where on it the next I/O goes. */
#ifndef LOAD_MEDIUM_H
#define LOAD_MEDIUM_H

#include "session.h"

extern uint32_t block_size;

/* Asks for the capacity; settles opt.range. */
void medium_find(struct session *s);
void tape_prepare(struct session *s);
/* WRITE FILEMARKS of none, or SYNCHRONIZE CACHE of all */
void medium_synchronise(struct session *s);

/* Chooses an offset, and with opt.verify, marks it as in use; false if all that were tried are in
 * use. */
bool medium_choose(struct session *s, struct request *r);
/* The request is over, and if it wrote, whether that is on the medium is known. */
void medium_release(const struct request *r, bool good);
/* The generation that is there, or ANY_GENERATION */
uint64_t medium_generation(const struct request *r);

#endif
