/* SPDX-License-Identifier: MIT */
/*
 * SIMH magnetic tape images (.tap).  Each object begins with a little-endian word: 0 a filemark,
 * the length of a record, or a marker.  A record's data follow, padded to an even length, and the
 * word again.  The file has no header.
 */
#include <string.h>

#include "source.h"

#define END_OF_MEDIUM 0xffffffffu
#define ERASE_GAP 0xfffffffeu
#define IS_BAD 0x80000000u /* the record was read with an error */

static uint32_t get_le32(const uint8_t *at)
{
	return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static int read_word(struct source *source, uint64_t offset, uint32_t *word)
{
	uint8_t bytes[4];

	if (source_read(source, bytes, sizeof(bytes), offset))
		return -1;
	*word = get_le32(bytes);
	return 0;
}

static int fail(struct source *source, const char *why)
{
	return source_fail(source, "object %llu at offset %llu: %s",
			   (unsigned long long)source->number, (unsigned long long)source->at, why);
}

static uint64_t padded(uint32_t length)
{
	return (uint64_t)length + (length & 1);
}

/* The word behind the data says the same: that is all there is to recognise the format by. */
static int check_record(struct source *source, uint32_t length)
{
	uint32_t again;

	if (length > SOURCE_RECORD_MAX)
		return fail(source, "neither a record nor a mark");
	if (read_word(source, source->at + 4 + padded(length), &again))
		return -1;
	return again == length ? 0 : fail(source, "its length in front and behind differ");
}

static int begin(struct source *source)
{
	uint32_t word;

	if (source->wanted)
		return 1;
	if (source->size < 4 || read_word(source, 0, &word) || !word || word > SOURCE_RECORD_MAX)
		return 0;
	return check_record(source, word) == 0;
}

/* Steps over what is neither; the file is finite, and each step takes four bytes of it. */
static int read_head(struct source *source, uint32_t *word)
{
	do {
		if (source->at == source->size) {
			*word = END_OF_MEDIUM; /* files without the marker are common */
			return 0;
		}
		if (read_word(source, source->at, word))
			return -1;
		if (*word == ERASE_GAP)
			source->at += 4;
	} while (*word == ERASE_GAP);
	return 0;
}

static int next(struct source *source)
{
	uint32_t word;

	if (read_head(source, &word))
		return -1;
	if (word == END_OF_MEDIUM)
		return SOURCE_END;
	source->offset = source->at;
	if (!word) {
		source->at += 4;
		source->number++;
		return SOURCE_FILEMARK;
	}
	if (word & IS_BAD)
		return fail(source, "a record that could not be read when the image was made");
	if (check_record(source, word) || source_read(source, source->data, word, source->at + 4))
		return -1;
	source->length = word;
	source->at += 8 + padded(word);
	source->number++;
	return SOURCE_RECORD;
}

const struct source_format source_tap = {"tap", begin, next};
