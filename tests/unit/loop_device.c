/* SPDX-License-Identifier: MIT */
#include "loop_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "util/cleanup.h"

static int cant(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return -1;
}

int loop_attach(const char *file, bool read_only, char *name, size_t size)
{
	CLEANUP_CLOSE int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	CLEANUP_CLOSE int backing = open(file, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);

	if (control < 0)
		return cant("/dev/loop-control");
	if (backing < 0)
		return cant(file);
	/* others may take the free one before us */
	for (int attempt = 0; attempt < 20; attempt++) {
		struct loop_config config = {
		    .fd = (unsigned int)backing,
		    .info.lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0),
		};
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		int fd;

		if (number < 0)
			return cant("/dev/loop-control");
		snprintf(name, size, "/dev/loop%d", number);
		fd = open(name, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return cant(name);
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
			return fd;
		close(fd);
		if (errno != EBUSY)
			break;
	}
	return cant(name);
}

int mount_small_tmpfs(const char *dir, size_t size)
{
	char data[64];

	snprintf(data, sizeof(data), "size=%zu", size);
	if (unshare(CLONE_NEWNS) < 0)
		return cant("unshare");
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return cant("mount");
	if (mount("none", dir, "tmpfs", 0, data) < 0)
		return cant(dir);
	return 0;
}

int remount_read_only(const char *dir)
{
	return mount("none", dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0 ? cant(dir) : 0;
}
