/* SPDX-License-Identifier: MIT */
/* Making and unmaking rings. */
#include "uring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Threads that the kernel may use for one event loop thread, for what it can't do without waiting.
 * All rings of that thread share them; by itself it would take the depth of the first one. */
#define KERNEL_THREADS 32

/*
 * COOP_TASKRUN: a completion doesn't interrupt the thread while it works (Linux 5.19).  Not
 * DEFER_TASKRUN: nobody who polls such a ring is woken, and an eventfd beside it costs more system
 * calls than it saves.
 */
static const unsigned int flag_sets[] = {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL, 0};
#define NR_FLAG_SETS (sizeof(flag_sets) / sizeof(flag_sets[0]))

static void explain(int rc, unsigned int depth, char *error, size_t error_size)
{
	switch (rc) {
	case -ENOSYS:
		snprintf(error, error_size,
			 "this kernel has no io_uring: use the store aio or rdwr");
		break;
	case -EPERM:
	case -EACCES:
		snprintf(
		    error, error_size,
		    "io_uring is forbidden here: set kernel.io_uring_disabled to 0, or allow it "
		    "in the container's system call filter, or use the store aio or rdwr");
		break;
	case -ENOMEM:
		snprintf(error, error_size,
			 "no memory for a ring of %u requests: raise the limit of locked memory "
			 "(LimitMEMLOCK=, ulimit -l), or lower depth",
			 depth);
		break;
	case -EINVAL:
		snprintf(
		    error, error_size,
		    "this kernel's io_uring is too old (Linux 5.6 is needed): use the store aio "
		    "or rdwr");
		break;
	default:
		snprintf(error, error_size, "io_uring_setup: %s", strerror(-rc));
	}
}

static int set_up(unsigned int depth, struct io_uring *ring)
{
	int rc = -EINVAL;

	for (size_t i = 0; i < NR_FLAG_SETS && rc == -EINVAL; i++) {
		struct io_uring_params params = {.flags = flag_sets[i]};

		rc = io_uring_queue_init_params(depth, ring, &params);
		/* of the same release as all that is asked of it */
		if (rc == 0 && !(params.features & IORING_FEAT_RW_CUR_POS)) {
			io_uring_queue_exit(ring);
			rc = -EINVAL;
		}
	}
	return rc;
}

int uring_ring_create(struct uring *uring, struct io_uring **ring, char *error, size_t error_size)
{
	unsigned int threads[2] = {KERNEL_THREADS, 0};
	struct io_uring *made = calloc(1, sizeof(*made));
	int rc = made ? set_up(uring->depth, made) : -ENOMEM;

	if (rc) {
		explain(rc, uring->depth, error, error_size);
		free(made);
		return rc;
	}
	/* without that (before Linux 5.15) there are fewer of them */
	io_uring_register_iowq_max_workers(made, threads);
	rc = io_uring_register_files(made, &uring->file.fd, 1);
	if (rc) {
		snprintf(error, error_size, "io_uring doesn't take the file: %s", strerror(-rc));
		uring_ring_destroy(made);
		return rc;
	}
	*ring = made;
	return 0;
}

void uring_ring_destroy(struct io_uring *ring)
{
	/* by itself a closed ring lets go of the file only some time later */
	io_uring_unregister_files(ring);
	io_uring_queue_exit(ring);
	free(ring);
}
