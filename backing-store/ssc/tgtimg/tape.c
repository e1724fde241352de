/* SPDX-License-Identifier: MIT */
/* Tapes: made, shown, checked. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tgt/backing-store.h>

#include "codec.h"
#include "image.h"
#include "tgtimg.h"

static const char *const media[] = {[TGT_BS_MEDIUM_DATA] = "Data",
				    [TGT_BS_MEDIUM_WORM] = "WORM",
				    [TGT_BS_MEDIUM_CLEANING] = "Clean"};

static const char *medium_name(unsigned medium)
{
	return medium < sizeof(media) / sizeof(*media) ? media[medium] : "unknown";
}

static bool take_medium(const char *type, uint16_t *medium)
{
	for (unsigned i = 0; i < sizeof(media) / sizeof(*media); i++) {
		*medium = (uint16_t)i;
		if (strcasecmp(type, media[i]) == 0)
			return true;
	}
	return false;
}

/* A barcode names a file in a library's folder, and stands in a volume tag (SMC-3, SPC-5 4.3.1). */
static bool take_barcode(const char *text, char barcode[TAPE_BARCODE_MAX])
{
	size_t length = strlen(text);

	if (!length || length >= TAPE_BARCODE_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (text[i] <= 0x20 || text[i] > 0x7e || text[i] == '/')
			return false;
	memcpy(barcode, text, length + 1);
	return true;
}

static int fail_line(const char *line)
{
	fprintf(stderr, "tgtimg: %s\n", line);
	return 1;
}

int tgtimg_new_tape(const struct tgtimg_options *o)
{
	struct tape_made made = {.size = o->size, .density = (uint16_t)o->density};
	char error[512];

	if (!take_medium(o->type, &made.medium))
		return tgtimg_fail(o->file, "the media type of a tape is data, clean or worm");
	if (!take_barcode(o->barcode, made.barcode))
		return tgtimg_fail(o->file,
				   "a barcode has 1 to 32 printable characters, no blanks");
	if (image_make(o->file, &made, error, sizeof(error)))
		return fail_line(error);
	printf("Created blank tape image file : %s\n", o->file);
	return 0;
}

/* ---- show ---- */

static void print_uuid(const uint8_t uuid[16])
{
	for (unsigned i = 0; i < 16; i++)
		printf("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}

static void print_head(const struct image *image)
{
	printf("Media     : %s\n", image->made.barcode);
	printf(" type     : %s\n", medium_name(image->made.medium));
	printf(" capacity : %" PRIu64 " MiB\n", image->made.size >> 20);
	if (image->made.density)
		printf(" density  : %02xh\n", image->made.density);
	printf(" UUID     : ");
	print_uuid(image->uuid);
	printf("\n");
}

static void print_partition(const struct partition *p)
{
	printf("\nPartition %u: %" PRIu64 " MiB, %" PRIu64 " used, %" PRIu64 " records, %" PRIu64
	       " filemarks%s\n",
	       p->id, p->size >> 20, p->end - p->start, p->index.nr - p->index.nr_marks,
	       p->index.nr_marks, p->repaired ? ", damaged" : "");
}

static void print_object(uint64_t number, const struct object *object, uint64_t offset)
{
	if (object->kind == OBJECT_MARK)
		printf("%10" PRIu64 " at %" PRIu64 ": filemark\n", number, offset);
	else
		printf("%10" PRIu64 " at %" PRIu64 ": record of %" PRIu32 "%s%s\n", number, offset,
		       object->length, object->flags & OBJECT_COMPRESSED ? ", compressed" : "",
		       object->flags & OBJECT_ENCRYPTED ? ", encrypted" : "");
}

static int show_objects(struct partition *p)
{
	int status = 0;

	for (uint64_t number = 0; number < p->index.nr; number++) {
		struct object object;
		uint64_t offset;

		if (!partition_stat(p, number, &object, &offset)) {
			print_object(number, &object, offset);
			continue;
		}
		printf("%10" PRIu64 ": can't be read\n", number);
		status = 1;
	}
	printf("%10" PRIu64 " at %" PRIu64 ": end of data\n", p->index.nr, p->end);
	return status;
}

static int open_readonly(struct image *image, const char *file)
{
	char error[512];

	if (image_open(image, file, true, false, NULL, error, sizeof(error)))
		return fail_line(error);
	return 0;
}

int tgtimg_show(const struct tgtimg_options *o)
{
	struct image image;
	int status = open_readonly(&image, o->file);

	if (status)
		return status;
	print_head(&image);
	for (uint32_t i = 0; i < image.count; i++) {
		print_partition(&image.partitions[i]);
		if (!o->brief)
			status |= show_objects(&image.partitions[i]);
	}
	image_close(&image);
	return status;
}

/* ---- check ---- */

/* NULL: it is what was written. */
static const char *check_object(struct partition *p, uint64_t number)
{
	struct object object;
	uint64_t offset;
	int err = partition_stat(p, number, &object, &offset);

	if (err)
		return err == -EBADMSG ? "its header is damaged" : strerror(-err);
	err = object_read_payload(p->fd, offset, &object, &(struct slice){0});
	if (!err)
		return NULL;
	return err == -EBADMSG ? "its data are not what was written" : strerror(-err);
}

static uint64_t check_partition(const char *file, struct partition *p)
{
	uint64_t bad = 0;

	if (p->repaired)
		printf("%s: partition %u: its index is damaged\n", file, p->id);
	for (uint64_t number = 0; number < p->index.nr; number++) {
		const char *why = check_object(p, number);

		if (!why)
			continue;
		bad++;
		printf("%s: partition %u: object %" PRIu64 ": %s\n", file, p->id, number, why);
	}
	return bad + p->repaired;
}

static uint64_t check_memory(const char *file, struct image *image)
{
	static uint8_t memory[MEMORY_MAX];
	size_t len = sizeof(memory);
	uint64_t version;
	int err = image_memory_read(image, memory, &len, &version);

	if (!err || err == -ENOENT)
		return 0;
	printf("%s: the cartridge memory is damaged\n", file);
	return 1;
}

int tgtimg_check(const struct tgtimg_options *o)
{
	uint64_t bad, objects = 0;
	struct image image;
	int status = open_readonly(&image, o->file);

	if (status)
		return status;
	bad = check_memory(o->file, &image);
	for (uint32_t i = 0; i < image.count; i++) {
		struct partition *p = &image.partitions[i];

		bad += check_partition(o->file, p);
		objects += p->index.nr;
		if (p->rest && p->is_last)
			printf("%s: partition %u: what follows object %" PRIu64
			       " is no whole object; it counts as not written\n",
			       o->file, i, p->index.nr);
	}
	image_close(&image);
	printf("%s: %" PRIu64 " objects, %" PRIu64 " damaged\n", o->file, objects, bad);
	return bad != 0;
}
