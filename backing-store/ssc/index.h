/* SPDX-License-Identifier: MIT */
/* Where the objects of a tape are in its file, and which of them are filemarks. */
#ifndef TGT_BACKING_STORE_SSC_INDEX_H
#define TGT_BACKING_STORE_SSC_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index {
	uint64_t *offsets; /* nr + 1 of them: the last one is where the data end */
	uint64_t nr;
	uint64_t *marks; /* numbers of the objects that are filemarks, ascending */
	uint64_t nr_marks;
	size_t offsets_room, marks_room;
};

/* An empty tape whose first object would be at offset.  0 or -ENOMEM. */
int index_init(struct index *index, uint64_t offset);
void index_free(struct index *index);

/* Another object, which ends at end.  0, or -ENOMEM and nothing changed. */
int index_append(struct index *index, bool is_mark, uint64_t end);
/* Objects from number on are gone. */
void index_cut(struct index *index, uint64_t number);

static inline uint64_t index_offset(const struct index *index, uint64_t number)
{
	return index->offsets[number];
}

/* Filemarks before the object number: also the place in marks of the first one at or behind it. */
uint64_t index_marks_before(const struct index *index, uint64_t number);

/* How a movement ended; what is left of it is in *left. */
enum space_end { SPACE_DONE, SPACE_MARK, SPACE_END, SPACE_BEGINNING };
/* Moves *position by count records or filemarks, as SSC-5 (SPACE) says where that ends. */
enum space_end index_space_records(const struct index *index, int64_t count, uint64_t *position,
				   uint64_t *left);
enum space_end index_space_marks(const struct index *index, int64_t count, uint64_t *position,
				 uint64_t *left);

#endif
