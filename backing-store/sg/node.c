/* SPDX-License-Identifier: MIT */
/* A device node: what it is, how it takes commands, and how much of what. */
#include "sg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SG_VERSION_3 30000 /* what SG_GET_VERSION_NUM answers at least */
#define SECTOR 512u

static bool takes_version_3(int fd)
{
	int version = 0;

	return !ioctl(fd, SG_GET_VERSION_NUM, &version) && version >= SG_VERSION_3;
}

/* Does an INQUIRY by a header of this kind reach anything?  (Not: does the device answer it.) */
static bool takes_inquiry(int fd, enum sg_kind kind)
{
	static uint8_t cdb[6] = {0x12, 0, 0, 0, 36, 0};
	struct sg_node node = {.fd = fd, .kind = kind};
	uint8_t data[36], sense[32];
	struct sg_io_hdr header = {
	    .interface_id = 'S',
	    .dxfer_direction = SG_DXFER_FROM_DEV,
	    .cmd_len = sizeof(cdb),
	    .cmdp = cdb,
	    .dxfer_len = sizeof(data),
	    .dxferp = data,
	    .mx_sb_len = sizeof(sense),
	    .sbp = sense,
	    .timeout = 10000,
	};

	return sg_ioctl(&node, &header) == 0;
}

/* The sg driver alone knows a device by host, channel, target and LUN; of the others that are
 * character devices, tapes and changers speak version 3, bsg nodes version 4. */
static const char *find_kind(struct sg_node *node, bool readonly)
{
	struct sg_scsi_id id;
	struct stat st;

	if (fstat(node->fd, &st))
		return strerror(errno);
	if (S_ISBLK(st.st_mode)) {
		node->kind = SG_V3;
		return takes_version_3(node->fd) ? NULL
						 : "a block device that takes no SCSI "
						   "commands (SG_IO)";
	}
	if (!S_ISCHR(st.st_mode))
		return "not a device";
	if (takes_version_3(node->fd) && !ioctl(node->fd, SG_GET_SCSI_ID, &id)) {
		/* what is open for reading only can't be written to; and its SG_IO lets nothing
		 * pass that writes */
		node->kind = readonly ? SG_V3 : SG_ASYNC;
		node->depth = id.d_queue_depth > 0 ? (unsigned)id.d_queue_depth : 1;
		return NULL;
	}
	node->kind = SG_V4;
	if (takes_inquiry(node->fd, SG_V4))
		return NULL;
	node->kind = SG_V3;
	if (takes_version_3(node->fd) && takes_inquiry(node->fd, SG_V3))
		return NULL;
	return "not a SCSI device that takes commands by SG_IO";
}

static void at_most(uint64_t *limit, uint64_t bytes)
{
	if (bytes && (!*limit || bytes < *limit))
		*limit = bytes;
}

/* A bsg node doesn't say what its device's queue takes; the block device beside it does, in sysfs.
 */
static uint64_t queue_limit(const struct stat *st)
{
	char path[384], line[32];
	const struct dirent *entry;
	uint64_t kb = 0;
	FILE *file;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/device/block", major(st->st_rdev),
		 minor(st->st_rdev));
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path),
			 "/sys/dev/char/%u:%u/device/block/%s/queue/max_sectors_kb",
			 major(st->st_rdev), minor(st->st_rdev), entry->d_name);
		file = entry->d_name[0] != '.' ? fopen(path, "re") : NULL;
		if (!file)
			continue;
		if (fgets(line, sizeof(line), file))
			kb = strtoull(line, NULL, 10);
		fclose(file);
	}
	if (dir)
		closedir(dir);
	return kb * 1024;
}

/* sg answers BLKSECTGET in bytes, a block device in sectors of 512.  An sg request also has to fit
 * into the driver's own buffers, SG_SCATTER_SZ bytes for each element of the adapter's lists.  bsg
 * says nothing. */
static void find_limits(struct sg_node *node)
{
	unsigned short sectors = 0;
	struct stat st;
	int value = 0;

	if (fstat(node->fd, &st))
		return;
	if (S_ISBLK(st.st_mode)) {
		if (!ioctl(node->fd, BLKSECTGET, &sectors))
			at_most(&node->max_transfer, (uint64_t)sectors * SECTOR);
		return;
	}
	if (!ioctl(node->fd, SG_GET_SG_TABLESIZE, &value) && value > 0)
		at_most(&node->max_transfer, (uint64_t)value * SG_SCATTER_SZ);
	value = 0;
	if (!ioctl(node->fd, BLKSECTGET, &value) && value > 0)
		at_most(&node->max_transfer, (uint64_t)value);
	if (node->kind == SG_V4)
		at_most(&node->max_transfer, queue_limit(&st));
}

static const char *why_not_open(int error)
{
	switch (error) {
	case EBUSY:
		return "somebody else has opened it exclusively";
	case ENXIO:
	case ENODEV:
		return "there is no device behind it";
	default:
		return strerror(error);
	}
}

struct sg_node *sg_node_open(const char *path, bool readonly, char *error, size_t error_size)
{
	struct sg_node *node = calloc(1, sizeof(*node));
	const char *why;

	if (!node) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	node->refs = 1;
	node->depth = 1;
	/* without O_NONBLOCK an sg device that somebody holds exclusively would keep us waiting */
	node->fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_CLOEXEC);
	why = node->fd < 0 ? why_not_open(errno) : find_kind(node, readonly);
	if (!why) {
		find_limits(node);
		return node;
	}
	snprintf(error, error_size, "%s: %s", path, why);
	sg_node_free(node);
	return NULL;
}

void sg_node_free(struct sg_node *node)
{
	if (node->fd >= 0)
		close(node->fd);
	free(node);
}

int sg_node_reopen(const struct sg_node *node)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", node->fd);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
