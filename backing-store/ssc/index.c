/* SPDX-License-Identifier: MIT */
#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 1024

static int reserve(uint64_t **array, size_t *room, uint64_t need)
{
	size_t more = *room ? *room * 2 : FIRST_ROOM;
	uint64_t *bigger;

	if (need <= *room)
		return 0;
	bigger = realloc(*array, more * sizeof(**array));
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	*room = more;
	return 0;
}

int index_init(struct index *index, uint64_t offset)
{
	memset(index, 0, sizeof(*index));
	if (reserve(&index->offsets, &index->offsets_room, 1))
		return -ENOMEM;
	index->offsets[0] = offset;
	return 0;
}

void index_free(struct index *index)
{
	free(index->offsets);
	free(index->marks);
}

int index_append(struct index *index, bool is_mark, uint64_t end)
{
	if (reserve(&index->offsets, &index->offsets_room, index->nr + 2))
		return -ENOMEM;
	if (is_mark && reserve(&index->marks, &index->marks_room, index->nr_marks + 1))
		return -ENOMEM;
	if (is_mark)
		index->marks[index->nr_marks++] = index->nr;
	index->offsets[++index->nr] = end;
	return 0;
}

void index_cut(struct index *index, uint64_t number)
{
	index->nr_marks = index_marks_before(index, number);
	index->nr = number;
}

uint64_t index_marks_before(const struct index *index, uint64_t number)
{
	uint64_t low = 0, high = index->nr_marks;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (index->marks[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static enum space_end records_forward(const struct index *index, uint64_t n, uint64_t *position,
				      uint64_t *left)
{
	uint64_t mark = index_marks_before(index, *position);
	bool has_mark = mark < index->nr_marks;
	uint64_t records = (has_mark ? index->marks[mark] : index->nr) - *position;

	if (n <= records) {
		*position += n;
		return SPACE_DONE;
	}
	*left = n - records;
	*position += records + has_mark; /* a filemark is passed over */
	return has_mark ? SPACE_MARK : SPACE_END;
}

static enum space_end records_backward(const struct index *index, uint64_t n, uint64_t *position,
				       uint64_t *left)
{
	uint64_t marks = index_marks_before(index, *position);
	uint64_t records = *position - (marks ? index->marks[marks - 1] + 1 : 0);

	if (n <= records) {
		*position -= n;
		return SPACE_DONE;
	}
	*left = n - records;
	*position -= records + (marks != 0);
	return marks ? SPACE_MARK : SPACE_BEGINNING;
}

enum space_end index_space_records(const struct index *index, int64_t count, uint64_t *position,
				   uint64_t *left)
{
	*left = 0;
	if (count < 0)
		return records_backward(index, -(uint64_t)count, position, left);
	return records_forward(index, (uint64_t)count, position, left);
}

enum space_end index_space_marks(const struct index *index, int64_t count, uint64_t *position,
				 uint64_t *left)
{
	uint64_t before = index_marks_before(index, *position);
	uint64_t behind = index->nr_marks - before;
	uint64_t n = count < 0 ? -(uint64_t)count : (uint64_t)count;

	*left = 0;
	if (!count)
		return SPACE_DONE;
	if (count > 0 && n > behind) {
		*left = n - behind;
		*position = index->nr;
		return SPACE_END;
	}
	if (count < 0 && n > before) {
		*left = n - before;
		*position = 0;
		return SPACE_BEGINNING;
	}
	*position = count > 0 ? index->marks[before + n - 1] + 1 : index->marks[before - n];
	return SPACE_DONE;
}
