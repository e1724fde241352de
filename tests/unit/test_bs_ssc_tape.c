/* SPDX-License-Identifier: MIT */
/* The ssc store: partitions, codecs, reading backwards, the cartridge's memory, and a long tape. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "image.h"
#include "tape_store.h"
#include "temp_dir.h"

static struct tgt_bs_codec codec;
static const struct tgt_bs_codec *use; /* of the next READ or WRITE */

static void open_tape(uint32_t flags)
{
	struct fake_open how = {.path = path, .flags = flags, .bsopts = "capacity=64M"};

	if (fake_store_open(&tape, module(), &how))
		fail_msg("%s", tape.error);
}

static int transfer(enum tgt_bs_op what, const void *data, size_t len, uint32_t size,
		    uint32_t flags)
{
	struct fake_request *request = fake_request_new(&tape, what, 0, len);

	request->bs.record_size = size;
	request->bs.flags = (uint16_t)flags;
	request->bs.codec = use;
	fake_request_add(request, (void *)(uintptr_t)data, len / 3);
	fake_request_add(request, (char *)(uintptr_t)data + len / 3, len - len / 3);
	return op(request);
}

static int put(const char *text)
{
	return transfer(TGT_BS_TAPE_WRITE, text, strlen(text), 0, 0);
}

static int mark(uint32_t flags)
{
	struct fake_request *request = fake_request_new(&tape, TGT_BS_TAPE_WRITE_FILEMARKS, 0, 0);

	request->bs.count = 1;
	request->bs.flags = (uint16_t)flags;
	return op(request);
}

static void assert_gets(const char *text, uint32_t flags)
{
	char buf[64] = {0};

	assert_int_equal(transfer(TGT_BS_TAPE_READ, buf, sizeof(buf), 0, flags), TGT_BS_OK);
	assert_string_equal(buf, text);
	assert_int_equal(last.actual, strlen(text));
}

static int get(uint32_t flags)
{
	char buf[64];

	return transfer(TGT_BS_TAPE_READ, buf, sizeof(buf), 0, flags);
}

static int locate(uint32_t partition, uint32_t code, uint64_t to)
{
	struct fake_request *request = fake_request_new(&tape, TGT_BS_TAPE_LOCATE, to, 0);

	request->bs.partition = partition;
	request->bs.space_code = code;
	return op(request);
}

static int format(int64_t count, const uint64_t *sizes)
{
	struct fake_request *request = fake_request_new(&tape, TGT_BS_TAPE_FORMAT, 0, 0);

	request->bs.count = count;
	request->bs.sizes = sizes;
	return op(request);
}

static int new_tape(void **state)
{
	static char name[300];

	(void)state;
	snprintf(name, sizeof(name), "%s", temp_file("tape", 0));
	path = name;
	use = NULL;
	fake_log_clear();
	open_tape(0);
	return 0;
}

static int end_tape(void **state)
{
	(void)state;
	fake_store_close(&tape);
	unlink(path);
	return 0;
}

static void reopen(uint32_t flags)
{
	fake_store_close(&tape);
	open_tape(flags);
}

static void assert_at(uint32_t partition, uint64_t object, uint64_t file)
{
	assert_int_equal(last.partition, partition);
	assert_int_equal(last.pos_object, object);
	assert_int_equal(last.pos_file, file);
}

/* SSC-5 READ REVERSE: the record before the position, which then is before it. */
static void reading_backwards(void **state)
{
	(void)state;
	put("one");
	mark(0);
	put("two");
	put("three");
	assert_gets("three", TGT_BS_REQ_REVERSE);
	assert_at(0, 3, 1);
	assert_gets("two", TGT_BS_REQ_REVERSE);
	assert_int_equal(get(TGT_BS_REQ_REVERSE), TGT_BS_ERR_FILEMARK);
	assert_at(0, 1, 0);
	assert_gets("one", TGT_BS_REQ_REVERSE);
	assert_int_equal(get(TGT_BS_REQ_REVERSE), TGT_BS_ERR_BEGINNING);
	assert_int_equal(last.residue, 1);
	assert_at(0, 0, 0);
	assert_gets("one", 0);
}

/* SSC-5 SPACE: sequential filemarks; LOCATE: by filemark, to the end of data. */
static void spacing_and_locating_by_filemarks(void **state)
{
	(void)state;
	put("a");
	mark(0);
	put("b");
	mark(0);
	mark(0);
	put("c"); /* 5 */
	mark(0);
	simple(TGT_BS_TAPE_REWIND);
	assert_int_equal(space(TGT_BS_SPACE_SEQUENTIAL_FILEMARKS, 2), TGT_BS_OK);
	assert_at(0, 5, 3);
	assert_int_equal(space(TGT_BS_SPACE_SEQUENTIAL_FILEMARKS, 2), TGT_BS_ERR_END_OF_DATA);
	assert_at(0, 7, 4);
	assert_int_equal(last.residue, 2);
	assert_int_equal(space(TGT_BS_SPACE_SEQUENTIAL_FILEMARKS, -2), TGT_BS_OK);
	assert_at(0, 3, 1);
	assert_int_equal(space(TGT_BS_SPACE_SEQUENTIAL_FILEMARKS, -2), TGT_BS_ERR_BEGINNING);
	assert_int_equal(locate(0, TGT_BS_SPACE_FILEMARKS, 3), TGT_BS_OK);
	assert_at(0, 5, 3);
	assert_int_equal(locate(0, TGT_BS_SPACE_FILEMARKS, 0), TGT_BS_OK);
	assert_at(0, 0, 0);
	assert_int_equal(locate(0, TGT_BS_SPACE_FILEMARKS, 5), TGT_BS_ERR_END_OF_DATA);
	assert_at(0, 7, 4);
	locate(0, 0, 1);
	assert_int_equal(locate(0, TGT_BS_SPACE_END_OF_DATA, 0), TGT_BS_OK);
	assert_at(0, 7, 4);
}

static void partitions_are_apart(void **state)
{
	static const uint64_t sizes[] = {1 << 20, 2 << 20, 4 << 20};
	static const uint64_t large[] = {1 << 20, 64 << 20}, small[] = {1 << 20, 1000};
	struct tgt_bs_tape_info info = {.struct_size = sizeof(info)};

	(void)state;
	put("before");
	assert_int_equal(format(2, large), TGT_BS_ERR_INVALID);
	assert_int_equal(format(2, small), TGT_BS_ERR_INVALID);
	assert_int_equal(format(5, NULL), TGT_BS_ERR_INVALID);
	assert_int_equal(format(3, sizes), TGT_BS_OK);
	assert_int_equal(get(0), TGT_BS_ERR_END_OF_DATA);
	put("first");
	assert_int_equal(locate(2, 0, 0), TGT_BS_OK);
	put("third");
	mark(0);
	assert_at(2, 2, 1);
	assert_int_equal(locate(3, 0, 0), TGT_BS_ERR_INVALID);
	assert_at(2, 2, 1);
	for (int pass = 0; pass < 2; pass++) {
		assert_int_equal(locate(2, 0, 0), TGT_BS_OK);
		assert_gets("third", 0);
		assert_int_equal(locate(1, 0, 0), TGT_BS_OK);
		assert_int_equal(last.pos_flags, TGT_BS_POS_BOP | TGT_BS_POS_EOD);
		assert_int_equal(last.pos_remain, 2 << 20);
		assert_int_equal(locate(0, 0, 0), TGT_BS_OK);
		assert_gets("first", 0);
		reopen(0);
	}
	assert_int_equal(tape.module->descriptor.tape_info(tape.store, &info), 0);
	assert_int_equal(info.nr_partitions, 3);
	assert_int_equal(info.max_partitions, 4);
	assert_int_equal(info.size[2], 4 << 20);
	assert_int_equal(info.used[1], 0);
	assert_int_equal(info.used[0], 64);
	assert_int_equal(info.full_size, 64 << 20);
	assert_int_equal(format(1, NULL), TGT_BS_OK);
	assert_int_equal(get(0), TGT_BS_ERR_END_OF_DATA);
	reopen(0);
	assert_int_equal(get(0), TGT_BS_ERR_END_OF_DATA);
}

/* SSC-5 SET CAPACITY: down, and up to what it was made with. */
static void the_capacity_can_be_reduced(void **state)
{
	struct tgt_bs_geometry geometry = {.struct_size = sizeof(geometry)};

	(void)state;
	put("gone");
	assert_int_equal(op(fake_request_new(&tape, TGT_BS_TAPE_SET_CAPACITY, 65 << 20, 0)),
			 TGT_BS_ERR_INVALID);
	assert_int_equal(op(fake_request_new(&tape, TGT_BS_TAPE_SET_CAPACITY, 1 << 20, 0)),
			 TGT_BS_OK);
	reopen(0);
	tape.module->descriptor.geometry(tape.store, &geometry);
	assert_int_equal(geometry.size, 1 << 20);
	assert_int_equal(get(0), TGT_BS_ERR_END_OF_DATA);
	assert_int_equal(op(fake_request_new(&tape, TGT_BS_TAPE_SET_CAPACITY, 64 << 20, 0)),
			 TGT_BS_OK);
}

static void only_at_the_end(void **state)
{
	(void)state;
	put("one");
	put("two");
	locate(0, 0, 1);
	assert_int_equal(transfer(TGT_BS_TAPE_WRITE, "x", 1, 0, TGT_BS_REQ_APPEND),
			 TGT_BS_ERR_OVERWRITE);
	assert_int_equal(mark(TGT_BS_REQ_APPEND), TGT_BS_ERR_OVERWRITE);
	assert_gets("two", 0);
	assert_int_equal(transfer(TGT_BS_TAPE_WRITE, "x", 1, 0, TGT_BS_REQ_APPEND), TGT_BS_OK);
}

static void insert(enum tgt_bs_medium medium)
{
	const struct tape_made made = {
	    .size = 8 << 20, .medium = (uint16_t)medium, .density = 0x58, .barcode = "TGT001L5"};
	struct image image;
	char error[256];

	fake_store_close(&tape);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(image_open(&image, path, false, false, &made, error, sizeof(error)), 0);
	image_close(&image);
	open_tape(0);
}

/* Filemarks that are the last thing may be written over, nothing else. */
static void a_worm_is_written_once(void **state)
{
	struct tgt_bs_tape_info info = {.struct_size = sizeof(info)};

	(void)state;
	insert(TGT_BS_MEDIUM_WORM);
	assert_int_equal(tape.module->descriptor.tape_info(tape.store, &info), 0);
	assert_int_equal(info.medium, TGT_BS_MEDIUM_WORM);
	assert_int_equal(info.density, 0x58);
	assert_string_equal(info.barcode, "TGT001L5");
	put("one");
	mark(0);
	mark(0);
	locate(0, 0, 0);
	assert_int_equal(put("x"), TGT_BS_ERR_OVERWRITE);
	assert_int_equal(mark(0), TGT_BS_ERR_OVERWRITE);
	assert_int_equal(simple(TGT_BS_TAPE_ERASE), TGT_BS_ERR_OVERWRITE);
	assert_int_equal(format(2, NULL), TGT_BS_ERR_OVERWRITE);
	assert_int_equal(op(fake_request_new(&tape, TGT_BS_TAPE_SET_CAPACITY, 1 << 20, 0)),
			 TGT_BS_ERR_OVERWRITE);
	locate(0, 0, 2);
	assert_int_equal(put("two"), TGT_BS_OK);
	locate(0, 0, 1);
	assert_int_equal(put("x"), TGT_BS_ERR_OVERWRITE);
	locate(0, 0, 0);
	assert_gets("one", 0);
	assert_int_equal(get(0), TGT_BS_ERR_FILEMARK);
	assert_gets("two", 0);
}

static void a_cleaning_cartridge_holds_no_data(void **state)
{
	(void)state;
	insert(TGT_BS_MEDIUM_CLEANING);
	assert_int_equal(put("x"), TGT_BS_ERR_NOT_READY);
	assert_int_equal(get(0), TGT_BS_ERR_NOT_READY);
	assert_int_equal(format(1, NULL), TGT_BS_ERR_NOT_READY);
	assert_int_equal(simple(TGT_BS_TAPE_UNLOAD), TGT_BS_OK);
}

/* ---- codecs ---- */

static void use_key(uint32_t flags, int key)
{
	codec = (struct tgt_bs_codec){.struct_size = sizeof(codec), .flags = flags};
	memset(codec.key, key, sizeof(codec.key));
	use = &codec;
}

static int next(struct tgt_bs_tape_record *record)
{
	struct fake_request *request = fake_request_new(&tape, TGT_BS_TAPE_NEXT, 0, 0);

	*record = (struct tgt_bs_tape_record){.struct_size = sizeof(*record)};
	request->bs.record = record;
	request->bs.codec = use;
	return op(request);
}

static bool file_holds(const char *text)
{
	static char file[400000];
	FILE *f = fopen(path, "r");
	size_t n = fread(file, 1, sizeof(file), f);

	fclose(f);
	return memmem(file, n, text, strlen(text)) != NULL;
}

static void records_are_compressed_where_that_helps(void **state)
{
	static char zeroes[100000], buf[100000];
	struct tgt_bs_tape_record record;

	(void)state;
	use_key(TGT_BS_CODEC_COMPRESS, 0);
	assert_int_equal(transfer(TGT_BS_TAPE_WRITE, zeroes, sizeof(zeroes), 0, 0), TGT_BS_OK);
	assert_in_range(last.stored, 1, 1000);
	assert_int_equal(put("short"), TGT_BS_OK);
	assert_int_equal(last.stored, 5);
	reopen(0);
	use = NULL;
	assert_int_equal(next(&record), TGT_BS_OK);
	assert_int_equal(record.flags, TGT_BS_RECORD_COMPRESSED);
	assert_int_equal(record.length, sizeof(zeroes));
	memset(buf, 1, sizeof(buf));
	assert_int_equal(transfer(TGT_BS_TAPE_READ, buf, sizeof(buf), 0, 0), TGT_BS_OK);
	assert_memory_equal(buf, zeroes, sizeof(buf));
	assert_int_equal(last.actual, sizeof(zeroes));
	assert_gets("short", 0);
}

static void encrypted_records_need_their_key(void **state)
{
	struct tgt_bs_tape_record record;

	(void)state;
	use = NULL;
	put("a clear text");
	use_key(TGT_BS_CODEC_ENCRYPT, 1);
	codec.ukad_len = 4;
	memcpy(codec.ukad, "ukad", 4);
	codec.akad_len = 64;
	memset(codec.akad, 'A', 64);
	put("a hidden text");
	assert_true(file_holds("a clear text"));
	assert_false(file_holds("a hidden text"));
	reopen(0);
	use = NULL;
	assert_gets("a clear text", 0);
	assert_int_equal(get(0), TGT_BS_ERR_ENCRYPTED);
	assert_at(0, 1, 0);
	use_key(TGT_BS_CODEC_DECRYPT, 2);
	assert_int_equal(get(0), TGT_BS_ERR_WRONG_KEY);
	assert_at(0, 1, 0);
	assert_int_equal(next(&record), TGT_BS_OK);
	assert_int_equal(record.flags, TGT_BS_RECORD_ENCRYPTED);
	use_key(TGT_BS_CODEC_DECRYPT, 1);
	assert_int_equal(next(&record), TGT_BS_OK);
	assert_int_equal(record.flags, TGT_BS_RECORD_ENCRYPTED | TGT_BS_RECORD_KEY_FITS);
	assert_int_equal(record.ukad_len, 4);
	assert_memory_equal(record.ukad, "ukad", 4);
	assert_int_equal(record.akad_len, 64);
	assert_int_equal(record.akad[63], 'A');
	assert_gets("a hidden text", 0);
	locate(0, 0, 0);
	assert_int_equal(get(0), TGT_BS_ERR_NOT_ENCRYPTED);
	codec.flags |= TGT_BS_CODEC_MIXED;
	assert_gets("a clear text", 0);
	assert_int_equal(next(&record), TGT_BS_OK);
	locate(0, 0, 2);
	assert_gets("a hidden text", TGT_BS_REQ_REVERSE);
	locate(0, 0, 2);
	assert_int_equal(next(&record), TGT_BS_OK);
	assert_int_equal(record.flags, TGT_BS_RECORD_END_OF_DATA);
}

/* Somebody changes the ciphertext and puts the checksums right: GCM's tag tells. */
static void a_forged_record_is_told(void **state)
{
	const uint64_t at = 196608; /* doc/tape-image.md */
	uint8_t raw[48 + 38 + 6];
	FILE *f;

	(void)state;
	use_key(TGT_BS_CODEC_ENCRYPT, 1);
	put("secret");
	fake_store_close(&tape);
	f = fopen(path, "r+");
	fseek(f, (long)at, SEEK_SET);
	assert_int_equal(fread(raw, 1, sizeof(raw), f), sizeof(raw));
	raw[sizeof(raw) - 1] ^= 1;
	for (unsigned int part = 0; part < 2; part++) {
		uint32_t crc = ~0u;
		const uint8_t *from = part ? raw : raw + 48;

		for (unsigned int i = 0; i < (part ? 44 : sizeof(raw) - 48); i++) {
			crc ^= from[i];
			for (int bit = 0; bit < 8; bit++)
				crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
		}
		for (unsigned int i = 0; i < 4; i++)
			raw[(part ? 44 : 32) + i] = (uint8_t)(~crc >> (24 - 8 * i));
	}
	fseek(f, (long)at, SEEK_SET);
	assert_int_equal(fwrite(raw, 1, sizeof(raw), f), sizeof(raw));
	fclose(f);
	open_tape(0);
	use_key(TGT_BS_CODEC_DECRYPT, 1);
	assert_int_equal(get(0), TGT_BS_ERR_INTEGRITY);
	assert_int_equal(last.pos_object, 0);
}

/* ---- the cartridge's memory ---- */

static void values_live_with_the_medium(void **state)
{
	const struct tgt_bs_state_ops *ops = tape.module->descriptor.state;
	static char big[70000], buf[64];
	uint64_t version = 0, second = 0;
	size_t len = sizeof(buf);

	(void)state;
	assert_int_equal(ops->get(tape.store, "mam", buf, &len, &version), -ENOENT);
	assert_int_equal(ops->cas(tape.store, "mam", "one", 3, 0, &version), 0);
	assert_int_equal(ops->cas(tape.store, "mam", "two", 3, 0, &second), -ESTALE);
	assert_int_equal(ops->cas(tape.store, "other", "value", 5, 0, &second), -EINVAL);
	assert_int_equal(ops->cas(tape.store, "mam", "longer", 6, version, &version), 0);
	assert_int_equal(ops->cas(tape.store, "mam", big, sizeof(big), version, &second), -ENOSPC);
	assert_int_equal(format(2, NULL), TGT_BS_OK); /* it outlives that */
	reopen(0);
	len = sizeof(buf);
	assert_int_equal(ops->get(tape.store, "mam", buf, &len, &second), 0);
	assert_int_equal(len, 6);
	assert_memory_equal(buf, "longer", 6);
	assert_int_equal(second, version);
	len = 2;
	assert_int_equal(ops->get(tape.store, "mam", buf, &len, &second), -ENOSPC);
	assert_int_equal(len, 6);
	reopen(TGT_BS_OPEN_READONLY);
	assert_int_equal(ops->cas(tape.store, "mam", "x", 1, version, &version), -EROFS);
}

/* ---- damage ---- */

static void assert_leaf(uint64_t at)
{
	char kind[4] = "";
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	fseek(f, (long)at, SEEK_SET);
	assert_int_equal(fread(kind, 1, 4, f), 4);
	fclose(f);
	assert_memory_equal(kind, "INDX", 4);
}

static void change_byte(uint64_t at)
{
	FILE *f = fopen(path, "r+");
	int byte;

	assert_non_null(f);
	fseek(f, (long)at, SEEK_SET);
	byte = fgetc(f);
	fseek(f, (long)at, SEEK_SET);
	fputc(byte ^ 0x55, f);
	fclose(f);
}

/* Whichever of the two checkpoints is lost: what was cut off stays off. */
static void a_lost_checkpoint_brings_nothing_back(void **state)
{
	(void)state;
	put("one");
	put("old two");
	put("old three");
	simple(TGT_BS_TAPE_REWIND);
	locate(0, 0, 1);
	put("new two");
	fake_store_close(&tape);
	for (unsigned int slot = 0; slot < 2; slot++) {
		change_byte(8192 + 4096 * slot + 30);
		open_tape(0);
		assert_gets("one", 0);
		assert_gets("new two", 0);
		assert_int_equal(get(0), TGT_BS_ERR_END_OF_DATA);
		fake_store_close(&tape);
		change_byte(8192 + 4096 * slot + 30);
	}
	change_byte(8192 + 30);
	change_byte(12288 + 30);
	fake_log_clear();
	open_tape(0);
	assert_non_null(strstr(fake_log(), "partition 0 is damaged"));
	assert_gets("one", 0);
	assert_gets("new two", 0);
	assert_int_equal(get(0), TGT_BS_ERR_END_OF_DATA);
}

static void write_numbers(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%08u", i);
		assert_int_equal(i % 10 == 9 ? mark(TGT_BS_REQ_IMMED) : put(text), TGT_BS_OK);
	}
}

static void read_numbers(unsigned int count, unsigned int lost)
{
	for (unsigned int i = 0; i < count; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%08u", i);
		assert_int_equal(locate(0, 0, i), TGT_BS_OK);
		assert_at(0, i, i / 10);
		if (i == lost)
			assert_int_equal(get(0), TGT_BS_ERR_READ);
		else if (i % 10 == 9)
			assert_int_equal(get(0), TGT_BS_ERR_FILEMARK);
		else
			assert_gets(text, 0);
	}
	assert_int_equal(locate(0, TGT_BS_SPACE_FILEMARKS, count / 10), TGT_BS_OK);
	assert_at(0, count / 10 * 10, count / 10);
}

/* Leaf number n behind 512 objects of 64 bytes, a tenth of them filemarks of 48. */
static uint64_t leaf_at(unsigned int n)
{
	unsigned int objects = (n + 1) * 512, file_marks = objects / 10;

	return 196608 + (objects - file_marks) * 64 + file_marks * 48 + n * 4160;
}

/* The objects say themselves where they are: no leaf is needed to find them. */
static void a_damaged_index_is_made_again(void **state)
{
	(void)state;
	write_numbers(2000);
	simple(TGT_BS_TAPE_REWIND);
	for (unsigned int where = 0; where < 3; where++) {
		for (unsigned int leaf = 0; leaf < 3; leaf++) {
			/* its header, its link, an entry */
			uint64_t at = leaf_at(leaf) + (where == 0 ? 20 : where == 1 ? 50 : 100);

			assert_leaf(leaf_at(leaf));
			fake_store_close(&tape);
			change_byte(at);
			open_tape(0);
			read_numbers(2000, UINT32_MAX);
			fake_store_close(&tape);
			change_byte(at);
			open_tape(0);
		}
	}
}

/* A header that is damaged hides one record, in a leaf that is damaged too. */
static void a_lost_record_is_a_medium_error(void **state)
{
	(void)state;
	write_numbers(1100);
	simple(TGT_BS_TAPE_REWIND);
	fake_store_close(&tape);
	change_byte(196608 + 5 * 64 + 20);
	assert_leaf(leaf_at(0));
	change_byte(leaf_at(0) + 100);
	open_tape(0);
	read_numbers(1100, 5);
	assert_non_null(strstr(fake_log(), "object 5"));
	/* it can be written over */
	locate(0, 0, 5);
	assert_int_equal(put("again"), TGT_BS_OK);
	locate(0, 0, 4);
	assert_gets("00000004", 0);
	assert_gets("again", 0);
	assert_int_equal(get(0), TGT_BS_ERR_END_OF_DATA);
}

/* ---- a long tape ---- */

#define MANY 1000000u
#define EVERY 1000u /* a filemark */

/* Of CPU time: the file is in the page cache, and others run too. */
static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void write_many(void)
{
	char *data = malloc((EVERY - 1) * (size_t)8);

	for (unsigned int file = 0; file < MANY / EVERY; file++) {
		for (unsigned int i = 0; i < EVERY - 1; i++) {
			char text[9];

			snprintf(text, sizeof(text), "%08u", file * EVERY + i);
			memcpy(data + (size_t)8 * i, text, 8);
		}
		assert_int_equal(transfer(TGT_BS_TAPE_WRITE, data, (EVERY - 1) * (size_t)8, 8, 0),
				 TGT_BS_OK);
		assert_int_equal(mark(TGT_BS_REQ_IMMED), TGT_BS_OK);
	}
	free(data);
}

static void check_record(uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%08u", (unsigned int)number);
	if (number % EVERY == EVERY - 1)
		assert_int_equal(get(0), TGT_BS_ERR_FILEMARK);
	else
		assert_gets(text, 0);
}

/* One way to 500 places: how long the longest took. */
static double most_take(uint32_t code)
{
	double worst = 0;

	for (unsigned int i = 0; i < 500; i++) {
		uint64_t to = (uint64_t)rand() % MANY;
		double start = seconds(), took;

		if (code)
			to /= EVERY;
		assert_int_equal(locate(0, code, to), TGT_BS_OK);
		took = seconds() - start;
		worst = took > worst ? took : worst;
		assert_at(0, code ? to * EVERY : to, code ? to : to / EVERY);
		check_record(code ? to * EVERY : to);
	}
	assert_true(worst < 0.01);
	return worst;
}

static void a_million_records_are_found_at_once(void **state)
{
	double best = 1e9;

	(void)state;
	fake_store_close(&tape);
	unlink(path);
	path = temp_file("long", 0);
	fake_store_open(&tape, module(),
			&(struct fake_open){.path = path, .bsopts = "capacity=1G"});
	write_many();
	for (int i = 0; i < 3; i++) { /* of three: the first one reads the file in */
		double start;

		assert_int_equal(simple(TGT_BS_TAPE_REWIND), TGT_BS_OK);
		fake_store_close(&tape);
		start = seconds();
		open_tape(0);
		if (seconds() - start < best)
			best = seconds() - start;
	}
	print_message("open: %.1f ms\n", best * 1e3);
	assert_true(best < 0.1);
	best = most_take(0);
	print_message("LOCATE to an object: at most %.2f ms\n", best * 1e3);
	best = most_take(TGT_BS_SPACE_FILEMARKS);
	print_message("LOCATE to a filemark: at most %.2f ms\n", best * 1e3);
	locate(0, 0, MANY);
	assert_int_equal(last.pos_flags & TGT_BS_POS_EOD, TGT_BS_POS_EOD);
	/* cut in the middle, across a leaf, and go on */
	locate(0, 0, 600001);
	use = NULL;
	assert_int_equal(put("here"), TGT_BS_OK);
	reopen(0);
	locate(0, 0, 600000);
	check_record(600000);
	assert_gets("here", 0);
	assert_int_equal(get(0), TGT_BS_ERR_END_OF_DATA);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, new_tape, end_tape)
	const struct CMUnitTest tests[] = {
	    TEST(reading_backwards),
	    TEST(spacing_and_locating_by_filemarks),
	    TEST(partitions_are_apart),
	    TEST(the_capacity_can_be_reduced),
	    TEST(only_at_the_end),
	    TEST(a_worm_is_written_once),
	    TEST(a_cleaning_cartridge_holds_no_data),
	    TEST(records_are_compressed_where_that_helps),
	    TEST(encrypted_records_need_their_key),
	    TEST(a_forged_record_is_told),
	    TEST(values_live_with_the_medium),
	    TEST(a_lost_checkpoint_brings_nothing_back),
	    TEST(a_damaged_index_is_made_again),
	    TEST(a_lost_record_is_a_medium_error),
	    TEST(a_million_records_are_found_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
