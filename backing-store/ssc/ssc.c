/* SPDX-License-Identifier: MIT */
/*
 * A tape: records and filemarks in one file (doc/tape-image.md).  A thread at a time works on it;
 * what it was asked for last decides where it stands.  A record that the page cache holds is read
 * on the reactor; all else is done by a worker.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tape.h"

#define EARLY_WARNING_MAX (64ull << 20)

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
	    .min = TAPE_SIZE_MIN,
	    .max = TAPE_SIZE_MAX,
	},
};

/* What is told once, when a tape comes in. */
static void tell(struct tape *tape, const char *path)
{
	for (uint32_t i = 0; i < tape->image.count; i++) {
		const struct partition *p = &tape->image.partitions[i];

		if (p->repaired)
			host->log(tape->lu, TGT_BS_LOG_WARNING,
				  "%s: partition %u is damaged: what can be read was found without "
				  "its index; check it with tgtimg",
				  path, i);
		if (p->rest && p->is_last)
			host->log(tape->lu, TGT_BS_LOG_WARNING,
				  "%s: what follows object %llu of partition %u is no whole object "
				  "(a write that was interrupted, or the rest of what was written "
				  "over) and counts as not written",
				  path, (unsigned long long)p->index.nr, i);
	}
}

/* What is asked at any time is answered from here: a request may hold the tape for as long as its
 * file takes. */
static void publish(struct tape *tape)
{
	const struct image *image = &tape->image;
	struct tape_told told = {.loaded = tape->loaded,
				 .info = {
				     .medium = image->made.medium,
				     .density = image->made.density,
				     .nr_partitions = image->count,
				     .max_partitions = TAPE_PARTITIONS_MAX,
				     .full_size = image->made.size,
				 }};

	memcpy(told.info.barcode, image->made.barcode, sizeof(told.info.barcode));
	for (uint32_t i = 0; i < image->count; i++) {
		told.info.size[i] = image->partitions[i].size;
		told.info.used[i] = image->partitions[i].end - image->partitions[i].start;
	}
	pthread_mutex_lock(&tape->told_lock);
	tape->told = told;
	pthread_mutex_unlock(&tape->told_lock);
}

static struct tape_told told_of(struct tape *tape)
{
	struct tape_told told;

	pthread_mutex_lock(&tape->told_lock);
	told = tape->told;
	pthread_mutex_unlock(&tape->told_lock);
	return told;
}

static int tape_open(const struct tgt_bs_open_args *args, void **store, char *error,
		     size_t error_size)
{
	struct tape *tape = calloc(1, sizeof(*tape));
	struct tape_made made = {.size =
				     args->size ? args->size : args->values[OPT_CAPACITY].number};
	int err;

	if (!tape) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	err = image_open(&tape->image, args->path, args->flags & TGT_BS_OPEN_READONLY,
			 args->flags & TGT_BS_OPEN_SYNC, &made, error, error_size);
	if (err) {
		free(tape);
		return err;
	}
	pthread_mutex_init(&tape->lock, NULL);
	pthread_mutex_init(&tape->told_lock, NULL);
	tape->host = host;
	tape->lu = args->lu;
	tape->loaded = true;
	publish(tape);
	tell(tape, args->path);
	*store = tape;
	return 0;
}

static void tape_close(void *store)
{
	struct tape *tape = store;

	codec_free(&tape->codec);
	image_close(&tape->image);
	pthread_mutex_destroy(&tape->lock);
	pthread_mutex_destroy(&tape->told_lock);
	free(tape);
}

static int tape_geometry(void *store, struct tgt_bs_geometry *geometry)
{
	struct tape *tape = store;
	const struct tape_told told = told_of(tape);

	geometry->size = 0;
	for (uint32_t i = 0; i < told.info.nr_partitions; i++)
		geometry->size += told.info.size[i];
	geometry->flags = TGT_BS_GEO_VOLATILE_CACHE;
	if (tape->image.readonly)
		geometry->flags |= TGT_BS_GEO_READONLY;
	if (!told.loaded)
		geometry->flags |= TGT_BS_GEO_NO_MEDIUM;
	return 0;
}

static int tape_tell(void *store, struct tgt_bs_tape_info *info)
{
	const struct tape_told told = told_of(store);

	info->medium = told.info.medium;
	info->density = told.info.density;
	info->nr_partitions = told.info.nr_partitions;
	info->max_partitions = told.info.max_partitions;
	info->full_size = told.info.full_size;
	memcpy(info->barcode, told.info.barcode, sizeof(info->barcode));
	memcpy(info->size, told.info.size, sizeof(info->size));
	memcpy(info->used, told.info.used, sizeof(info->used));
	return told.loaded ? 0 : -ENOMEDIUM;
}

/* ---- the cartridge memory ---- */

#define MEMORY_KEY "mam"

static int memory_get(void *store, const char *key, void *buf, size_t *len, uint64_t *version)
{
	struct tape *tape = store;
	int err = -ENOENT;

	*version = 0;
	pthread_mutex_lock(&tape->lock);
	if (strcmp(key, MEMORY_KEY) == 0)
		err = image_memory_read(&tape->image, buf, len, version);
	pthread_mutex_unlock(&tape->lock);
	return err;
}

static int memory_cas(void *store, const char *key, const void *buf, size_t len, uint64_t expected,
		      uint64_t *version)
{
	struct tape *tape = store;
	int err = -EINVAL;

	pthread_mutex_lock(&tape->lock);
	if (strcmp(key, MEMORY_KEY) == 0)
		err = image_memory_write(&tape->image, buf, len, expected, version);
	pthread_mutex_unlock(&tape->lock);
	return err;
}

static const struct tgt_bs_state_ops memory_ops = {
    .struct_size = sizeof(memory_ops),
    .get = memory_get,
    .cas = memory_cas,
};

/* ---- results ---- */

static uint64_t used(struct tape *tape)
{
	struct partition *p = tape_partition(tape);
	uint64_t offset;

	if (partition_offset(p, tape->position, &offset))
		return 0; /* its index can't be read, and it isn't the end */
	return offset - p->start;
}

uint64_t tape_remaining(struct tape *tape)
{
	uint64_t size = tape_partition(tape)->size, taken = used(tape);

	return taken < size ? size - taken : 0;
}

bool tape_is_early_warning(struct tape *tape)
{
	uint64_t zone = tape_partition(tape)->size / 16;

	return tape_remaining(tape) < (zone < EARLY_WARNING_MAX ? zone : EARLY_WARNING_MAX);
}

static void set_position(struct tape *tape, struct tgt_bs_request *r)
{
	struct partition *p = tape_partition(tape);

	r->partition = tape->partition;
	r->pos_object = tape->position;
	r->pos_flags = 0;
	if (index_marks_before(&p->index, tape->position, &r->pos_file))
		r->pos_file = 0;
	if (!tape->position)
		r->pos_flags |= TGT_BS_POS_BOP;
	if (tape->position == p->index.nr)
		r->pos_flags |= TGT_BS_POS_EOD;
	if (tape_is_early_warning(tape))
		r->pos_flags |= TGT_BS_POS_EARLY_WARNING;
	r->pos_remain = tape_remaining(tape);
}

static bool reads(const struct tgt_bs_request *r)
{
	return r->op != TGT_BS_TAPE_WRITE && r->op != TGT_BS_TAPE_WRITE_FILEMARKS &&
	       r->op != TGT_BS_TAPE_ERASE;
}

static enum tgt_bs_status status_of(const struct tgt_bs_request *r, int err)
{
	switch (err) {
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		return TGT_BS_ERR_END_OF_MEDIUM;
	case -ENOMEM:
		return TGT_BS_ERR_BUSY;
	case CODEC_ENCRYPTED:
		return TGT_BS_ERR_ENCRYPTED;
	case CODEC_WRONG_KEY:
		return TGT_BS_ERR_WRONG_KEY;
	case CODEC_NOT_ENCRYPTED:
		return TGT_BS_ERR_NOT_ENCRYPTED;
	case CODEC_INTEGRITY:
		return TGT_BS_ERR_INTEGRITY;
	default:
		return reads(r) ? TGT_BS_ERR_READ : TGT_BS_ERR_WRITE;
	}
}

void tape_fail(struct tape *tape, struct tgt_bs_request *r, int err)
{
	r->status = status_of(r, err);
	r->info = tape->position;
	if (r->status != TGT_BS_ERR_READ && r->status != TGT_BS_ERR_WRITE &&
	    r->status != TGT_BS_ERR_INTEGRITY)
		return;
	host->log(tape->lu, TGT_BS_LOG_ERR, "object %llu of partition %u can't be %s: %s",
		  (unsigned long long)tape->position, tape->partition,
		  reads(r) ? "read" : "written",
		  err == -EBADMSG || err == CODEC_INTEGRITY ? "it is not what was written"
							    : strerror(-err));
}

bool tape_flush(struct tape *tape, struct tgt_bs_request *r)
{
	for (uint32_t i = 0; i < tape->image.count && !tape->image.readonly; i++) {
		int err = partition_sync(&tape->image.partitions[i]);

		if (!err)
			continue;
		r->status = TGT_BS_ERR_FLUSH;
		host->log(tape->lu, TGT_BS_LOG_ERR, "flush failed: %s", strerror(-err));
		return false;
	}
	return true;
}

/* ---- requests ---- */

static void load(struct tape *tape, struct tgt_bs_request *r)
{
	(void)r;
	tape->loaded = true;
	tape->partition = 0;
	tape->position = 0;
}

static void unload(struct tape *tape, struct tgt_bs_request *r)
{
	if (!tape_flush(tape, r))
		return;
	image_trim(&tape->image);
	tape->loaded = false;
	tape->position = 0;
}

static void position(struct tape *tape, struct tgt_bs_request *r)
{
	(void)tape;
	(void)r;
}

static void flush(struct tape *tape, struct tgt_bs_request *r)
{
	tape_flush(tape, r);
}

static const struct {
	uint16_t op;
	void (*run)(struct tape *tape, struct tgt_bs_request *r);
} table[] = {
    {TGT_BS_TAPE_READ, tape_read},
    {TGT_BS_TAPE_WRITE, tape_write},
    {TGT_BS_TAPE_WRITE_FILEMARKS, tape_write_filemarks},
    {TGT_BS_TAPE_SPACE, tape_space},
    {TGT_BS_TAPE_LOCATE, tape_locate},
    {TGT_BS_TAPE_REWIND, tape_rewind},
    {TGT_BS_TAPE_POSITION, position},
    {TGT_BS_TAPE_ERASE, tape_erase},
    {TGT_BS_TAPE_LOAD, load},
    {TGT_BS_TAPE_UNLOAD, unload},
    {TGT_BS_TAPE_FORMAT, tape_format},
    {TGT_BS_TAPE_NEXT, tape_next},
    {TGT_BS_TAPE_SET_CAPACITY, tape_set_capacity},
    {TGT_BS_FLUSH, flush},
};

/* A cleaning cartridge has no data. */
static bool needs_data(const struct tgt_bs_request *r)
{
	return r->op != TGT_BS_TAPE_LOAD && r->op != TGT_BS_TAPE_UNLOAD &&
	       r->op != TGT_BS_TAPE_REWIND && r->op != TGT_BS_TAPE_POSITION &&
	       r->op != TGT_BS_FLUSH;
}

static void execute(struct tape *tape, struct tgt_bs_request *r)
{
	if (!tape->loaded && r->op != TGT_BS_TAPE_LOAD && r->op != TGT_BS_FLUSH) {
		r->status = TGT_BS_ERR_NO_MEDIUM;
		return;
	}
	if (tape->image.made.medium == TGT_BS_MEDIUM_CLEANING && needs_data(r)) {
		r->status = TGT_BS_ERR_NOT_READY;
		return;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		if (table[i].op == r->op) {
			table[i].run(tape, r);
			return;
		}
	}
	r->status = TGT_BS_ERR_NOT_SUPPORTED;
}

/* On the reactor: a READ of what is in memory; a worker has the rest. */
static bool run_cached(struct tape *tape, struct tgt_bs_request *r)
{
	bool done;

	if (r->op != TGT_BS_TAPE_READ || pthread_mutex_trylock(&tape->lock))
		return false;
	done = tape->loaded && tape_read_cached(tape, r);
	if (done)
		set_position(tape, r);
	pthread_mutex_unlock(&tape->lock);
	return done;
}

static int tape_submit(void *store, void *channel, struct tgt_bs_request *r)
{
	struct tape *tape = store;

	(void)channel;
	if (!(r->flags & TGT_BS_REQ_MAY_BLOCK)) {
		if (!run_cached(tape, r))
			return TGT_BS_WOULD_BLOCK;
	} else {
		pthread_mutex_lock(&tape->lock);
		execute(tape, r);
		set_position(tape, r);
		publish(tape);
		pthread_mutex_unlock(&tape->lock);
	}
	host->complete(r);
	return 0;
}

static const struct tgt_bs_module module = {
    .struct_size = sizeof(module),
    .abi_major = TGT_BS_ABI_MAJOR,
    .abi_minor = TGT_BS_ABI_MINOR,
    .name = "ssc",
    .version = "1.0",
    .help = "a tape in a file",
    .kind = TGT_BS_TAPE,
    .capabilities = TGT_BS_CAN_WRITE | TGT_BS_CAN_FLUSH | TGT_BS_CAN_FUA | TGT_BS_CAN_PARTITIONS |
		    TGT_BS_NEEDS_PATH | TGT_BS_FLAG_SYNC | TGT_BS_CAN_REVERSE |
		    TGT_BS_CAN_LOCATE_FILE | TGT_BS_CAN_COMPRESS | TGT_BS_CAN_ENCRYPT |
		    TGT_BS_CAN_SET_CAPACITY | TGT_BS_CAN_APPEND_ONLY,
    .thread_model = TGT_BS_REACTOR,
    .options = options,
    .nr_options = NR_OPTIONS,
    .open = tape_open,
    .close = tape_close,
    .geometry = tape_geometry,
    .submit = tape_submit,
    .state = &memory_ops,
    .tape_info = tape_tell,
};

TGT_BS_MODULE(module, host);
