/* SPDX-License-Identifier: MIT */
/* Locals that release what they hold when they go out of scope. */
#ifndef TGT_UTIL_CLEANUP_H
#define TGT_UTIL_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_(void *pp)
{
	free(*(void **)pp);
}

static inline void cleanup_close_(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define CLEANUP_FREE __attribute__((cleanup(cleanup_free_)))
#define CLEANUP_CLOSE __attribute__((cleanup(cleanup_close_)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
