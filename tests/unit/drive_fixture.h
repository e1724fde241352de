/* SPDX-License-Identifier: MIT */
/*
 * A tape drive for tests: the real SCSI core over a tape in memory, which can fail in the middle of
 * a request, be full, be write-once, and tells what it was asked.
 */
#ifndef TGT_TESTS_DRIVE_FIXTURE_H
#define TGT_TESTS_DRIVE_FIXTURE_H

#include <errno.h>

#include "disk_fixture.h"
#include "scsi/tape.h"

#define FILEMARK 0x80
#define EOM 0x40
#define ILI 0x20

#define TAPE_OBJECTS 64u
#define TAPE_PARTITIONS 2u
#define TAPE_CAPS_ALL                                                                              \
	(TGT_BS_CAN_WRITE | TGT_BS_CAN_PARTITIONS | TGT_BS_CAN_REVERSE | TGT_BS_CAN_LOCATE_FILE |  \
	 TGT_BS_CAN_SET_CAPACITY | TGT_BS_CAN_APPEND_ONLY | TGT_BS_CAN_FUA)

struct tape_object {
	bool mark;
	uint32_t len;
	uint8_t data[64];
};

static struct {
	struct tape_object objects[TAPE_PARTITIONS][TAPE_OBJECTS];
	unsigned nr[TAPE_PARTITIONS];
	unsigned nr_partitions, part, at;
	bool out;
	unsigned early_at, full_at; /* objects of a partition; 0: never */
	uint64_t size;              /* of a partition, bytes */
	uint64_t remain;            /* bytes to its end, as it is told; 0: by size */
	/* the next request with this op ends so, once it has moved over fail_after objects */
	uint32_t fail_op, fail_status, fail_after;
	struct tgt_bs_request last; /* the last one but POSITION, as it came */
	uint64_t sizes[TGT_BS_PARTITIONS_MAX];
	unsigned nr_requests;
} tape;

static struct disk *drive;
static struct store_module tape_module;

static int tape_open_(const struct tgt_bs_open_args *args, void **store, char *error, size_t size)
{
	(void)args;
	(void)error;
	(void)size;
	*store = &tape;
	return 0;
}

static void tape_close_(void *store)
{
	(void)store;
}

static int tape_geometry_(void *store, struct tgt_bs_geometry *g)
{
	(void)store;
	g->size = tape.size;
	return 0;
}

static int tape_info_(void *store, struct tgt_bs_tape_info *info)
{
	(void)store;
	if (tape.out)
		return -ENOMEDIUM;
	info->nr_partitions = tape.nr_partitions;
	info->max_partitions = TAPE_PARTITIONS;
	for (unsigned i = 0; i < tape.nr_partitions; i++)
		info->size[i] = tape.size;
	info->full_size = tape.size;
	return 0;
}

/* True: the request ends here, as the test has asked for. */
static bool tape_fails(struct tgt_bs_request *r, unsigned moved)
{
	if (tape.fail_op != r->op || moved < tape.fail_after)
		return false;
	tape.fail_op = 0;
	r->status = tape.fail_status;
	return true;
}

static uint32_t iov_move(const struct tgt_bs_request *r, uint64_t at, uint8_t *data, uint32_t len,
			 bool in)
{
	uint32_t done = 0;

	for (uint32_t i = 0; i < r->iovcnt && done < len; i++) {
		size_t n = r->iov[i].iov_len;

		if (at >= n) {
			at -= n;
			continue;
		}
		n -= at;
		if (n > len - done)
			n = len - done;
		if (in)
			memcpy(data + done, (uint8_t *)r->iov[i].iov_base + at, n);
		else
			memcpy((uint8_t *)r->iov[i].iov_base + at, data + done, n);
		at = 0;
		done += (uint32_t)n;
	}
	return done;
}

static struct tape_object *tape_next(struct tgt_bs_request *r, bool back)
{
	if (back && !tape.at) {
		r->status = TGT_BS_ERR_BEGINNING;
		return NULL;
	}
	if (!back && tape.at == tape.nr[tape.part]) {
		r->status = TGT_BS_ERR_END_OF_DATA;
		return NULL;
	}
	return &tape.objects[tape.part][back ? --tape.at : tape.at++];
}

static void tape_read_(struct tgt_bs_request *r)
{
	uint64_t records = r->record_size ? r->length / r->record_size : 1;

	for (uint64_t i = 0; i < records; i++) {
		struct tape_object *o;
		uint32_t room = r->record_size ? r->record_size : (uint32_t)r->length;

		if (tape_fails(r, (unsigned)i))
			return;
		o = tape_next(r, r->flags & TGT_BS_REQ_REVERSE);
		if (!o)
			return;
		if (o->mark || (r->record_size && o->len != r->record_size)) {
			r->status = o->mark ? TGT_BS_ERR_FILEMARK : TGT_BS_ERR_RECORD_LENGTH;
			return;
		}
		iov_move(r, r->actual, o->data, o->len < room ? o->len : room, false);
		r->actual += o->len;
	}
}

static void tape_append(struct tgt_bs_request *r, unsigned count, uint32_t len)
{
	if (r->flags & TGT_BS_REQ_APPEND && tape.at < tape.nr[tape.part]) {
		r->status = TGT_BS_ERR_OVERWRITE;
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		struct tape_object *o = &tape.objects[tape.part][tape.at];

		r->residue = count - i;
		if (tape_fails(r, i))
			return;
		if (tape.at >= TAPE_OBJECTS || (tape.full_at && tape.at >= tape.full_at)) {
			r->status = TGT_BS_ERR_END_OF_MEDIUM;
			return;
		}
		*o = (struct tape_object){.mark = !len, .len = len};
		iov_move(r, (uint64_t)i * len, o->data, len, true);
		tape.nr[tape.part] = ++tape.at;
	}
	r->residue = 0;
	if (count && tape.early_at && tape.at >= tape.early_at)
		r->status = TGT_BS_ERR_EARLY_WARNING;
}

static void tape_space_(struct tgt_bs_request *r)
{
	bool back = r->count < 0;

	r->residue = back ? -r->count : r->count;
	if (r->space_code == TGT_BS_SPACE_END_OF_DATA)
		tape.at = tape.nr[tape.part];
	else if (r->space_code == TGT_BS_SPACE_SEQUENTIAL_FILEMARKS)
		r->status = TGT_BS_ERR_NOT_SUPPORTED;
	else
		while (r->residue && r->status == TGT_BS_OK) {
			const struct tape_object *o = tape_next(r, back);

			if (!o)
				break;
			if (o->mark && r->space_code == TGT_BS_SPACE_RECORDS)
				r->status = TGT_BS_ERR_FILEMARK;
			else
				r->residue -= o->mark == (r->space_code == TGT_BS_SPACE_FILEMARKS);
		}
}

static void tape_locate_(struct tgt_bs_request *r)
{
	unsigned marks = 0;

	tape.part = r->partition;
	if (r->space_code == TGT_BS_SPACE_END_OF_DATA) {
		tape.at = tape.nr[tape.part];
		return;
	}
	for (tape.at = 0; tape.at < tape.nr[tape.part]; tape.at++) {
		if (r->offset == (r->space_code == TGT_BS_SPACE_FILEMARKS ? marks : tape.at))
			return;
		marks += tape.objects[tape.part][tape.at].mark;
	}
	if (r->offset != (r->space_code == TGT_BS_SPACE_FILEMARKS ? marks : tape.at))
		r->status = TGT_BS_ERR_END_OF_DATA;
}

static void tape_format_(struct tgt_bs_request *r)
{
	memset(tape.nr, 0, sizeof(tape.nr));
	tape.nr_partitions = (unsigned)r->count;
	tape.part = tape.at = 0;
	if (r->sizes)
		memcpy(tape.sizes, r->sizes, (size_t)r->count * sizeof(r->sizes[0]));
}

static void tape_execute(struct tgt_bs_request *r)
{
	switch (r->op) {
	case TGT_BS_TAPE_READ:
		tape_read_(r);
		break;
	case TGT_BS_TAPE_WRITE:
		tape_append(r, r->record_size ? (unsigned)(r->length / r->record_size) : 1,
			    r->record_size ? r->record_size : (uint32_t)r->length);
		break;
	case TGT_BS_TAPE_WRITE_FILEMARKS:
		tape_append(r, (unsigned)r->count, 0);
		break;
	case TGT_BS_TAPE_ERASE:
		tape.nr[tape.part] = tape.at;
		break;
	case TGT_BS_TAPE_SPACE:
		tape_space_(r);
		break;
	case TGT_BS_TAPE_LOCATE:
		tape_locate_(r);
		break;
	case TGT_BS_TAPE_FORMAT:
		tape_format_(r);
		break;
	case TGT_BS_TAPE_SET_CAPACITY:
		tape.size = r->offset;
		tape.nr[0] = 0;
		break;
	case TGT_BS_TAPE_LOAD:
	case TGT_BS_TAPE_UNLOAD:
		tape.out = r->op == TGT_BS_TAPE_UNLOAD;
		tape.at = tape.part = 0;
		break;
	case TGT_BS_TAPE_REWIND:
		tape.at = 0;
		break;
	default:
		break;
	}
}

static int tape_submit_(void *store, void *channel, struct tgt_bs_request *r)
{
	(void)store;
	(void)channel;
	tape.nr_requests++;
	if (r->op != TGT_BS_TAPE_POSITION)
		tape.last = *r;
	if (tape.out && r->op != TGT_BS_TAPE_LOAD)
		r->status = TGT_BS_ERR_NO_MEDIUM;
	else if (tape.fail_op != r->op || tape.fail_after || !tape_fails(r, 0))
		tape_execute(r);
	r->partition = tape.part;
	r->pos_object = tape.at;
	for (unsigned i = 0; i < tape.at; i++)
		r->pos_file += tape.objects[tape.part][i].mark;
	r->pos_flags = tape.at ? 0 : TGT_BS_POS_BOP;
	if (tape.early_at && tape.at >= tape.early_at)
		r->pos_flags |= TGT_BS_POS_EARLY_WARNING;
	r->pos_remain = tape.remain ? tape.remain : tape.size - tape.at * 1024ull;
	store_host_table()->complete(r);
	return 0;
}

/* ---- commands ---- */

static inline uint8_t simple(uint8_t opcode, uint8_t byte1)
{
	return COMMAND(drive, NULL, 0, 0, opcode, byte1, 0, 0, 0, 0);
}

static inline uint8_t write_text(const char *text)
{
	uint32_t len = (uint32_t)strlen(text);

	return COMMAND(drive, text, len, 0, 0x0a, 0, 0, B2(len), 0);
}

static inline uint8_t marks(unsigned count)
{
	return COMMAND(drive, NULL, 0, 0, 0x10, 0, 0, B2(count), 0);
}

static inline uint8_t set_block_length(uint32_t length)
{
	uint8_t list[12] = {0, 0, 0x10, 8};

	put_be24(list + 9, length);
	return COMMAND(drive, list, sizeof(list), 0, 0x15, 0x10, 0, 0, sizeof(list), 0);
}

/* Fixed format sense data with INFORMATION. */
static inline void assert_stream_sense(uint8_t key_and_bits, uint16_t asc, int32_t info)
{
	assert_int_equal(drive->task.status, STATUS_CHECK_CONDITION);
	assert_int_equal(drive->task.sense[0], 0xf0);
	assert_int_equal(drive->task.sense[2], key_and_bits);
	assert_int_equal(drive->asc, asc);
	assert_int_equal((int32_t)information(drive), info);
}

/* The same without. */
static inline void assert_plain_sense(uint8_t key_and_bits, uint16_t asc)
{
	assert_int_equal(drive->task.status, STATUS_CHECK_CONDITION);
	assert_int_equal(drive->task.sense[0], 0x70);
	assert_int_equal(drive->task.sense[2], key_and_bits);
	assert_int_equal(drive->asc, asc);
}

static inline void assert_invalid_field(unsigned byte)
{
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(drive), byte);
}

static inline int new_drive_with(uint32_t capabilities)
{
	memset(&tape, 0, sizeof(tape));
	tape.nr_partitions = 1;
	tape.size = 1 << 20;
	tape_module.descriptor = (struct tgt_bs_module){
	    .struct_size = sizeof(struct tgt_bs_module),
	    .abi_major = TGT_BS_ABI_MAJOR,
	    .abi_minor = TGT_BS_ABI_MINOR,
	    .name = "memtape",
	    .version = "0",
	    .kind = TGT_BS_TAPE,
	    .capabilities = capabilities,
	    .thread_model = TGT_BS_REACTOR,
	    .open = tape_open_,
	    .close = tape_close_,
	    .geometry = tape_geometry_,
	    .submit = tape_submit_,
	    .tape_info = tape_info_,
	};
	tape_module.file = (char *)(uintptr_t) "memtape";
	drive = module_open_with(&tape_module, NULL, NULL, 0);
	return 0;
}

static inline int new_drive(void **state)
{
	(void)state;
	return new_drive_with(TAPE_CAPS_ALL);
}

static inline int new_plain_drive(void **state)
{
	(void)state;
	return new_drive_with(TGT_BS_CAN_WRITE);
}

static inline int end_drive(void **state)
{
	(void)state;
	disk_close(drive);
	return 0;
}

/* one, two, mark, three, mark; at the beginning */
static inline void record_two_files(void)
{
	assert_good(drive, write_text("one"));
	assert_good(drive, write_text("two"));
	assert_good(drive, marks(1));
	assert_good(drive, write_text("three"));
	assert_good(drive, marks(1));
	assert_good(drive, simple(0x01, 0));
}

/* Explicit address command set: PARTITION, LOGICAL OBJECT IDENTIFIER, a count. */
#define PLACE(partition, object, count) 0, partition, B8(object), 0, B2(count), 0

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_drive, end_drive)
#define TEST_PLAIN(name) cmocka_unit_test_setup_teardown(name, new_plain_drive, end_drive)

#endif
