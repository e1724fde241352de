/* SPDX-License-Identifier: MIT */
/*
 * A tape drive for tests: the real SCSI core over a tape in memory that remembers how each record
 * was to be kept, and can fail.  Included by the one source file of a test.
 */
#ifndef TGT_TESTS_TAPE_FIXTURE_H
#define TGT_TESTS_TAPE_FIXTURE_H

#include <errno.h>
#include <stdio.h>

#include "disk_fixture.h"
#include "scsi/mam.h"

#define TAPE_RECORDS 64
#define TAPE_RECORD_MAX 4096

struct fake_record {
	bool filemark;
	struct tgt_bs_codec codec; /* flags: ENCRYPT, COMPRESS as it was written */
	size_t len;
	uint8_t data[TAPE_RECORD_MAX];
};

static struct {
	struct fake_record records[TAPE_RECORDS];
	unsigned count, at;
	bool out; /* of the drive */
	struct tgt_bs_tape_info info;
	/* its memory */
	uint8_t blob[1 << 16];
	size_t blob_len;
	uint64_t version;
	int fail_get, fail_cas; /* -errno */
	unsigned nr_cas;
} tape;

static int tape_open(const struct tgt_bs_open_args *args, void **store, char *error, size_t size)
{
	(void)args;
	(void)error;
	(void)size;
	*store = &tape;
	return 0;
}

static int tape_geometry(void *store, struct tgt_bs_geometry *g)
{
	(void)store;
	g->size = tape.info.full_size;
	g->io_alignment = 1;
	return 0;
}

static int tape_info(void *store, struct tgt_bs_tape_info *info)
{
	(void)store;
	*info = tape.info;
	return tape.out ? -ENOMEDIUM : 0;
}

static int tape_get(void *store, const char *key, void *buf, size_t *len, uint64_t *version)
{
	(void)store;
	assert_string_equal(key, MAM_KEY);
	if (tape.fail_get)
		return tape.fail_get;
	if (!tape.blob_len)
		return -ENOENT;
	if (tape.blob_len > *len)
		return -ENOSPC;
	memcpy(buf, tape.blob, tape.blob_len);
	*len = tape.blob_len;
	*version = tape.version;
	return 0;
}

static int tape_cas(void *store, const char *key, const void *buf, size_t len, uint64_t expected,
		    uint64_t *version)
{
	(void)store;
	assert_string_equal(key, MAM_KEY);
	if (tape.fail_cas)
		return tape.fail_cas;
	if (expected != tape.version || len > sizeof(tape.blob))
		return -ESTALE;
	memcpy(tape.blob, buf, len);
	tape.blob_len = len;
	*version = ++tape.version;
	tape.nr_cas++;
	return 0;
}

static bool same_key(const struct tgt_bs_codec *a, const struct tgt_bs_codec *b)
{
	return a && b && b->flags & TGT_BS_CODEC_DECRYPT && !memcmp(a->key, b->key, sizeof(a->key));
}

static struct databuf request_buffer(const struct tgt_bs_request *r)
{
	return (struct databuf){.iov = (struct iovec *)(uintptr_t)r->iov,
				.iovcnt = r->iovcnt,
				.length = (uint32_t)r->length};
}

static uint32_t tape_write(struct tgt_bs_request *r)
{
	uint64_t size = r->record_size ? r->record_size : r->length;

	for (uint64_t at = 0; at < r->length; at += size) {
		struct fake_record *rec = &tape.records[tape.at++];
		struct databuf buf = request_buffer(r);

		if (tape.at > TAPE_RECORDS || size > TAPE_RECORD_MAX)
			return TGT_BS_ERR_END_OF_MEDIUM;
		memset(rec, 0, sizeof(*rec));
		rec->len = databuf_read(&buf, at, rec->data, size);
		if (r->codec)
			rec->codec = *r->codec;
	}
	r->actual = r->length;
	tape.count = tape.at;
	return TGT_BS_OK;
}

static uint32_t tape_readable(const struct fake_record *rec, const struct tgt_bs_codec *codec)
{
	bool decrypts = codec && codec->flags & TGT_BS_CODEC_DECRYPT;

	if (!(rec->codec.flags & TGT_BS_CODEC_ENCRYPT))
		return decrypts && !(codec->flags & TGT_BS_CODEC_MIXED) ? TGT_BS_ERR_NOT_ENCRYPTED
									: TGT_BS_OK;
	if (!decrypts)
		return TGT_BS_ERR_ENCRYPTED;
	return same_key(&rec->codec, codec) ? TGT_BS_OK : TGT_BS_ERR_WRONG_KEY;
}

static uint32_t tape_read(struct tgt_bs_request *r)
{
	struct databuf buf = request_buffer(r);
	uint64_t room = r->record_size ? r->record_size : r->length;

	for (uint64_t at = 0; at < r->length; at += room) {
		const struct fake_record *rec = &tape.records[tape.at];
		uint32_t status;

		if (tape.at >= tape.count)
			return TGT_BS_ERR_END_OF_DATA;
		if (rec->filemark) {
			tape.at++;
			return TGT_BS_ERR_FILEMARK;
		}
		status = tape_readable(rec, r->codec);
		if (status)
			return status;
		databuf_write(&buf, at, rec->data, rec->len < room ? rec->len : room);
		tape.at++;
		r->actual = r->record_size ? at + room : rec->len;
	}
	return TGT_BS_OK;
}

static uint32_t tape_next(const struct tgt_bs_request *r)
{
	const struct fake_record *rec = &tape.records[tape.at];
	struct tgt_bs_tape_record *out = r->record;

	if (tape.at >= tape.count) {
		out->flags = TGT_BS_RECORD_END_OF_DATA;
		return TGT_BS_OK;
	}
	if (rec->filemark)
		out->flags |= TGT_BS_RECORD_FILEMARK;
	if (rec->codec.flags & TGT_BS_CODEC_COMPRESS)
		out->flags |= TGT_BS_RECORD_COMPRESSED;
	if (rec->codec.flags & TGT_BS_CODEC_ENCRYPT) {
		out->flags |= TGT_BS_RECORD_ENCRYPTED;
		if (same_key(&rec->codec, r->codec))
			out->flags |= TGT_BS_RECORD_KEY_FITS;
		out->ukad_len = rec->codec.ukad_len;
		out->akad_len = rec->codec.akad_len;
		memcpy(out->ukad, rec->codec.ukad, sizeof(out->ukad));
		memcpy(out->akad, rec->codec.akad, sizeof(out->akad));
	}
	return TGT_BS_OK;
}

static uint32_t tape_perform(struct tgt_bs_request *r)
{
	if (r->op == TGT_BS_TAPE_LOAD)
		tape.out = false;
	if (tape.out)
		return TGT_BS_ERR_NO_MEDIUM;
	switch (r->op) {
	case TGT_BS_TAPE_WRITE:
		return tape_write(r);
	case TGT_BS_TAPE_READ:
		return tape_read(r);
	case TGT_BS_TAPE_NEXT:
		return tape_next(r);
	case TGT_BS_TAPE_WRITE_FILEMARKS:
		if (r->count) {
			tape.records[tape.at++].filemark = true;
			tape.count = tape.at;
		}
		return TGT_BS_OK;
	case TGT_BS_TAPE_UNLOAD:
		tape.out = true;
		tape.at = 0;
		return TGT_BS_OK;
	case TGT_BS_TAPE_REWIND:
		tape.at = 0;
		return TGT_BS_OK;
	default:
		return TGT_BS_OK;
	}
}

static int tape_submit(void *store, void *channel, struct tgt_bs_request *r)
{
	(void)store;
	(void)channel;
	r->status = tape_perform(r);
	r->pos_object = tape.at;
	store_host_table()->complete(r);
	return 0;
}

static const struct tgt_bs_state_ops tape_state = {
    .struct_size = sizeof(tape_state), .get = tape_get, .cas = tape_cas};

static struct store_module tape_module = {
    .descriptor = {.struct_size = sizeof(struct tgt_bs_module),
		   .name = "memtape",
		   .version = "0",
		   .kind = TGT_BS_TAPE,
		   .thread_model = TGT_BS_REACTOR,
		   .open = tape_open,
		   .close = mem_close,
		   .geometry = tape_geometry,
		   .submit = tape_submit,
		   .state = &tape_state,
		   .tape_info = tape_info},
};

/* A drive with a new cartridge; caps beside TGT_BS_CAN_WRITE. */
static inline struct disk *tape_drive(uint32_t caps)
{
	memset(&tape, 0, sizeof(tape));
	tape.info = (struct tgt_bs_tape_info){.struct_size = sizeof(tape.info),
					      .density = 0x58,
					      .nr_partitions = 2,
					      .max_partitions = 4,
					      .size = {100ull << 20, 50ull << 20},
					      .used = {30ull << 20, 0},
					      .full_size = 150ull << 20};
	strcpy(tape.info.barcode, "TST001L5");
	tape_module.file = (char *)(uintptr_t) "memtape";
	tape_module.descriptor.capabilities = TGT_BS_CAN_WRITE | caps;
	return module_open_with(&tape_module, "tape", NULL, 0);
}

#endif
