/* SPDX-License-Identifier: MIT */
/*
 * Tape images of stgt 1.0, as its files show.  The file is a chain of blocks: a header of 48 bytes,
 * and behind it the data of a record.  The first block is the beginning of the tape, and the
 * cartridge memory follows it.
 *
 *   0  CRC32C of bytes 4 to 47, little-endian   8  bytes of the record, big-endian as the rest
 *   4  bytes of the record in the file         12  what it is (TYPE_…)
 *  16  number, from 0 at the beginning         24  offset of the block before
 *  32  its own offset                          40  offset of the next block; its own at the end of
 * data
 */
#include <string.h>
#include <tgt/backing-store.h>

#include <isa-l.h>

#include "source.h"

#define HEADER 48
#define FIRST 1152 /* where the second block is: behind the cartridge memory */
#define MEMORY_VERSION 2

#define TYPE_RECORD 0x02
#define TYPE_BEGINNING 0x10
#define TYPE_END 0x20
#define TYPE_FILEMARK 0x40

/* In the cartridge memory, from the start of the file. */
#define AT_VERSION 0x30
#define AT_CAPACITY 0x38
#define AT_MEDIUM 0x180
#define AT_BARCODE 0x268

struct block {
	uint32_t stored, length, type;
	uint64_t number, previous, here, next;
};

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t get64(const uint8_t *at)
{
	return (uint64_t)get32(at) << 32 | get32(at + 4);
}

static bool is_whole(const uint8_t header[HEADER])
{
	uint32_t crc = ~crc32_iscsi((unsigned char *)(uintptr_t)(header + 4), HEADER - 4, ~0u);

	return header[0] == (crc & 0xff) && header[1] == (crc >> 8 & 0xff) &&
	       header[2] == (crc >> 16 & 0xff) && header[3] == crc >> 24;
}

static struct block parse(const uint8_t header[HEADER])
{
	return (struct block){
	    .stored = get32(header + 4),
	    .length = get32(header + 8),
	    .type = get32(header + 12),
	    .number = get64(header + 16),
	    .previous = get64(header + 24),
	    .here = get64(header + 32),
	    .next = get64(header + 40),
	};
}

static void take_barcode(struct source *source, const uint8_t *at)
{
	size_t length = SOURCE_TEXT_MAX - 1;

	memcpy(source->barcode, at, length);
	length = strnlen(source->barcode, length);
	while (length && source->barcode[length - 1] == ' ')
		length--;
	source->barcode[length] = '\0';
	for (size_t i = 0; i < length; i++)
		if (source->barcode[i] < 0x20 || source->barcode[i] > 0x7e)
			source->barcode[i] = '?';
}

static int take_medium(struct source *source, uint8_t type)
{
	switch (type) {
	case 1:
		source->medium = TGT_BS_MEDIUM_DATA;
		return 1;
	case 2:
		source->medium = TGT_BS_MEDIUM_CLEANING;
		return 1;
	case 4:
		source->medium = TGT_BS_MEDIUM_WORM;
		return 1;
	default:
		return source_fail(source, "a tape of stgt's of unknown medium type %u", type);
	}
}

static int begin(struct source *source)
{
	uint8_t head[FIRST];
	struct block block;

	if (source->size < FIRST)
		return 0;
	if (source_read(source, head, sizeof(head), 0))
		return -1;
	block = parse(head);
	if (!is_whole(head) || block.type != TYPE_BEGINNING || block.here)
		return 0;
	if (get32(head + AT_VERSION) != MEMORY_VERSION || block.next != FIRST)
		return source_fail(source, "a tape of stgt's of an unknown version %u",
				   get32(head + AT_VERSION));
	source->at = FIRST;
	source->number = 1;
	source->capacity = get64(head + AT_CAPACITY);
	take_barcode(source, head + AT_BARCODE);
	return take_medium(source, head[AT_MEDIUM]);
}

static int damaged(struct source *source, const char *why)
{
	return source_fail(source, "block %llu at offset %llu: %s",
			   (unsigned long long)source->number, (unsigned long long)source->at, why);
}

static int take_record(struct source *source, const struct block *block)
{
	if (block->length > SOURCE_RECORD_MAX)
		return damaged(source, "longer than any record of a tape drive");
	if (!block->length)
		return damaged(source, "a record without data");
	if (block->stored != block->length)
		return damaged(source, "compressed, which can't be read here");
	if (source_read(source, source->data, block->length, source->at + HEADER))
		return -1;
	source->length = block->length;
	return SOURCE_RECORD;
}

/* The chain only ever goes forward, so it ends. */
static const char *check_links(const struct source *source, const struct block *block)
{
	if (block->here != source->at || block->number != source->number ||
	    block->previous != source->previous)
		return "it is not the next block of the tape";
	if (block->type != TYPE_END && (block->next < source->at + HEADER ||
					block->next - source->at - HEADER != block->stored))
		return "its length is not what its place says";
	return NULL;
}

static int next(struct source *source)
{
	uint8_t header[HEADER];
	struct block block;
	const char *why;
	int kind;

	if (source_read(source, header, HEADER, source->at))
		return -1;
	if (!is_whole(header))
		return damaged(source, "its header is damaged");
	block = parse(header);
	why = check_links(source, &block);
	if (why)
		return damaged(source, why);
	if (block.type == TYPE_END)
		return SOURCE_END;
	if (block.type != TYPE_RECORD && block.type != TYPE_FILEMARK)
		return damaged(source, "of an unknown kind");
	kind = block.type == TYPE_RECORD ? take_record(source, &block) : SOURCE_FILEMARK;
	if (kind < 0)
		return -1;
	source->offset = source->previous = source->at;
	source->at = block.next;
	source->number++;
	return kind;
}

const struct source_format source_stgt = {"stgt", begin, next};
