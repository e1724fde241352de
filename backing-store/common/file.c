/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "status.h"

#define MAX_MEMORY_ALIGNMENT 4096
#define REPORT_INTERVAL 10 /* seconds */

struct error {
	char *text;
	size_t size;
};

static int __attribute__((format(printf, 3, 4)))
fail(struct error *error, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, error->size, format, args);
	va_end(args);
	return -code;
}

/* Before open(): opening a FIFO waits, and opening a character device may have effects. */
static int check_type(const char *path, struct error *error)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return fail(error, errno, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return fail(error, EISDIR, "%s: %s", path, strerror(EISDIR));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return fail(error, EINVAL, "%s: neither a file nor a block device", path);
	return 0;
}

static int open_flags(const struct file *file)
{
	int flags = O_CLOEXEC | O_NOCTTY;

	flags |= file->readonly ? O_RDONLY : O_RDWR;
	flags |= file->sync ? O_DSYNC : 0;
	flags |= file->direct ? O_DIRECT : 0;
	return flags;
}

static int explain_open(const struct file *file, const char *path, int code, struct error *error)
{
	/* open(2): what file systems without it answer */
	if (file->direct && code == EINVAL)
		return fail(error, code, "%s: its file system can't do direct I/O (O_DIRECT)",
			    path);
	if (!file->readonly && (code == EROFS || code == EACCES || code == EPERM))
		return fail(error, code, "%s: %s, when opened for reading and writing", path,
			    strerror(code));
	return fail(error, code, "%s: %s", path, strerror(code));
}

static int read_size(const struct file *file, uint64_t *size)
{
	struct stat st;

	if (file->is_block)
		return ioctl(file->fd, BLKGETSIZE64, size) < 0 ? -errno : 0;
	if (fstat(file->fd, &st) < 0)
		return -errno;
	*size = (uint64_t)st.st_size;
	return 0;
}

static int update_size(struct file *file)
{
	uint64_t size;
	int rc = read_size(file, &size);

	if (rc)
		return rc;
	if (file->limit && file->limit < size)
		size = file->limit;
	/* what direct I/O can't reach is no part of the disk */
	atomic_store(&file->size, size - size % file->io_alignment);
	return 0;
}

/* A number of the request queue of the device that st is; partitions have their disk's. */
static bool queue_value(const struct stat *st, const char *name, uint64_t *value)
{
	static const char *const places[] = {"", "../"};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char path[128], line[32], *end = line;
		FILE *f;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/%s", major(st->st_rdev),
			 minor(st->st_rdev), places[i], name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(line, sizeof(line), f))
			*value = strtoull(line, &end, 10);
		fclose(f);
		return end != line;
	}
	return false;
}

static bool queue_has(const struct stat *st, const char *name)
{
	uint64_t value;

	return queue_value(st, name, &value) && value > 0;
}

static void describe_device(struct file *file, const struct stat *st)
{
	unsigned int physical = 0;
	uint64_t value;

	if (ioctl(file->fd, BLKPBSZGET, &physical) == 0)
		file->fixed.physical_block_size = physical;
	if (queue_value(st, "optimal_io_size", &value) && value <= UINT32_MAX)
		file->fixed.optimal_io_size = (uint32_t)value;
	if (queue_value(st, "discard_granularity", &value) && value <= UINT32_MAX)
		file->fixed.discard_granularity = (uint32_t)value;
	if (queue_has(st, "rotational"))
		file->fixed.flags |= TGT_BS_GEO_ROTATIONAL;
	/* the kernel punches a hole into a device by its write-zeroes command, which may unmap */
	if (queue_has(st, "discard_max_bytes") && queue_has(st, "write_zeroes_max_bytes"))
		file->fixed.flags |= TGT_BS_GEO_DISCARD;
}

static void describe_file(struct file *file, const struct stat *st)
{
	/* a hole behind the end changes nothing, and tells whether holes can be made */
	if (!file->readonly && fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 st->st_size, MAX_MEMORY_ALIGNMENT) == 0)
		file->fixed.flags |= TGT_BS_GEO_DISCARD;
	if (st->st_blksize > 0)
		file->fixed.discard_granularity = (uint32_t)st->st_blksize;
}

static void describe(struct file *file, const struct stat *st)
{
	if (file->readonly)
		file->fixed.flags |= TGT_BS_GEO_READONLY;
	if (!file->sync)
		file->fixed.flags |= TGT_BS_GEO_VOLATILE_CACHE;
	if (file->is_block)
		describe_device(file, st);
	else
		describe_file(file, st);
}

/* Whether a read of that size, to memory aligned to no more, is refused. */
static bool refuses(const struct file *file, char *page, size_t alignment)
{
	return pread(file->fd, page + alignment, alignment, 0) < 0 && errno == EINVAL;
}

static int probe_alignment(struct file *file, const char *path, struct error *error)
{
	char *pages;

	if (posix_memalign((void **)&pages, 4096, 2 * 4096))
		return fail(error, ENOMEM, "out of memory");
	file->io_alignment = refuses(file, pages, 512) ? 4096 : 512;
	if (file->io_alignment == 4096 && refuses(file, pages, 4096)) {
		free(pages);
		return fail(error, EINVAL, "%s: direct I/O is refused even in blocks of 4096",
			    path);
	}
	free(pages);
	file->memory_alignment = file->io_alignment;
	return 0;
}

/* statx(2), STATX_DIOALIGN: since Linux 6.1, and not on every file system. */
static int find_alignment(struct file *file, const char *path, struct error *error)
{
	struct statx stx;

	if (statx(file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) < 0 ||
	    !(stx.stx_mask & STATX_DIOALIGN))
		return probe_alignment(file, path, error);
	if (stx.stx_dio_offset_align == 0)
		return fail(error, EINVAL, "%s: this file can't do direct I/O", path);
	if (stx.stx_dio_mem_align > MAX_MEMORY_ALIGNMENT)
		return fail(error, EINVAL, "%s: direct I/O needs memory aligned to %u bytes", path,
			    stx.stx_dio_mem_align);
	file->memory_alignment = stx.stx_dio_mem_align;
	file->io_alignment = stx.stx_dio_offset_align;
	return 0;
}

static int check_size(struct file *file, const struct tgt_bs_open_args *args, struct error *error)
{
	uint64_t size;
	int rc = update_size(file);

	if (rc)
		return fail(error, -rc, "%s: %s", args->path, strerror(-rc));
	size = atomic_load(&file->size);
	if (size == 0 || size < args->block_size)
		return fail(error, EINVAL, "%s: %" PRIu64 " bytes are less than one block of %u",
			    args->path, size, args->block_size);
	if (file->limit > size)
		file->host->log(file->lu, TGT_BS_LOG_WARNING,
				"%s has %" PRIu64 " bytes, not the %" PRIu64 " asked for",
				args->path, size, file->limit);
	return 0;
}

/* Such a device can be opened for writing, and then refuses each write. */
static bool is_write_protected(const struct file *file)
{
	int protected = 0;

	return file->is_block && ioctl(file->fd, BLKROGET, &protected) == 0 && protected;
}

static int set_up(struct file *file, const struct tgt_bs_open_args *args, struct error *error)
{
	struct stat st;
	int rc;

	if (fstat(file->fd, &st) < 0)
		return fail(error, errno, "%s: %s", args->path, strerror(errno));
	file->is_block = S_ISBLK(st.st_mode);
	if (!file->readonly && is_write_protected(file))
		return explain_open(file, args->path, EROFS, error);
	if (file->direct) {
		rc = find_alignment(file, args->path, error);
		if (rc)
			return rc;
	}
	rc = check_size(file, args, error);
	if (rc)
		return rc;
	describe(file, &st);
	file->path = strdup(args->path);
	return file->path ? 0 : fail(error, ENOMEM, "out of memory");
}

int file_open(struct file *file, const struct tgt_bs_open_args *args, bool direct,
	      const struct tgt_bs_host *host, char *error_text, size_t error_size)
{
	struct error error = {error_text, error_size};
	int rc;

	*file = (struct file){
	    .fd = -1,
	    .host = host,
	    .lu = args->lu,
	    .readonly = args->flags & TGT_BS_OPEN_READONLY,
	    .sync = args->flags & TGT_BS_OPEN_SYNC,
	    .direct = direct,
	    .limit = args->size,
	    .memory_alignment = 1,
	    .io_alignment = 1,
	};
	if (!args->path || !*args->path)
		return fail(&error, EINVAL, "a path is needed");
	rc = check_type(args->path, &error);
	if (rc)
		return rc;
	file->fd = open(args->path, open_flags(file));
	if (file->fd < 0)
		return explain_open(file, args->path, errno, &error);
	rc = set_up(file, args, &error);
	if (rc)
		file_close(file);
	return rc;
}

void file_close(struct file *file)
{
	close(file->fd);
	free(file->path);
}

int file_geometry(struct file *file, struct tgt_bs_geometry *geometry)
{
	int rc = update_size(file);

	if (rc)
		return rc;
	geometry->flags = file->fixed.flags;
	geometry->size = atomic_load(&file->size);
	geometry->physical_block_size = file->fixed.physical_block_size;
	geometry->memory_alignment = file->memory_alignment;
	geometry->io_alignment = file->io_alignment;
	geometry->optimal_io_size = file->fixed.optimal_io_size;
	geometry->discard_granularity = file->fixed.discard_granularity;
	return 0;
}

#define STAT_BLOCK 512u /* bytes that st_blocks counts, on any file system */

int file_usage(struct file *file, struct tgt_bs_usage *usage)
{
	struct statvfs space;
	struct stat st;
	uint64_t size = atomic_load(&file->size), left;

	if (file->is_block)
		return -ENOTSUP;
	if (fstat(file->fd, &st) < 0 || fstatvfs(file->fd, &space) < 0)
		return -errno;
	usage->used = (uint64_t)st.st_blocks * STAT_BLOCK;
	left = usage->used < size ? size - usage->used : 0;
	usage->available = (uint64_t)space.f_bavail * space.f_frsize;
	if (usage->available > left)
		usage->available = left; /* the medium can't take more */
	return 0;
}

bool file_admit(struct file *file, struct tgt_bs_request *request)
{
	const uint64_t size = atomic_load_explicit(&file->size, memory_order_relaxed);

	if (request->offset > size || request->length > size - request->offset) {
		request->status = TGT_BS_ERR_OUT_OF_RANGE;
		request->info = size;
		return false;
	}
	if (file->readonly && status_is_write(request) && request->op != TGT_BS_FLUSH) {
		request->status = TGT_BS_ERR_WRITE_PROTECTED;
		return false;
	}
	return true;
}

static const char *op_name(const struct tgt_bs_request *request)
{
	switch (request->op) {
	case TGT_BS_READ:
		return "read";
	case TGT_BS_FLUSH:
		return "flush";
	case TGT_BS_DISCARD:
		return "discard";
	case TGT_BS_BLOCK_STATUS:
		return "block status";
	default:
		return "write";
	}
}

void file_report(struct file *file, const struct tgt_bs_request *request, int error)
{
	struct timespec now;
	uint_least64_t last = atomic_load(&file->last_report);
	uint64_t seconds;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	seconds = (uint64_t)now.tv_sec;
	if (last && seconds - last < REPORT_INTERVAL)
		return;
	if (!atomic_compare_exchange_strong(&file->last_report, &last, seconds))
		return; /* another thread just said it */
	file->host->log(file->lu, TGT_BS_LOG_ERR, "%s: %s of %" PRIu64 " bytes at %" PRIu64 ": %s",
			file->path, op_name(request), request->length, request->offset,
			error ? strerror(error) : "the file ends before there");
}
