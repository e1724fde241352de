/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tgtimg.h"

int tgtimg_new_disk(const struct tgtimg_options *o)
{
	int fd, err = 0;

	if (strcasecmp(o->type, "disk") != 0)
		return tgtimg_fail(o->file, "the media type of a disk is disk");
	/* a file that is there already may be somebody's disk */
	fd = open(o->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0)
		return tgtimg_fail(o->file, strerror(errno));
	if (o->thin)
		err = ftruncate(fd, (off_t)o->size) ? errno : 0;
	else
		err = posix_fallocate(fd, 0, (off_t)o->size);
	if (!err && fsync(fd))
		err = errno;
	if (close(fd) && !err)
		err = errno;
	if (err) {
		unlink(o->file);
		return tgtimg_fail(o->file, strerror(err));
	}
	printf("Created blank DISK image file : %s\n", o->file);
	return 0;
}
