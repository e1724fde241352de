/* SPDX-License-Identifier: MIT */
/* The ssc store's module: a tape keeps what is written, in order, and stands where it should. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tape_store.h"
#include "temp_dir.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define DATA 196608 /* where the objects begin */
#define OBJECT 48   /* their headers; with what follows, multiples of 16 */

static void open_tape(const char *bsopts, uint32_t flags)
{
	struct fake_open how = {.path = path, .bsopts = bsopts, .flags = flags};

	if (fake_store_open(&tape, module(), &how))
		fail_msg("%s", tape.error);
}

static int write_bytes(const void *data, size_t len, uint32_t record_size)
{
	struct fake_request *request = fake_request_new(&tape, TGT_BS_TAPE_WRITE, 0, len);

	request->bs.record_size = record_size;
	fake_request_add(request, (void *)(uintptr_t)data, len / 3); /* records span pieces */
	fake_request_add(request, (char *)(uintptr_t)data + len / 3, len - len / 3);
	return op(request);
}

static int write_text(const char *text)
{
	return write_bytes(text, strlen(text), 0);
}

static int read_bytes(void *data, size_t len, uint32_t record_size)
{
	struct fake_request *request = fake_request_new(&tape, TGT_BS_TAPE_READ, 0, len);

	request->bs.record_size = record_size;
	fake_request_add(request, data, len / 2);
	fake_request_add(request, (char *)data + len / 2, len - len / 2);
	return op(request);
}

static void assert_reads(const char *text)
{
	char buf[64] = {0};

	assert_int_equal(read_bytes(buf, sizeof(buf), 0), TGT_BS_OK);
	assert_int_equal(last.actual, strlen(text));
	assert_string_equal(buf, text);
}

static int marks(int64_t count, uint32_t flags)
{
	struct fake_request *request = fake_request_new(&tape, TGT_BS_TAPE_WRITE_FILEMARKS, 0, 0);

	request->bs.count = count;
	request->bs.flags = (uint16_t)flags;
	return op(request);
}

static int locate(uint64_t object)
{
	return op(fake_request_new(&tape, TGT_BS_TAPE_LOCATE, object, 0));
}

static uint64_t position(void)
{
	assert_int_equal(simple(TGT_BS_TAPE_POSITION), TGT_BS_OK);
	return last.pos_object;
}

static int new_tape(void **state)
{
	static char name[300];

	(void)state;
	snprintf(name, sizeof(name), "%s", temp_file("tape", 0));
	path = name;
	fake_log_clear();
	open_tape(NULL, 0);
	return 0;
}

static int end_tape(void **state)
{
	(void)state;
	if (tape.store)
		fake_store_close(&tape);
	memset(&tape, 0, sizeof(tape));
	unlink(path);
	return 0;
}

static void reopen(uint32_t flags)
{
	fake_store_close(&tape);
	open_tape(NULL, flags);
}

/* two records, a mark, two records, a mark */
static void record_two_files(void)
{
	assert_int_equal(write_text("one"), TGT_BS_OK);
	assert_int_equal(write_text("number two"), TGT_BS_OK);
	assert_int_equal(marks(1, 0), TGT_BS_OK);
	assert_int_equal(write_text("three"), TGT_BS_OK);
	assert_int_equal(write_text("four"), TGT_BS_OK);
	assert_int_equal(marks(1, 0), TGT_BS_OK);
}

static void what_is_written_is_read_in_order(void **state)
{
	char buf[64];

	(void)state;
	for (int pass = 0; pass < 2; pass++) {
		if (!pass)
			record_two_files();
		else
			reopen(TGT_BS_OPEN_READONLY);
		assert_int_equal(simple(TGT_BS_TAPE_REWIND), TGT_BS_OK);
		assert_int_equal(last.pos_flags, TGT_BS_POS_BOP);
		assert_reads("one");
		assert_reads("number two");
		assert_int_equal(read_bytes(buf, sizeof(buf), 0), TGT_BS_ERR_FILEMARK);
		assert_int_equal(last.pos_object, 3);
		assert_int_equal(last.pos_file, 1);
		assert_reads("three");
		assert_reads("four");
		assert_int_equal(read_bytes(buf, sizeof(buf), 0), TGT_BS_ERR_FILEMARK);
		assert_int_equal(read_bytes(buf, sizeof(buf), 0), TGT_BS_ERR_END_OF_DATA);
		assert_int_equal(last.pos_object, 6);
		assert_int_equal(last.pos_file, 2);
		assert_int_equal(last.pos_flags & TGT_BS_POS_EOD, TGT_BS_POS_EOD);
	}
	assert_int_equal(write_text("x"), TGT_BS_ERR_WRITE_PROTECTED);
	assert_int_equal(marks(1, 0), TGT_BS_ERR_WRITE_PROTECTED);
	assert_int_equal(simple(TGT_BS_TAPE_ERASE), TGT_BS_ERR_WRITE_PROTECTED);
}

static void a_short_read_tells_the_records_length(void **state)
{
	char buf[8] = {0};

	(void)state;
	record_two_files();
	simple(TGT_BS_TAPE_REWIND);
	read_bytes(buf, 4, 0);
	assert_int_equal(read_bytes(buf, 6, 0), TGT_BS_OK);
	assert_int_equal(last.actual, 10);
	assert_string_equal(buf, "number");
	assert_int_equal(last.pos_object, 2); /* it has been passed over */
}

static void records_of_a_fixed_size(void **state)
{
	char data[40], buf[64] = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 3);
	assert_int_equal(write_bytes(data, 40, 10), TGT_BS_OK);
	assert_int_equal(last.pos_object, 4);
	assert_int_equal(write_text("other"), TGT_BS_OK);
	assert_int_equal(write_bytes(data, 10, 10), TGT_BS_OK);
	assert_int_equal(marks(1, 0), TGT_BS_OK);
	simple(TGT_BS_TAPE_REWIND);
	assert_int_equal(read_bytes(buf, 20, 10), TGT_BS_OK);
	assert_memory_equal(buf, data, 20);
	assert_int_equal(last.residue, 0);
	/* ends before the record that differs, which is passed over */
	assert_int_equal(read_bytes(buf, 60, 10), TGT_BS_ERR_RECORD_LENGTH);
	assert_int_equal(last.actual, 20);
	assert_int_equal(last.info, 5);
	assert_int_equal(last.residue, 4);
	assert_memory_equal(buf, data + 20, 20);
	assert_int_equal(last.pos_object, 5);
	assert_int_equal(read_bytes(buf, 60, 10), TGT_BS_ERR_FILEMARK);
	assert_int_equal(last.actual, 10);
	assert_int_equal(last.residue, 5);
	assert_int_equal(read_bytes(buf, 60, 10), TGT_BS_ERR_END_OF_DATA);
	assert_int_equal(last.residue, 6);
}

static void writing_in_the_middle_ends_the_tape_there(void **state)
{
	char buf[8];

	(void)state;
	record_two_files();
	assert_int_equal(locate(1), TGT_BS_OK);
	assert_int_equal(write_text("new"), TGT_BS_OK);
	assert_int_equal(last.pos_object, 2);
	assert_int_equal(last.pos_flags & TGT_BS_POS_EOD, TGT_BS_POS_EOD);
	reopen(0);
	assert_reads("one");
	assert_reads("new");
	assert_int_equal(read_bytes(buf, 8, 0), TGT_BS_ERR_END_OF_DATA);
	assert_int_equal(locate(1), TGT_BS_OK);
	assert_int_equal(simple(TGT_BS_TAPE_ERASE), TGT_BS_OK);
	assert_int_equal(read_bytes(buf, 8, 0), TGT_BS_ERR_END_OF_DATA);
	assert_int_equal(position(), 1);
}

static void spacing_over_records(void **state)
{
	(void)state;
	record_two_files();
	simple(TGT_BS_TAPE_REWIND);
	assert_int_equal(space(TGT_BS_SPACE_RECORDS, 2), TGT_BS_OK);
	assert_int_equal(last.pos_object, 2);
	/* a filemark is passed over, and ends it */
	locate(0);
	assert_int_equal(space(TGT_BS_SPACE_RECORDS, 5), TGT_BS_ERR_FILEMARK);
	assert_int_equal(last.residue, 3);
	assert_int_equal(last.pos_object, 3);
	assert_int_equal(space(TGT_BS_SPACE_RECORDS, -1), TGT_BS_ERR_FILEMARK);
	assert_int_equal(last.residue, 1);
	assert_int_equal(last.pos_object, 2);
	assert_int_equal(space(TGT_BS_SPACE_RECORDS, -5), TGT_BS_ERR_BEGINNING);
	assert_int_equal(last.residue, 3);
	assert_int_equal(last.pos_object, 0);
	locate(6);
	assert_int_equal(space(TGT_BS_SPACE_RECORDS, 1), TGT_BS_ERR_END_OF_DATA);
	assert_int_equal(last.residue, 1);
	assert_int_equal(space(TGT_BS_SPACE_RECORDS, INT64_MIN), TGT_BS_ERR_FILEMARK);
	assert_int_equal(last.pos_object, 5);
}

static void spacing_over_filemarks(void **state)
{
	(void)state;
	record_two_files();
	simple(TGT_BS_TAPE_REWIND);
	assert_int_equal(space(TGT_BS_SPACE_FILEMARKS, 1), TGT_BS_OK);
	assert_int_equal(last.pos_object, 3);
	assert_int_equal(space(TGT_BS_SPACE_FILEMARKS, 3), TGT_BS_ERR_END_OF_DATA);
	assert_int_equal(last.residue, 2);
	assert_int_equal(last.pos_object, 6);
	assert_int_equal(space(TGT_BS_SPACE_FILEMARKS, -2), TGT_BS_OK);
	assert_int_equal(last.pos_object, 2); /* on its side of the beginning */
	assert_int_equal(space(TGT_BS_SPACE_FILEMARKS, 0), TGT_BS_OK);
	assert_int_equal(last.pos_object, 2);
	assert_int_equal(space(TGT_BS_SPACE_FILEMARKS, -1), TGT_BS_ERR_BEGINNING);
	assert_int_equal(last.residue, 1);
	assert_int_equal(last.pos_object, 0);
	assert_int_equal(space(TGT_BS_SPACE_END_OF_DATA, 0), TGT_BS_OK);
	assert_int_equal(last.pos_object, 6);
	assert_int_equal(space(TGT_BS_SPACE_END_OF_DATA + 1, 1), TGT_BS_ERR_NOT_SUPPORTED);
}

static void locating_beyond_the_data_stands_at_their_end(void **state)
{
	(void)state;
	record_two_files();
	assert_int_equal(locate(7), TGT_BS_ERR_END_OF_DATA);
	assert_int_equal(last.pos_object, 6);
	assert_int_equal(locate(UINT64_MAX), TGT_BS_ERR_END_OF_DATA);
	assert_int_equal(locate(4), TGT_BS_OK);
	assert_reads("four");
}

static void an_unloaded_tape_is_absent(void **state)
{
	struct tgt_bs_geometry geometry = {.struct_size = sizeof(geometry)};

	(void)state;
	record_two_files();
	assert_int_equal(simple(TGT_BS_TAPE_UNLOAD), TGT_BS_OK);
	assert_int_equal(simple(TGT_BS_TAPE_REWIND), TGT_BS_ERR_NO_MEDIUM);
	assert_int_equal(write_text("x"), TGT_BS_ERR_NO_MEDIUM);
	assert_int_equal(tape.module->descriptor.geometry(tape.store, &geometry), 0);
	assert_true(geometry.flags & TGT_BS_GEO_NO_MEDIUM);
	assert_int_equal(simple(TGT_BS_TAPE_LOAD), TGT_BS_OK);
	assert_reads("one");
}

static void a_full_tape_warns_then_refuses(void **state)
{
	static char data[64 << 10];
	unsigned written = 0, warned = 0;
	int status;

	(void)state;
	fake_store_close(&tape);
	assert_int_equal(truncate(path, 0), 0);
	open_tape("capacity=1M", 0);
	assert_int_equal(tape.geometry.size, 1 << 20);
	while ((status = write_bytes(data, sizeof(data), 0)) != TGT_BS_ERR_END_OF_MEDIUM) {
		assert_true(status == TGT_BS_OK || status == TGT_BS_ERR_EARLY_WARNING);
		assert_true(status == TGT_BS_ERR_EARLY_WARNING || !warned);
		warned += status == TGT_BS_ERR_EARLY_WARNING;
		assert_true(++written < 17);
	}
	assert_int_equal(last.residue, 1);
	assert_int_equal(written, 15);
	assert_true(warned);
	assert_int_equal(marks(1, 0), TGT_BS_ERR_EARLY_WARNING);
	/* several records: those that fit are written */
	locate(14);
	assert_int_equal(write_bytes(data, sizeof(data), 16 << 10), TGT_BS_ERR_EARLY_WARNING);
	assert_int_equal(write_bytes(data, sizeof(data), 16 << 10), TGT_BS_ERR_END_OF_MEDIUM);
	assert_int_equal(last.residue, 1);
	assert_int_equal(last.actual, 48 << 10);
}

static void change_byte(off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void changed_data_are_a_medium_error(void **state)
{
	char buf[64];

	(void)state;
	record_two_files();
	/* "number two", behind the first record */
	change_byte(DATA + OBJECT + 16 + OBJECT + 3);
	reopen(0);
	assert_reads("one");
	assert_int_equal(read_bytes(buf, sizeof(buf), 0), TGT_BS_ERR_READ);
	assert_int_equal(position(), 1);
	/* also when only its undamaged beginning is asked for */
	assert_int_equal(read_bytes(buf, 2, 0), TGT_BS_ERR_READ);
	assert_int_equal(space(TGT_BS_SPACE_RECORDS, 1), TGT_BS_OK);
	assert_int_equal(space(TGT_BS_SPACE_FILEMARKS, 1), TGT_BS_OK);
	assert_reads("three");
}

static void a_torn_end_counts_as_not_written(void **state)
{
	struct stat st;
	char buf[64];

	(void)state;
	record_two_files();
	assert_int_equal(write_text("the last one"), TGT_BS_OK);
	fake_store_close(&tape);
	assert_int_equal(stat(path, &st), 0);
	/* twelve bytes of data and four of padding */
	for (off_t cut = 5; cut <= OBJECT + 16; cut++) {
		assert_int_equal(truncate(path, st.st_size - cut), 0);
		fake_log_clear();
		open_tape(NULL, 0);
		assert_int_equal(space(TGT_BS_SPACE_END_OF_DATA, 0), TGT_BS_OK);
		assert_int_equal(last.pos_object, 6);
		assert_int_equal(strlen(fake_log()) != 0, cut != OBJECT + 16);
		fake_store_close(&tape);
	}
	open_tape(NULL, 0);
	assert_int_equal(locate(6), TGT_BS_OK);
	assert_int_equal(write_text("the last one"), TGT_BS_OK);
	fake_store_close(&tape);
	change_byte(st.st_size - 16 + 5); /* in the last record's data */
	open_tape(NULL, 0);
	assert_int_equal(locate(6), TGT_BS_OK);
	assert_int_equal(read_bytes(buf, sizeof(buf), 0), TGT_BS_ERR_END_OF_DATA);
	assert_int_equal(write_text("again"), TGT_BS_OK);
	locate(6);
	assert_reads("again");
}

/* A record with a damaged header is lost, not those behind it; those must never come back behind
 * new data. */
static void what_follows_damage_does_not_come_back(void **state)
{
	char buf[64];

	(void)state;
	record_two_files();
	change_byte(DATA + OBJECT + 16 + 1);
	reopen(0);
	assert_non_null(strstr(fake_log(), "partition 0 is damaged"));
	assert_int_equal(locate(1), TGT_BS_OK);
	assert_int_equal(read_bytes(buf, sizeof(buf), 0), TGT_BS_ERR_READ);
	assert_int_equal(locate(3), TGT_BS_OK);
	assert_reads("three");
	assert_int_equal(locate(1), TGT_BS_OK);
	assert_int_equal(write_text("NUMBER TWO"), TGT_BS_OK); /* as long as what was there */
	reopen(0);
	assert_reads("one");
	assert_reads("NUMBER TWO");
	assert_int_equal(read_bytes(buf, sizeof(buf), 0), TGT_BS_ERR_END_OF_DATA);
}

static void read_what_is_left(off_t changed)
{
	static const char *const objects[] = {"one", "number two", NULL, "three", "four", NULL};

	for (unsigned i = 0; i < 8; i++) {
		char buf[64] = {0};
		int status = read_bytes(buf, sizeof(buf), 0);

		if (status == TGT_BS_ERR_END_OF_DATA)
			return;
		if (status == TGT_BS_ERR_READ) { /* the next one may be well again */
			assert_int_equal(space(TGT_BS_SPACE_RECORDS, 1), TGT_BS_OK);
			continue;
		}
		if (i >= 6 || status != (objects[i] ? TGT_BS_OK : TGT_BS_ERR_FILEMARK))
			fail_msg("byte %ld changed: object %u gives status %d", (long)changed, i,
				 status);
		if (objects[i])
			assert_string_equal(buf, objects[i]);
	}
	fail_msg("byte %ld changed: there is no end", (long)changed);
}

/* Whichever byte of the file is another one: what is read is what was written, or an error. */
static void no_changed_byte_gives_wrong_data(void **state)
{
	struct stat st;

	(void)state;
	record_two_files();
	fake_store_close(&tape);
	assert_int_equal(stat(path, &st), 0);
	for (off_t at = 0; at < st.st_size; at++) {
		struct fake_open how = {.path = path};

		if (at < DATA && (at % 4096 >= 512 || at >= 4 * 4096)) /* nothing is there */
			continue;

		change_byte(at);
		if (fake_store_open(&tape, module(), &how) == 0) {
			read_what_is_left(at);
			fake_store_close(&tape);
		} else {
			fail_msg("byte %ld changed: %s", (long)at, "there are two of everything");
		}
		change_byte(at);
	}
	open_tape(NULL, 0);
}

static uint32_t crc32c(const uint8_t *data, size_t len)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static void check_sector(const uint8_t *sector, const char *magic, uint64_t sequence)
{
	assert_memory_equal(sector, magic, 4);
	assert_true(get_be64(sector + 4) == sequence);
	assert_int_equal(get_be32(sector + 508), crc32c(sector, 508));
}

static void check_object(const uint8_t *object, const char *kind, uint64_t number)
{
	assert_memory_equal(object, kind, 4);
	assert_int_equal(get_be32(object + 4), 0);
	assert_true(get_be64(object + 16) == number);
	assert_true(get_be64(object + 24) == 1);
	assert_int_equal(get_be32(object + 44), crc32c(object, 44));
}

static void the_file_is_as_its_format_says(void **state)
{
	static uint8_t file[DATA + 2 * OBJECT + 16 + 1];
	const uint8_t *header = file + 12, *object = file + DATA;
	int fd;

	(void)state;
	assert_int_equal(write_text("123456789"), TGT_BS_OK);
	assert_int_equal(marks(1, 0), TGT_BS_OK);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, file, sizeof(file)), sizeof(file) - 1);
	close(fd);
	check_sector(file, "tgTT", 2);
	check_sector(file + 4096, "tgTT", 1);
	assert_memory_equal(header, "tgt-tape", 8);
	assert_int_equal(get_be32(header + 8), 1);
	assert_true(get_be64(header + 32) == 100ull << 30);
	assert_int_equal(get_be32(header + 44), 1); /* partition */
	assert_true(get_be64(header + 48) == DATA);
	assert_true(get_be64(header + 56) == 100ull << 30);
	check_sector(file + 8192 + 4096, "tgTC", 1);
	assert_memory_equal(file + 8192 + 4096 + 12, header + 12, 4); /* the salt */
	assert_true(get_be64(file + 8192 + 4096 + 12 + 8) == 2);      /* objects */
	check_object(object, "RCRD", 0);
	assert_int_equal(get_be32(object + 8), 9);
	assert_int_equal(get_be32(object + 12), 9);
	assert_int_equal(get_be32(object + 32), 0xe3069283u); /* of "123456789" */
	assert_memory_equal(object + 40, header + 12, 4);
	assert_memory_equal(object + OBJECT, "123456789\0\0\0\0\0\0\0", 16);
	check_object(object + OBJECT + 16, "MARK", 1);
}

static void refuses(const char *part)
{
	struct fake_store other;

	assert_int_not_equal(fake_store_open(&other, module(), &(struct fake_open){.path = path}),
			     0);
	assert_non_null(strstr(other.error, part));
}

static void what_is_no_tape_is_refused(void **state)
{
	FILE *file;

	(void)state;
	refuses("another tape drive");
	fake_store_close(&tape);
	tape.store = NULL;
	change_byte(20);
	change_byte(4096 + 20);
	refuses("not a tape image");
	file = fopen(path, "w");
	fputs("something else altogether, and long enough to be taken for a tape image's header",
	      file);
	fclose(file);
	refuses("not a tape image");
	unlink(path);
	refuses("No such file");
	path = "/dev/null";
	refuses("not a regular file");
	path = temp_path("none");
}

/* ---- space ---- */

static off_t file_size(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* A tape that is written again takes the space it has; what is left is given back. */
static void what_is_written_over_is_used_again_then_given_back(void **state)
{
	static char data[1 << 20];
	off_t full;

	(void)state;
	for (int way = 0; way < 3; way++) {
		simple(TGT_BS_TAPE_REWIND);
		for (int i = 0; i < 4; i++)
			assert_int_equal(write_bytes(data, sizeof(data), 0), TGT_BS_OK);
		full = file_size();
		assert_int_equal(full, DATA + 4 * (OBJECT + (off_t)sizeof(data)));
		simple(TGT_BS_TAPE_REWIND);
		assert_int_equal(write_text("a short one     "), TGT_BS_OK);
		assert_int_equal(marks(0, 0), TGT_BS_OK);
		assert_int_equal(file_size(), full);
		if (way == 0) {
			assert_int_equal(simple(TGT_BS_TAPE_UNLOAD), TGT_BS_OK);
			assert_int_equal(simple(TGT_BS_TAPE_LOAD), TGT_BS_OK);
		} else if (way == 1) {
			assert_int_equal(simple(TGT_BS_TAPE_ERASE), TGT_BS_OK);
		} else {
			fake_store_close(&tape);
			fake_log_clear();
			open_tape(NULL, 0);
			assert_string_equal(fake_log(), "");
		}
		assert_int_equal(file_size(), DATA + OBJECT + 16);
		assert_int_equal(locate(0), TGT_BS_OK);
		assert_reads("a short one     ");
	}
}

/* ---- what is in the page cache ---- */

/* Whether a READ into so much room was done by the reactor. */
static bool read_on_reactor(void *data, size_t len, uint32_t record_size, uint32_t flags)
{
	struct fake_request *request = fake_request_new(&tape, TGT_BS_TAPE_READ, 0, len);
	bool on_reactor;

	request->bs.record_size = record_size;
	request->bs.flags = (uint16_t)flags;
	fake_request_add(request, data, len / 2);
	fake_request_add(request, (char *)data + len / 2, len - len / 2);
	assert_true(fake_run(request));
	on_reactor = request->inline_completion;
	assert_int_equal(request->went_to_worker, !on_reactor);
	last = request->bs;
	fake_request_free(request);
	return on_reactor;
}

static bool has_nowait(void)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char byte;
	struct iovec iov = {&byte, 1};

	return preadv2(fd, &iov, 1, 0, RWF_NOWAIT) >= 0;
}

static void a_cached_record_is_read_on_the_reactor(void **state)
{
	bool nowait = has_nowait();
	char buf[64];

	(void)state;
	write_text("one");
	write_text("another");
	marks(1, 0);
	locate(0);
	memset(buf, '.', sizeof(buf));
	assert_int_equal(read_on_reactor(buf, sizeof(buf), 0, 0), nowait);
	assert_int_equal(last.status, TGT_BS_OK);
	assert_int_equal(last.actual, 3);
	assert_int_equal(last.stored, 3);
	assert_int_equal(last.pos_object, 1);
	/* nothing of what follows the record got into the request */
	assert_memory_equal(buf, "one", 3);
	for (size_t i = 3; i < sizeof(buf); i++)
		assert_true(buf[i] == '.' || !buf[i]);
	/* a fixed block of that length; the last one before a filemark */
	assert_int_equal(read_on_reactor(buf, 7, 7, 0), nowait);
	assert_memory_equal(buf, "another", 7);
	assert_int_equal(last.pos_object, 2);
	assert_int_equal(last.pos_file, 0);
}

static void all_else_is_a_workers(void **state)
{
	char buf[64];

	(void)state;
	write_text("one");
	write_text("another");
	marks(1, 0);
	locate(1);
	assert_false(read_on_reactor(buf, sizeof(buf), 0, TGT_BS_REQ_REVERSE));
	assert_int_equal(last.pos_object, 0);
	assert_false(read_on_reactor(buf, 2, 0, 0)); /* its CRC takes more than was asked for */
	assert_int_equal(last.actual, 3);
	assert_false(read_on_reactor(buf, 8, 8, 0));
	assert_int_equal(last.status, TGT_BS_ERR_RECORD_LENGTH);
	assert_false(read_on_reactor(buf, sizeof(buf), 0, 0));
	assert_int_equal(last.status, TGT_BS_ERR_FILEMARK);
	assert_false(read_on_reactor(buf, sizeof(buf), 0, 0));
	assert_int_equal(last.status, TGT_BS_ERR_END_OF_DATA);
	locate(0);
	change_byte(DATA + OBJECT + 1);
	assert_false(read_on_reactor(buf, sizeof(buf), 0, 0));
	assert_int_equal(last.status, TGT_BS_ERR_READ);
	simple(TGT_BS_TAPE_UNLOAD);
	assert_false(read_on_reactor(buf, sizeof(buf), 0, 0));
	assert_int_equal(last.status, TGT_BS_ERR_NO_MEDIUM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_is_written_is_read_in_order, new_tape, end_tape),
	    cmocka_unit_test_setup_teardown(a_short_read_tells_the_records_length, new_tape,
					    end_tape),
	    cmocka_unit_test_setup_teardown(records_of_a_fixed_size, new_tape, end_tape),
	    cmocka_unit_test_setup_teardown(writing_in_the_middle_ends_the_tape_there, new_tape,
					    end_tape),
	    cmocka_unit_test_setup_teardown(spacing_over_records, new_tape, end_tape),
	    cmocka_unit_test_setup_teardown(spacing_over_filemarks, new_tape, end_tape),
	    cmocka_unit_test_setup_teardown(locating_beyond_the_data_stands_at_their_end, new_tape,
					    end_tape),
	    cmocka_unit_test_setup_teardown(an_unloaded_tape_is_absent, new_tape, end_tape),
	    cmocka_unit_test_setup_teardown(a_full_tape_warns_then_refuses, new_tape, end_tape),
	    cmocka_unit_test_setup_teardown(changed_data_are_a_medium_error, new_tape, end_tape),
	    cmocka_unit_test_setup_teardown(a_torn_end_counts_as_not_written, new_tape, end_tape),
	    cmocka_unit_test_setup_teardown(what_follows_damage_does_not_come_back, new_tape,
					    end_tape),
	    cmocka_unit_test_setup_teardown(no_changed_byte_gives_wrong_data, new_tape, end_tape),
	    cmocka_unit_test_setup_teardown(the_file_is_as_its_format_says, new_tape, end_tape),
	    cmocka_unit_test_setup_teardown(what_is_no_tape_is_refused, new_tape, end_tape),
	    cmocka_unit_test_setup_teardown(what_is_written_over_is_used_again_then_given_back,
					    new_tape, end_tape),
	    cmocka_unit_test_setup_teardown(a_cached_record_is_read_on_the_reactor, new_tape,
					    end_tape),
	    cmocka_unit_test_setup_teardown(all_else_is_a_workers, new_tape, end_tape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
