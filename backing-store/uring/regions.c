/* SPDX-License-Identifier: MIT */
/*
 * The host's lasting memory, made known to the kernel: direct I/O that names it spares the kernel
 * from looking up, pinning and releasing its pages.  Through the page cache nothing is gained.
 *
 * A region is registered when there is a request whose data lie in one that isn't known yet.
 */
#include "uring.h"

#include <stdlib.h>
#include <string.h>

#define MAX_REGIONS 256

struct region {
	uintptr_t start;
	size_t length;
	unsigned int number; /* the host's and the kernel's */
};

struct uring_regions {
	const struct uring *uring;
	struct tgt_bs_reactor *reactor;
	struct io_uring *ring;
	unsigned int known;
	bool full;                       /* the kernel takes no more */
	struct region rows[MAX_REGIONS]; /* by start */
};

struct uring_regions *uring_regions_create(const struct uring *uring,
					   struct tgt_bs_reactor *reactor, struct io_uring *ring)
{
	struct uring_regions *regions;

	if (!uring->file.direct || !TGT_BS_HOST_HAS(uring->host, lasting_memory))
		return NULL;
	regions = calloc(1, sizeof(*regions));
	if (!regions)
		return NULL;
	regions->uring = uring;
	regions->reactor = reactor;
	regions->ring = ring;
	/* not before Linux 5.19 */
	if (io_uring_register_buffers_sparse(ring, MAX_REGIONS) == 0)
		return regions;
	free(regions);
	return NULL;
}

static void insert(struct uring_regions *regions, const struct iovec *region)
{
	const uintptr_t start = (uintptr_t)region->iov_base;
	unsigned int at = regions->known;

	for (; at > 0 && regions->rows[at - 1].start > start; at--)
		regions->rows[at] = regions->rows[at - 1];
	regions->rows[at] = (struct region){start, region->iov_len, regions->known};
	regions->known++;
}

static void register_next(struct uring_regions *regions, const struct iovec *region)
{
	const struct uring *uring = regions->uring;
	__u64 tag = 0;
	int rc;

	rc = io_uring_register_buffers_update_tag(regions->ring, regions->known, region, &tag, 1);
	if (rc == 1) {
		insert(regions, region);
		regions->full = regions->known == MAX_REGIONS;
		return;
	}
	regions->full = true;
	uring->host->log(uring->file.lu, TGT_BS_LOG_INFO,
			 "%s: direct I/O takes more CPU time than it could: io_uring keeps no more "
			 "than %u regions of memory (limit of locked memory: LimitMEMLOCK=): %s",
			 uring->file.path, regions->known, strerror(-rc));
}

static void learn(struct uring_regions *regions)
{
	const struct tgt_bs_host *host = regions->uring->host;
	struct iovec region;

	while (!regions->full &&
	       host->lasting_memory(regions->reactor, regions->known, &region, 1) > regions->known)
		register_next(regions, &region);
}

/* The last that doesn't start behind address. */
static const struct region *find(const struct uring_regions *regions, uintptr_t address)
{
	unsigned int low = 0, high = regions->known;

	while (low < high) {
		const unsigned int middle = low + (high - low) / 2;

		if (regions->rows[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &regions->rows[low - 1] : NULL;
}

static bool name_region(const struct uring_regions *regions, struct io_uring_sqe *sqe)
{
	const struct region *region = find(regions, (uintptr_t)sqe->addr);
	uint64_t within;

	if (!region)
		return false;
	within = sqe->addr - region->start;
	if (within >= region->length || sqe->len > region->length - within)
		return false;
	sqe->opcode = sqe->opcode == IORING_OP_READ ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED;
	sqe->buf_index = (uint16_t)region->number;
	return true;
}

void uring_regions_use(struct uring_regions *regions, struct io_uring_sqe *sqe)
{
	if (!regions || (sqe->opcode != IORING_OP_READ && sqe->opcode != IORING_OP_WRITE))
		return;
	if (name_region(regions, sqe) || regions->full)
		return;
	learn(regions);
	name_region(regions, sqe);
}
