/* SPDX-License-Identifier: MIT */
/*
 * A tape: records and filemarks in one file (FORMAT.md).  A worker at a time works on it; what it
 * was asked for last decides where it stands.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tgt/backing-store.h>

#include "image.h"

#define EARLY_WARNING_MAX (64ull << 20)

struct tape {
	pthread_mutex_t lock;
	struct tgt_bs_lu *lu;
	struct image image;
	uint64_t position; /* number of the object in front of which it stands */
	bool loaded;
};

static const struct tgt_bs_host *host;

enum { OPT_CAPACITY, NR_OPTIONS };
static const struct tgt_bs_option options[NR_OPTIONS] = {
    [OPT_CAPACITY] =
	{
	    .struct_size = sizeof(struct tgt_bs_option),
	    .type = TGT_BS_OPT_UINT,
	    .name = "capacity",
	    .default_value = "100G",
	    .help = "bytes that a new tape may hold; one that has a capacity keeps it",
	    .min = 1 << 20,
	    .max = INT64_MAX,
	},
};

static int tape_open(const struct tgt_bs_open_args *args, void **store, char *error,
		     size_t error_size)
{
	struct tape *tape = calloc(1, sizeof(*tape));
	uint64_t capacity = args->size ? args->size : args->values[OPT_CAPACITY].number;
	int err;

	if (!tape) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	err = image_open(&tape->image, args->path, args->flags & TGT_BS_OPEN_READONLY,
			 args->flags & TGT_BS_OPEN_SYNC, capacity, error, error_size);
	if (err) {
		free(tape);
		return err;
	}
	if (tape->image.rest)
		host->log(args->lu, TGT_BS_LOG_WARNING,
			  "%s: what follows object %llu is not readable and counts as not written",
			  args->path, (unsigned long long)tape->image.index.nr);
	pthread_mutex_init(&tape->lock, NULL);
	tape->lu = args->lu;
	tape->loaded = true;
	*store = tape;
	return 0;
}

static void tape_close(void *store)
{
	struct tape *tape = store;

	image_close(&tape->image);
	pthread_mutex_destroy(&tape->lock);
	free(tape);
}

static int tape_geometry(void *store, struct tgt_bs_geometry *geometry)
{
	struct tape *tape = store;

	geometry->size = tape->image.capacity;
	geometry->flags = TGT_BS_GEO_VOLATILE_CACHE;
	if (tape->image.readonly)
		geometry->flags |= TGT_BS_GEO_READONLY;
	pthread_mutex_lock(&tape->lock);
	if (!tape->loaded)
		geometry->flags |= TGT_BS_GEO_NO_MEDIUM;
	pthread_mutex_unlock(&tape->lock);
	return 0;
}

/* ---- results ---- */

static uint64_t used(const struct tape *tape, uint64_t position)
{
	return index_offset(&tape->image.index, position);
}

static bool is_early_warning(const struct tape *tape)
{
	uint64_t zone = tape->image.capacity / 16;

	if (zone > EARLY_WARNING_MAX)
		zone = EARLY_WARNING_MAX;
	return used(tape, tape->position) > tape->image.capacity - zone;
}

static void set_position(const struct tape *tape, struct tgt_bs_request *r)
{
	r->partition = 0;
	r->pos_object = tape->position;
	r->pos_file = index_marks_before(&tape->image.index, tape->position);
	r->pos_flags = 0;
	if (!tape->position)
		r->pos_flags |= TGT_BS_POS_BOP;
	if (tape->position == tape->image.index.nr)
		r->pos_flags |= TGT_BS_POS_EOD;
	if (is_early_warning(tape))
		r->pos_flags |= TGT_BS_POS_EARLY_WARNING;
}

static void fail(struct tape *tape, struct tgt_bs_request *r, int err)
{
	bool reads = r->op == TGT_BS_TAPE_READ;

	if (err == -ENOSPC || err == -EDQUOT || err == -EFBIG) {
		r->status = TGT_BS_ERR_END_OF_MEDIUM;
		return;
	}
	r->status = err == -ENOMEM ? TGT_BS_ERR_BUSY : reads ? TGT_BS_ERR_READ : TGT_BS_ERR_WRITE;
	r->info = tape->position;
	host->log(tape->lu, TGT_BS_LOG_ERR, "object %llu can't be %s: %s",
		  (unsigned long long)tape->position, reads ? "read" : "written",
		  err == -EBADMSG ? "its data are not what was written" : strerror(-err));
}

static bool flush(struct tape *tape, struct tgt_bs_request *r)
{
	int err = tape->image.readonly ? 0 : image_flush(&tape->image);

	if (!err)
		return true;
	r->status = TGT_BS_ERR_FLUSH;
	host->log(tape->lu, TGT_BS_LOG_ERR, "flush failed: %s", strerror(-err));
	return false;
}

/* ---- reading ---- */

enum read_result { READ_RECORD, READ_ENDED };

/* One record into the request at done; a filemark or another end has set the status. */
static enum read_result read_one(struct tape *tape, struct tgt_bs_request *r, uint64_t done,
				 uint64_t room, uint32_t *length)
{
	struct slice into = {r->iov, r->iovcnt, done, room};
	bool is_mark;
	int err;

	if (tape->position == tape->image.index.nr) {
		r->status = TGT_BS_ERR_END_OF_DATA;
		return READ_ENDED;
	}
	err = image_stat(&tape->image, tape->position, &is_mark, length);
	if (!err && !is_mark && !(r->record_size && *length != r->record_size))
		err = image_read(&tape->image, tape->position, &into);
	if (err) {
		fail(tape, r, err);
		return READ_ENDED;
	}
	tape->position++;
	if (is_mark) {
		r->status = TGT_BS_ERR_FILEMARK;
		return READ_ENDED;
	}
	if (r->record_size && *length != r->record_size) {
		r->status = TGT_BS_ERR_RECORD_LENGTH;
		r->info = *length;
		return READ_ENDED;
	}
	return READ_RECORD;
}

static void read_records(struct tape *tape, struct tgt_bs_request *r)
{
	uint64_t records = r->record_size ? r->length / r->record_size : 1;
	uint32_t length;

	for (uint64_t i = 0; i < records; i++) {
		uint64_t room = r->record_size ? r->record_size : r->length;

		r->residue = (int64_t)(records - i);
		if (read_one(tape, r, r->actual, room, &length) != READ_RECORD)
			return;
		r->actual += length;
	}
	r->residue = 0;
}

/* ---- writing ---- */

static bool may_write(const struct tape *tape, struct tgt_bs_request *r)
{
	if (tape->image.readonly)
		r->status = TGT_BS_ERR_WRITE_PROTECTED;
	return !tape->image.readonly;
}

/* Appends one object where the tape stands; what followed is gone. */
static bool write_one(struct tape *tape, struct tgt_bs_request *r, const struct slice *data)
{
	int err = image_cut(&tape->image, tape->position);

	if (!err && !image_has_room(&tape->image, data ? data->length : 0))
		err = -ENOSPC;
	if (!err)
		err = data ? image_append_record(&tape->image, data)
			   : image_append_mark(&tape->image);
	if (err) {
		fail(tape, r, err);
		return false;
	}
	tape->position++;
	return true;
}

static void write_objects(struct tape *tape, struct tgt_bs_request *r, uint64_t count,
			  const struct slice *first)
{
	struct slice data = first ? *first : (struct slice){0};

	for (uint64_t i = 0; i < count; i++) {
		r->residue = (int64_t)(count - i);
		if (!write_one(tape, r, first ? &data : NULL))
			return;
		data.offset += data.length;
		r->actual += data.length;
	}
	r->residue = 0;
	if (count && is_early_warning(tape))
		r->status = TGT_BS_ERR_EARLY_WARNING;
}

static void write_records(struct tape *tape, struct tgt_bs_request *r)
{
	uint64_t size = r->record_size ? r->record_size : r->length;
	struct slice first = {r->iov, r->iovcnt, 0, size};

	if (!may_write(tape, r))
		return;
	if (!size || size > IMAGE_RECORD_MAX || r->length % size) {
		r->status = TGT_BS_ERR_INVALID;
		return;
	}
	write_objects(tape, r, r->length / size, &first);
}

static void write_marks(struct tape *tape, struct tgt_bs_request *r)
{
	if (!may_write(tape, r))
		return;
	if (r->count < 0) {
		r->status = TGT_BS_ERR_INVALID;
		return;
	}
	write_objects(tape, r, (uint64_t)r->count, NULL);
	if (!(r->flags & TGT_BS_REQ_IMMED))
		flush(tape, r);
}

static void erase(struct tape *tape, struct tgt_bs_request *r)
{
	int err;

	if (!may_write(tape, r))
		return;
	err = image_cut(&tape->image, tape->position);
	if (err)
		fail(tape, r, err);
	else
		flush(tape, r);
}

/* One partition: formatting leaves it empty. */
static void format(struct tape *tape, struct tgt_bs_request *r)
{
	if (r->count > 1) {
		r->status = TGT_BS_ERR_NOT_SUPPORTED;
		return;
	}
	tape->position = 0;
	erase(tape, r);
}

/* ---- moving ---- */

static void space(struct tape *tape, struct tgt_bs_request *r)
{
	const struct index *index = &tape->image.index;
	enum space_end end = SPACE_DONE;
	uint64_t left = 0;

	if (r->space_code == TGT_BS_SPACE_RECORDS)
		end = index_space_records(index, r->count, &tape->position, &left);
	else if (r->space_code == TGT_BS_SPACE_FILEMARKS)
		end = index_space_marks(index, r->count, &tape->position, &left);
	else if (r->space_code == TGT_BS_SPACE_END_OF_DATA)
		tape->position = index->nr;
	else
		r->status = TGT_BS_ERR_NOT_SUPPORTED;
	r->residue = (int64_t)left;
	if (end != SPACE_DONE)
		r->status = end == SPACE_MARK  ? TGT_BS_ERR_FILEMARK
			    : end == SPACE_END ? TGT_BS_ERR_END_OF_DATA
					       : TGT_BS_ERR_BEGINNING;
}

static void locate(struct tape *tape, struct tgt_bs_request *r)
{
	if (r->partition) {
		r->status = TGT_BS_ERR_INVALID;
	} else if (r->offset > tape->image.index.nr) {
		tape->position = tape->image.index.nr;
		r->status = TGT_BS_ERR_END_OF_DATA;
	} else {
		tape->position = r->offset;
	}
}

static void rewind_tape(struct tape *tape, struct tgt_bs_request *r)
{
	if (flush(tape, r))
		tape->position = 0;
}

static void execute(struct tape *tape, struct tgt_bs_request *r)
{
	if (!tape->loaded && r->op != TGT_BS_TAPE_LOAD) {
		r->status = TGT_BS_ERR_NO_MEDIUM;
		return;
	}
	switch (r->op) {
	case TGT_BS_TAPE_READ:
		read_records(tape, r);
		break;
	case TGT_BS_TAPE_WRITE:
		write_records(tape, r);
		break;
	case TGT_BS_TAPE_WRITE_FILEMARKS:
		write_marks(tape, r);
		break;
	case TGT_BS_TAPE_SPACE:
		space(tape, r);
		break;
	case TGT_BS_TAPE_LOCATE:
		locate(tape, r);
		break;
	case TGT_BS_TAPE_POSITION:
		break;
	case TGT_BS_TAPE_ERASE:
		erase(tape, r);
		break;
	case TGT_BS_TAPE_FORMAT:
		format(tape, r);
		break;
	case TGT_BS_TAPE_REWIND:
		rewind_tape(tape, r);
		break;
	case TGT_BS_TAPE_LOAD:
		tape->loaded = true;
		tape->position = 0;
		break;
	case TGT_BS_TAPE_UNLOAD:
		rewind_tape(tape, r);
		tape->loaded = r->status != TGT_BS_OK;
		break;
	default:
		r->status = TGT_BS_ERR_NOT_SUPPORTED;
	}
}

static int tape_submit(void *store, void *channel, struct tgt_bs_request *r)
{
	struct tape *tape = store;

	(void)channel;
	pthread_mutex_lock(&tape->lock);
	execute(tape, r);
	set_position(tape, r);
	pthread_mutex_unlock(&tape->lock);
	host->complete(r);
	return 0;
}

static const struct tgt_bs_module module = {
    .struct_size = sizeof(module),
    .abi_major = TGT_BS_ABI_MAJOR,
    .abi_minor = TGT_BS_ABI_MINOR,
    .name = "ssc",
    .version = "0.1",
    .help = "a tape in a file",
    .kind = TGT_BS_TAPE,
    .capabilities = TGT_BS_CAN_WRITE | TGT_BS_NEEDS_PATH | TGT_BS_FLAG_SYNC,
    .thread_model = TGT_BS_WORKER,
    .options = options,
    .nr_options = NR_OPTIONS,
    .open = tape_open,
    .close = tape_close,
    .geometry = tape_geometry,
    .submit = tape_submit,
};

TGT_BS_MODULE(module, host);
