/* SPDX-License-Identifier: MIT */
/* The store of the tests about slow stores does as it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_host.h"
#include "temp_dir.h"
#include "util/cleanup.h"

#define BLOCK 512u
#define NR 8u

static struct fake_store store;
static struct fake_request *requests[NR];
static char blocks[NR][BLOCK];
static const char *folder;

/* One line to the store, and its answer. */
static const char *tell(const char *line)
{
	static char answer[128];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ssize_t n;

	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", folder);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_true(send(fd, line, strlen(line), 0) > 0);
	n = recv(fd, answer, sizeof(answer) - 1, 0);
	assert_true(n > 0);
	answer[n - 1] = 0;
	close(fd);
	return answer;
}

static int open_store(void **state)
{
	const char *file = TGT_BUILD_DIR "/tests/fixtures/hanging/bs_hang.so";
	struct fake_open how = {.bsopts = "size=64k"};

	(void)state;
	folder = temp_dir();
	how.path = folder;
	return fake_store_open(&store, fake_module_load(file), &how);
}

static int close_store(void **state)
{
	(void)state;
	fake_store_close(&store);
	return 0;
}

/* NR writes of one block each, of the bytes 1, 2, … */
static void start_writes(void)
{
	for (unsigned i = 0; i < NR; i++) {
		memset(blocks[i], (int)i + 1, BLOCK);
		requests[i] = fake_request_new(&store, TGT_BS_WRITE, (uint64_t)i * BLOCK, BLOCK);
		fake_request_add(requests[i], blocks[i], BLOCK);
		fake_submit(requests[i]);
	}
	fake_turn_end(&store);
}

static unsigned completed(void)
{
	unsigned n = 0;

	fake_settle(30);
	for (unsigned i = 0; i < NR; i++)
		n += requests[i]->completions;
	return n;
}

static void end_writes(void)
{
	for (unsigned i = 0; i < NR; i++) {
		assert_true(fake_wait(requests[i]));
		fake_request_free(requests[i]);
	}
}

static unsigned stands_there(unsigned block)
{
	char buf[BLOCK];

	assert_int_equal(fake_io(&store, TGT_BS_READ, (uint64_t)block * BLOCK, buf, BLOCK, 0), 0);
	return (unsigned char)buf[BLOCK / 2];
}

static void serves(void **state)
{
	(void)state;
	start_writes();
	end_writes();
	for (unsigned i = 0; i < NR; i++)
		assert_int_equal(stands_there(i), i + 1);
	assert_string_equal(tell("nonsense"), "error: what is that?");
}

/* What is held has no effect, and ends when it is let go. */
static void holds_and_steps(void **state)
{
	(void)state;
	assert_string_equal(tell("hold writes"), "ok");
	start_writes();
	assert_int_equal(completed(), 0);
	assert_int_equal(stands_there(0), 0);
	assert_string_equal(tell("count"), "held 8 due 0 done 1 cancelled 0");
	tell("step 2");
	assert_int_equal(completed(), 2);
	assert_true(requests[0]->completions && requests[1]->completions);
	tell("order lifo");
	tell("step 1");
	assert_int_equal(completed(), 3);
	assert_true(requests[NR - 1]->completions);
	assert_int_equal(stands_there(NR - 1), NR);
	tell("go");
	end_writes();
}

static void fails_the_nth(void **state)
{
	(void)state;
	tell("hold");
	start_writes();
	tell("fail 3 9"); /* TGT_BS_ERR_WRITE_PROTECTED */
	tell("go");
	assert_int_equal(completed(), NR);
	for (unsigned i = 0; i < NR; i++)
		assert_int_equal(requests[i]->bs.status, i == 2 ? TGT_BS_ERR_WRITE_PROTECTED : 0);
	end_writes();
	assert_int_equal(stands_there(2), 0);
	assert_int_equal(stands_there(3), 4);
}

static void delays(void **state)
{
	(void)state;
	tell("delay 200 201");
	start_writes();
	assert_int_equal(completed(), 0);
	end_writes();
	assert_string_equal(tell("delay 2 1"), "error: what is that?");
}

static void heeds_a_wish_when_told(void **state)
{
	const struct tgt_bs_module *m = &store.module->descriptor;

	(void)state;
	tell("hold");
	start_writes();
	m->cancel(store.store, store.channel, &requests[0]->bs);
	assert_int_equal(completed(), 0);
	tell("cancel on");
	m->cancel(store.store, store.channel, &requests[0]->bs);
	assert_int_equal(completed(), 1);
	assert_int_equal(requests[0]->bs.status, TGT_BS_ERR_CANCELLED);
	tell("go");
	end_writes();
	assert_int_equal(stands_there(0), 0);
	assert_int_equal(stands_there(1), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(serves), TEST(holds_and_steps),        TEST(fails_the_nth),
	    TEST(delays), TEST(heeds_a_wish_when_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
