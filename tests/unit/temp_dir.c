/* SPDX-License-Identifier: MIT */
#include "temp_dir.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define RING 16

static char dir[256];
static pid_t owner;

static void die(const char *what)
{
	perror(what);
	abort();
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_all(void)
{
	/* a forked child that exits must not take the parent's directory away */
	if (getpid() == owner)
		nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *temp_dir(void)
{
	const char *base = getenv("TMPDIR");

	if (*dir)
		return dir;
	snprintf(dir, sizeof(dir), "%s/tgt-test-XXXXXX", base && *base ? base : "/tmp");
	if (!mkdtemp(dir))
		die(dir);
	owner = getpid();
	atexit(remove_all);
	return dir;
}

const char *temp_path(const char *name)
{
	static char paths[RING][512];
	static unsigned int next;
	char *path = paths[next++ % RING];

	snprintf(path, sizeof(paths[0]), "%s/%s", temp_dir(), name);
	return path;
}

const char *temp_file(const char *name, size_t size)
{
	const char *path = temp_path(name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		die(path);
	close(fd);
	return path;
}

void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	struct stat st;

	if (in < 0 || out < 0 || fstat(in, &st) < 0)
		die(from);
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = sendfile(out, in, NULL, (size_t)left);

		if (n <= 0)
			die(to);
		left -= n;
	}
	/* whatever the umask */
	if (fchmod(out, 0644) < 0)
		die(to);
	close(in);
	close(out);
}
