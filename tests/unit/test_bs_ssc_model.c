/* SPDX-License-Identifier: MIT */
/*
 * The ssc store against a model in memory: whatever is done to the tape, both say the same.  From
 * time to time the process that works on it is killed.  TGT_MODEL_OPS and TGT_SEED: how many
 * operations, which.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_host.h"
#include "temp_dir.h"

#define OBJECTS_MAX 6000
#define RECORD_ROOM 70000u
#define CAPACITY (8ull << 30)

struct thing {
	uint32_t length; /* 0: a filemark */
	uint32_t seed;
	uint8_t key; /* 0: not encrypted */
};

static struct {
	uint32_t parts, current;
	uint64_t nr[4], position, capacity;
	bool loaded;
	struct thing things[4][OBJECTS_MAX];
} model;

static struct fake_store tape;
static struct tgt_bs_request last;
static bool dry; /* only the model: the store did it in another process */
static const char *path;
static uint64_t random_state;
static uint8_t expected[RECORD_ROOM * 4], got[RECORD_ROOM * 4];

static uint32_t chance(uint32_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % n;
}

static void fill(const struct thing *t, uint8_t *data)
{
	uint64_t state = t->seed;

	for (uint32_t i = 0; i < t->length; i++) {
		if (t->seed % 2 || i % 64 == 0) /* others can be compressed */
			state = state * 6364136223846793005u + 1442695040888963407u;
		data[i] = (uint8_t)(state >> 56);
	}
}

static struct thing *things(void)
{
	return model.things[model.current];
}

static uint64_t end(void)
{
	return model.nr[model.current];
}

static uint64_t marks_before(uint64_t position)
{
	uint64_t marks = 0;

	for (uint64_t i = 0; i < position; i++)
		marks += !things()[i].length;
	return marks;
}

/* ---- the store ---- */

static void open_tape(void)
{
	struct fake_open how = {.path = path, .bsopts = "capacity=8G"};

	if (fake_store_open(&tape, fake_module_load(fake_module_file("ssc")), &how))
		fail_msg("%s", tape.error);
}

static struct fake_request *request(enum tgt_bs_op op, uint64_t offset, uint64_t length)
{
	return dry ? NULL : fake_request_new(&tape, op, offset, length);
}

static void run(struct fake_request *r, uint32_t status, uint64_t residue)
{
	if (!r)
		return;
	assert_true(fake_run(r));
	last = r->bs;
	fake_request_free(r);
	if (last.status != status)
		fail_msg("operation %u: status %u, not %u", last.op, last.status, status);
	if (last.residue != (int64_t)residue)
		fail_msg("operation %u: residue %lld, not %lld; space code %u count %lld status %u",
			 last.op, (long long)last.residue, (long long)residue, last.space_code,
			 (long long)last.count, last.status);
	assert_int_equal(last.partition, model.current);
	assert_int_equal(last.pos_object, model.position);
	assert_int_equal(last.pos_file, marks_before(model.position));
	assert_int_equal(last.pos_flags & TGT_BS_POS_BOP ? 1 : 0, model.position == 0);
	assert_int_equal(last.pos_flags & TGT_BS_POS_EOD ? 1 : 0, model.position == end());
}

static const struct tgt_bs_codec *codec(uint32_t flags, uint8_t key)
{
	static struct tgt_bs_codec c;

	c = (struct tgt_bs_codec){.struct_size = sizeof(c), .flags = flags, .ukad_len = key % 5};
	memset(c.key, key, sizeof(c.key));
	return &c;
}

/* ---- operations ---- */

static void write_records(void)
{
	uint32_t count = chance(3) ? 1 : 1 + chance(4);
	uint32_t length = chance(10) ? 1 + chance(3000) : 1 + chance(RECORD_ROOM - 1);
	uint8_t key = chance(4) ? 0 : (uint8_t)(1 + chance(3));
	uint32_t flags = (chance(3) ? 0 : TGT_BS_CODEC_COMPRESS) | (key ? TGT_BS_CODEC_ENCRYPT : 0);
	struct fake_request *r = request(TGT_BS_TAPE_WRITE, 0, (uint64_t)length * count);

	for (uint32_t i = 0; i < count; i++) {
		struct thing t = {length, chance(1u << 30), key};

		fill(&t, expected + (size_t)length * i);
		things()[model.position++] = t;
	}
	model.nr[model.current] = model.position;
	if (r) {
		size_t total = (size_t)length * count, first = total / 3;

		r->bs.record_size = count > 1 || model.position % 2 ? length : 0;
		r->bs.codec = codec(flags, key);
		fake_request_add(r, expected, first);
		fake_request_add(r, expected + first, total - first);
	}
	run(r, TGT_BS_OK, 0);
}

static void write_marks(void)
{
	uint32_t count = chance(4), immed = chance(2);
	struct fake_request *r = request(TGT_BS_TAPE_WRITE_FILEMARKS, 0, 0);

	for (uint32_t i = 0; i < count; i++)
		things()[model.position++] = (struct thing){0};
	if (count)
		model.nr[model.current] = model.position;
	if (r) {
		r->bs.count = count;
		r->bs.flags = immed ? TGT_BS_REQ_IMMED : 0;
	}
	run(r, TGT_BS_OK, 0);
}

static void to_the_end(void)
{
	struct fake_request *r = request(TGT_BS_TAPE_SPACE, 0, 0);

	model.position = end();
	if (r)
		r->bs.space_code = TGT_BS_SPACE_END_OF_DATA;
	run(r, TGT_BS_OK, 0);
}

/* Enough for leaves of the index. */
static void write_many(void)
{
	uint32_t count = 200 + chance(700);
	struct fake_request *r = request(TGT_BS_TAPE_WRITE, 0, (uint64_t)count * 4);

	if (count > OBJECTS_MAX - 10 - model.position)
		count = 1;
	for (uint32_t i = 0; i < count; i++) {
		struct thing t = {4, chance(1u << 30), 0};

		fill(&t, expected + (size_t)4 * i);
		things()[model.position++] = t;
	}
	model.nr[model.current] = model.position;
	if (r) {
		r->bs.length = (uint64_t)count * 4;
		r->bs.record_size = 4;
		fake_request_add(r, expected, (size_t)count * 4);
	}
	run(r, TGT_BS_OK, 0);
}

/* How a READ of one more record ends; TGT_BS_OK: with that record. */
static uint32_t read_one(bool reverse, uint32_t size, uint32_t flags, uint8_t key,
			 const struct thing **t)
{
	if (reverse ? !model.position : model.position == end())
		return reverse ? TGT_BS_ERR_BEGINNING : TGT_BS_ERR_END_OF_DATA;
	*t = &things()[reverse ? model.position - 1 : model.position];
	if ((*t)->length && (*t)->key && !(flags & TGT_BS_CODEC_DECRYPT))
		return TGT_BS_ERR_ENCRYPTED;
	if ((*t)->length && (*t)->key && (*t)->key != key)
		return TGT_BS_ERR_WRONG_KEY;
	if ((*t)->length && !(*t)->key && flags == TGT_BS_CODEC_DECRYPT)
		return TGT_BS_ERR_NOT_ENCRYPTED;
	model.position += reverse ? -1ull : 1;
	if (!(*t)->length)
		return TGT_BS_ERR_FILEMARK;
	return size && (*t)->length != size ? TGT_BS_ERR_RECORD_LENGTH : TGT_BS_OK;
}

static void read_records(void)
{
	const struct thing *t = model.position < end() ? &things()[model.position] : NULL;
	bool reverse = !chance(4);
	uint32_t size = chance(3) || !t ? 0 : t->length, count = size ? 1 + chance(4) : 1;
	uint32_t flags = chance(4) ? TGT_BS_CODEC_DECRYPT | TGT_BS_CODEC_MIXED
				   : chance(2) * TGT_BS_CODEC_DECRYPT;
	uint8_t key = t && t->key && chance(8) ? t->key : (uint8_t)(1 + chance(3));
	uint64_t room = size ? (uint64_t)size * count : 1 + chance(chance(2) ? RECORD_ROOM : 2000);
	struct fake_request *r = request(TGT_BS_TAPE_READ, 0, room);
	uint64_t total = 0, shown, info = 0;
	uint32_t status = TGT_BS_OK, i;

	for (i = 0; i < count; i++) {
		status = read_one(reverse, size, flags, key, &t);
		if (status == TGT_BS_ERR_RECORD_LENGTH)
			info = t->length;
		if (status)
			break;
		fill(t, expected + total);
		total += t->length;
	}
	if (r) {
		r->bs.record_size = size;
		r->bs.flags = reverse ? TGT_BS_REQ_REVERSE : 0;
		r->bs.codec = codec(flags, key);
		fake_request_add(r, got, room / 2);
		fake_request_add(r, got + room / 2, room - room / 2);
	}
	run(r, status, count - i);
	if (!r)
		return;
	shown = total < room ? total : room;
	assert_int_equal(last.actual, total);
	assert_memory_equal(got, expected, shown);
	if (info)
		assert_int_equal(last.info, info);
}

/* One step over an object; false: there is none that way. */
static bool step(bool back, bool *is_mark)
{
	if (back ? !model.position : model.position == end())
		return false;
	*is_mark = !things()[back ? model.position - 1 : model.position].length;
	model.position += back ? -1ull : 1;
	return true;
}

static uint32_t space_steps(uint32_t code, bool back, uint64_t *left)
{
	uint64_t n = *left, row = 0;
	bool is_mark;

	while (*left) {
		if (!step(back, &is_mark)) {
			if (code == TGT_BS_SPACE_SEQUENTIAL_FILEMARKS)
				*left = n;
			return back ? TGT_BS_ERR_BEGINNING : TGT_BS_ERR_END_OF_DATA;
		}
		if (code == TGT_BS_SPACE_RECORDS && is_mark)
			return TGT_BS_ERR_FILEMARK;
		row = is_mark ? row + 1 : 0;
		if (code == TGT_BS_SPACE_SEQUENTIAL_FILEMARKS)
			*left = n - row;
		else if (code == TGT_BS_SPACE_RECORDS || is_mark)
			--*left;
	}
	return TGT_BS_OK;
}

static void space(void)
{
	uint32_t code = chance(4), status = TGT_BS_OK;
	bool back = chance(2);
	uint64_t n = chance(4) ? chance(8) : chance(3000), left = n;
	struct fake_request *r = request(TGT_BS_TAPE_SPACE, 0, 0);

	if (code == TGT_BS_SPACE_END_OF_DATA) {
		model.position = end();
		left = 0;
	} else {
		status = space_steps(code, back, &left);
	}
	if (r) {
		r->bs.space_code = code;
		r->bs.count = back ? -(int64_t)n : (int64_t)n;
	}
	run(r, status, left);
}

static void locate(void)
{
	uint32_t partition = chance(model.parts), code = chance(3);
	uint64_t to, nr = model.nr[partition];
	uint32_t status = TGT_BS_OK;
	struct fake_request *r;

	code = code == 2 ? TGT_BS_SPACE_END_OF_DATA : code; /* objects, filemarks */
	model.current = partition;
	to = chance(code == TGT_BS_SPACE_FILEMARKS ? (uint32_t)marks_before(nr) + 2
						   : (uint32_t)nr + 2);
	r = request(TGT_BS_TAPE_LOCATE, to, 0);
	model.position = nr;
	if (code == TGT_BS_SPACE_RECORDS && to <= nr)
		model.position = to;
	else if (code == TGT_BS_SPACE_FILEMARKS && to <= marks_before(nr))
		for (model.position = 0; marks_before(model.position) < to; model.position++)
			;
	else if (code != TGT_BS_SPACE_END_OF_DATA)
		status = TGT_BS_ERR_END_OF_DATA;
	if (r) {
		r->bs.partition = partition;
		r->bs.space_code = code;
	}
	run(r, status, 0);
}

static void erase(void)
{
	struct fake_request *r = request(TGT_BS_TAPE_ERASE, 0, 0);

	model.nr[model.current] = model.position;
	if (r)
		r->bs.flags = TGT_BS_REQ_LONG;
	run(r, TGT_BS_OK, 0);
}

static void empty(uint32_t parts)
{
	model.parts = parts;
	model.current = 0;
	model.position = 0;
	memset(model.nr, 0, sizeof(model.nr));
}

static void format(void)
{
	uint32_t parts = 1 + chance(4);
	uint64_t sizes[4] = {CAPACITY / 16, CAPACITY / 8, CAPACITY / 16, CAPACITY / 8};
	struct fake_request *r = request(TGT_BS_TAPE_FORMAT, 0, 0);
	bool equal = chance(2);

	empty(parts);
	if (r) {
		r->bs.count = parts;
		r->bs.sizes = equal ? NULL : sizes;
	}
	run(r, TGT_BS_OK, 0);
}

static void set_capacity(void)
{
	struct fake_request *r =
	    request(TGT_BS_TAPE_SET_CAPACITY, chance(2) ? CAPACITY : CAPACITY / 2, 0);

	empty(1);
	run(r, TGT_BS_OK, 0);
}

static void rewind_tape(void)
{
	model.position = 0;
	run(request(TGT_BS_TAPE_REWIND, 0, 0), TGT_BS_OK, 0);
}

static void unload_and_load(void)
{
	model.position = 0;
	run(request(TGT_BS_TAPE_UNLOAD, 0, 0), TGT_BS_OK, 0);
	model.current = 0;
	run(request(TGT_BS_TAPE_LOAD, 0, 0), TGT_BS_OK, 0);
}

static void reopen(void)
{
	model.current = 0;
	model.position = 0;
	if (dry)
		return;
	fake_store_close(&tape);
	open_tape();
}

static void one(void)
{
	uint32_t what = chance(1000);

	if (end() > OBJECTS_MAX - 10)
		rewind_tape();
	if (what >= 4 && what < 450 && chance(16)) /* else most tapes stay short */
		to_the_end();
	if (end() > OBJECTS_MAX - 10 || what < 4)
		erase();
	else if (what < 14)
		write_many();
	else if (what < 350)
		write_records();
	else if (what < 450)
		write_marks();
	else if (what < 720)
		read_records();
	else if (what < 850)
		space();
	else if (what < 950)
		locate();
	else if (what < 965)
		rewind_tape();
	else if (what < 975)
		unload_and_load();
	else if (what < 985)
		reopen();
	else if (what < 987)
		format();
	else if (what < 988)
		set_capacity();
}

/* Another process does that many, and is killed; what it completed is on the tape. */
static void in_a_killed_process(uint32_t count)
{
	int status;
	pid_t pid;

	fake_store_close(&tape);
	model.current = 0;
	model.position = 0;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		alarm(60);
		open_tape();
		for (uint32_t i = 0; i < count; i++)
			one();
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail_msg("it ended otherwise");
	dry = true;
	for (uint32_t i = 0; i < count; i++)
		one();
	dry = false;
	model.current = 0;
	model.position = 0;
	open_tape();
}

/* All of it, object for object. */
static void compare_all(void)
{
	for (uint32_t p = 0; p < model.parts; p++) {
		struct fake_request *r = request(TGT_BS_TAPE_LOCATE, 0, 0);

		r->bs.partition = p;
		model.current = p;
		model.position = 0;
		run(r, TGT_BS_OK, 0);
		for (uint64_t i = 0; i < end(); i++) {
			const struct thing *t = &things()[i];

			r = request(TGT_BS_TAPE_READ, 0, RECORD_ROOM);
			r->bs.codec = codec(TGT_BS_CODEC_DECRYPT | TGT_BS_CODEC_MIXED, t->key);
			fake_request_add(r, got, RECORD_ROOM);
			model.position++;
			run(r, t->length ? TGT_BS_OK : TGT_BS_ERR_FILEMARK, t->length ? 0 : 1);
			fill(t, expected);
			assert_int_equal(last.actual, t->length);
			assert_memory_equal(got, expected, t->length);
		}
	}
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

static void store_and_model_never_differ(void **state)
{
	unsigned long left = setting("TGT_MODEL_OPS", 12000);

	(void)state;
	random_state = setting("TGT_SEED", (unsigned long)time(NULL));
	print_message("TGT_SEED=%lu\n", (unsigned long)random_state);
	path = temp_file("tape", 0);
	empty(1);
	open_tape();
	while (left) {
		uint32_t some = 1 + chance(300);

		some = some < left ? some : (uint32_t)left;
		left -= some;
		if (!chance(3))
			in_a_killed_process(some);
		else
			for (uint32_t i = 0; i < some; i++)
				one();
		if (!chance(10))
			compare_all();
	}
	compare_all();
	fake_store_close(&tape);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(store_and_model_never_differ)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
