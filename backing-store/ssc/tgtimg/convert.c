/* SPDX-License-Identifier: MIT */
/* Tapes of other formats, and back. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tgt/backing-store.h>
#include <unistd.h>

#include "codec.h"
#include "image.h"
#include "source.h"
#include "tgtimg.h"

#define ROOM_BEHIND (64ull << 20) /* of a tape whose source doesn't say how large it was */

/* ---- from another format ---- */

static int append(struct partition *p, const struct source *source, int kind)
{
	struct object object = {.kind = kind == SOURCE_RECORD ? OBJECT_RECORD : OBJECT_MARK};
	struct iovec piece = {source->data, source->length};
	struct slice data = {&piece, 1, 0, source->length};

	if (kind == SOURCE_RECORD)
		object.length = source->length;
	return partition_append(p, &object, kind == SOURCE_RECORD ? &data : &(struct slice){0});
}

static int copy_in(struct partition *p, struct source *source)
{
	int kind, err = 0;

	while ((kind = source_next(source)) == SOURCE_RECORD || kind == SOURCE_FILEMARK) {
		err = append(p, source, kind);
		if (err)
			return source_fail(source, "object %" PRIu64 " can't be written: %s",
					   p->index.nr, strerror(-err));
	}
	if (kind < 0)
		return -1;
	err = partition_sync(p);
	return err ? source_fail(source, "%s", strerror(-err)) : 0;
}

static uint64_t size_for(const struct source *source, const struct tgtimg_options *o)
{
	uint64_t need = source->size + source->size / 64 + ROOM_BEHIND;

	if (o->size)
		return o->size;
	/* what is on the tape takes a little more here than there */
	return source->capacity > need ? source->capacity : need;
}

/* A tape that is half there would be taken for all of it. */
static int fill_new(struct source *source, const struct tgtimg_options *o, uint64_t *objects)
{
	char error[512];
	struct image image;
	int status;

	if (image_open(&image, o->file, false, false, NULL, error, sizeof(error))) {
		fprintf(stderr, "tgtimg: %s\n", error);
		return 1;
	}
	status = copy_in(&image.partitions[0], source);
	*objects = image.partitions[0].index.nr;
	image_close(&image);
	return status ? tgtimg_fail(o->from, source->error) : 0;
}

static int make_from(struct source *source, const struct tgtimg_options *o)
{
	struct tape_made made = {.size = size_for(source, o),
				 .medium = (uint16_t)source->medium,
				 .density = (uint16_t)o->density};
	uint64_t objects = 0;
	char error[512];
	int status;

	snprintf(made.barcode, sizeof(made.barcode), "%s",
		 o->barcode ? o->barcode : source->barcode);
	if (image_make(o->file, &made, error, sizeof(error))) {
		fprintf(stderr, "tgtimg: %s\n", error);
		return 1;
	}
	status = fill_new(source, o, &objects);
	if (status)
		unlink(o->file);
	else
		printf("%s: %" PRIu64 " records and filemarks from %s (%s)\n", o->file, objects,
		       o->from, source->format->name);
	return status;
}

static int from(const struct tgtimg_options *o)
{
	struct source source;
	int status;

	if (source_open(&source, o->from, NULL))
		return tgtimg_fail(o->from, source.error);
	status = make_from(&source, o);
	source_close(&source);
	return status;
}

/* ---- to a .tap ---- */

static bool put_le32(FILE *out, uint32_t word)
{
	uint8_t bytes[4] = {(uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16),
			    (uint8_t)(word >> 24)};

	return fwrite(bytes, 1, 4, out) == 4;
}

static bool put_record(FILE *out, const uint8_t *data, uint32_t length)
{
	return put_le32(out, length) && fwrite(data, 1, length, out) == length &&
	       (length % 2 == 0 || putc(0, out) != EOF) && put_le32(out, length);
}

/* NULL, or why not. */
static const char *copy_object(struct partition *p, struct codec *codec, uint64_t number,
			       uint8_t *buf, FILE *out)
{
	struct iovec piece = {buf, TAPE_RECORD_MAX};
	struct object object;
	uint64_t offset;
	int err = partition_stat(p, number, &object, &offset);

	if (!err && object.kind == OBJECT_MARK)
		return put_le32(out, 0) ? NULL : strerror(errno);
	if (!err)
		err = codec_read(codec, NULL, p->fd, offset, &object,
				 &(struct slice){&piece, 1, 0, TAPE_RECORD_MAX});
	if (err == CODEC_ENCRYPTED)
		return "encrypted: the key is only in the drive";
	if (err)
		return err == -EBADMSG ? "it is not what was written" : strerror(-err);
	return put_record(out, buf, object.length) ? NULL : strerror(errno);
}

static int copy_out(const char *file, struct partition *p, FILE *out)
{
	uint8_t *buf = malloc(TAPE_RECORD_MAX);
	struct codec codec = {0};
	const char *why = buf ? NULL : "out of memory";

	for (uint64_t number = 0; !why && number < p->index.nr; number++) {
		why = copy_object(p, &codec, number, buf, out);
		if (why)
			fprintf(stderr, "tgtimg: %s: object %" PRIu64 ": %s\n", file, number, why);
	}
	codec_free(&codec);
	free(buf);
	return why != NULL;
}

static int write_tap(const struct tgtimg_options *o, struct partition *p)
{
	int fd = open(o->to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
	int status;

	if (!out)
		return tgtimg_fail(o->to, strerror(errno));
	status = copy_out(o->file, p, out);
	if (!status && (!put_le32(out, 0xffffffffu) || fflush(out) || fsync(fd)))
		status = tgtimg_fail(o->to, strerror(errno));
	if (fclose(out) && !status)
		status = tgtimg_fail(o->to, strerror(errno));
	if (status)
		unlink(o->to);
	return status;
}

static int to(const struct tgtimg_options *o)
{
	struct image image;
	char error[512];
	int status;

	if (image_open(&image, o->file, true, false, NULL, error, sizeof(error))) {
		fprintf(stderr, "tgtimg: %s\n", error);
		return 1;
	}
	status = image.count > 1
		     ? tgtimg_fail(o->file, "a .tap has no partitions, and this tape has several")
		     : write_tap(o, &image.partitions[0]);
	image_close(&image);
	return status;
}

int tgtimg_convert(const struct tgtimg_options *o)
{
	return o->from ? from(o) : to(o);
}
