/* SPDX-License-Identifier: MIT */
/* BLOCK_STATUS on a file. */
#include "file.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "status.h"

/* A run of the file from some offset on that is all mapped, or all not. */
struct run {
	uint64_t end;
	bool mapped;
};

/*
 * A range where SEEK_DATA saw no data may still be allocated: zeroed by FALLOC_FL_ZERO_RANGE, say.
 * SBC-4 4.7.4.6 calls that mapped (or anchored), not deallocated; FIEMAP tells.
 */
static struct run without_data(struct file *file, uint64_t offset, uint64_t end)
{
	/* room for one extent behind the header */
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
	} query;
	const struct fiemap_extent *extent = query.map.fm_extents;
	const struct run hole = {end, false};

	if (atomic_load_explicit(&file->no_fiemap, memory_order_relaxed))
		return hole;
	memset(&query, 0, sizeof(query));
	query.map.fm_start = offset;
	query.map.fm_length = end - offset;
	query.map.fm_extent_count = 1;
	if (ioctl(file->fd, FS_IOC_FIEMAP, &query.map) < 0) {
		atomic_store(&file->no_fiemap, true);
		return hole;
	}
	if (query.map.fm_mapped_extents == 0 || extent->fe_logical >= end)
		return hole;
	if (extent->fe_logical > offset)
		return (struct run){extent->fe_logical, false};
	if (extent->fe_length <= offset - extent->fe_logical)
		return hole;
	if (extent->fe_length >= end - extent->fe_logical)
		return (struct run){end, true};
	return (struct run){extent->fe_logical + extent->fe_length, true};
}

static struct run next_run(struct file *file, uint64_t offset, uint64_t end)
{
	off_t data, hole;

	if (file->is_block || atomic_load_explicit(&file->no_seek, memory_order_relaxed))
		return (struct run){end, true};
	data = lseek(file->fd, (off_t)offset, SEEK_DATA);
	if (data < 0 && errno != ENXIO) {
		/* nothing is known, so all of it counts as mapped */
		atomic_store(&file->no_seek, true);
		return (struct run){end, true};
	}
	/* lseek(2), ENXIO: no data from there to the end */
	if (data < 0 || (uint64_t)data >= end)
		return without_data(file, offset, end);
	if ((uint64_t)data > offset)
		return without_data(file, offset, (uint64_t)data);
	hole = lseek(file->fd, (off_t)offset, SEEK_HOLE);
	if (hole < 0 || (uint64_t)hole > end || (uint64_t)hole <= offset)
		return (struct run){end, true};
	return (struct run){(uint64_t)hole, true};
}

/* Adds a run to the answer, or to its last extent; false when there is no room for it. */
static bool add_run(struct tgt_bs_request *request, uint64_t offset, struct run run)
{
	struct tgt_bs_extent *last = request->extents + request->nr_extents;
	const uint32_t flags = run.mapped ? TGT_BS_EXTENT_MAPPED : 0;

	if (request->nr_extents && last[-1].flags == flags) {
		last[-1].length += run.end - offset;
		return true;
	}
	if (request->nr_extents == request->max_extents)
		return false;
	*last = (struct tgt_bs_extent){
	    .offset = offset,
	    .length = run.end - offset,
	    .flags = flags,
	};
	request->nr_extents++;
	return true;
}

void file_block_status(struct file *file, struct tgt_bs_request *request)
{
	const uint64_t end = request->offset + request->length;
	uint64_t at = request->offset;

	request->nr_extents = 0;
	if (request->length == 0 || request->max_extents == 0) {
		request->status = TGT_BS_ERR_INVALID;
		return;
	}
	while (at < end) {
		struct run run = next_run(file, at, end);

		if (!add_run(request, at, run))
			break;
		at = run.end;
	}
}
