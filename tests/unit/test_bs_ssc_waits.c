/* SPDX-License-Identifier: MIT */
/* What may be asked of a tape at any time is answered while its file keeps a request waiting. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tape_store.h"
#include "temp_dir.h"

#define PATIENCE 60 /* seconds: then it hangs */

static atomic_bool hangs;
static sem_t is_called, may_return;

/* In front of the C library's, also for the store. */
__attribute__((visibility("default"))) int fdatasync(int fd)
{
	if (atomic_load(&hangs)) {
		sem_post(&is_called);
		sem_wait(&may_return);
	}
	return fsync(fd);
}

static void *flush(void *arg)
{
	*(int *)arg = simple(TGT_BS_FLUSH);
	return NULL;
}

static void it_tells_while_it_flushes(void **state)
{
	struct tgt_bs_tape_info info = {.struct_size = sizeof(info)};
	struct tgt_bs_geometry geometry = {.struct_size = sizeof(geometry)};
	struct fake_request *write;
	pthread_t thread;
	int status = -1;

	(void)state;
	path = temp_file("tape", 0);
	assert_int_equal(
	    fake_store_open(&tape, module(),
			    &(struct fake_open){.path = path, .bsopts = "capacity=64M"}),
	    0);
	write = fake_request_new(&tape, TGT_BS_TAPE_WRITE, 0, 7);
	fake_request_add(write, (char[]){"written"}, 7);
	assert_int_equal(op(write), TGT_BS_OK);
	sem_init(&is_called, 0, 0);
	sem_init(&may_return, 0, 0);
	atomic_store(&hangs, true);
	alarm(PATIENCE);
	assert_int_equal(pthread_create(&thread, NULL, flush, &status), 0);
	sem_wait(&is_called);
	assert_int_equal(tape.module->descriptor.tape_info(tape.store, &info), 0);
	assert_int_equal(info.size[0], 64 << 20);
	assert_int_equal(info.used[0], 48 + 16);
	assert_int_equal(tape.module->descriptor.geometry(tape.store, &geometry), 0);
	assert_int_equal(geometry.size, 64 << 20);
	assert_int_equal(status, -1);
	atomic_store(&hangs, false);
	sem_post(&may_return);
	pthread_join(thread, NULL);
	alarm(0);
	assert_int_equal(status, TGT_BS_OK);
	fake_store_close(&tape);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_tells_while_it_flushes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
