/* SPDX-License-Identifier: MIT */
/* A value is a file: magic, length, CRC-32C of the value, then the value; replaced by rename. */
#include "store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <isa-l/crc.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/bytes.h"
#include "util/cleanup.h"

#define MAGIC 0x74677374u /* "tgst" */
#define HEADER 12u
#define NAME_ROOM 256
#define READABLE_MAX 180 /* longer keys end in a hash */

static char *directory;

int state_set_directory(const char *dir)
{
	char *copy = NULL;

	if (dir) {
		if (mkdir(dir, 0700) < 0 && errno != EEXIST)
			return -errno;
		copy = strdup(dir);
		if (!copy)
			return -ENOMEM;
	}
	free(directory);
	directory = copy;
	return 0;
}

bool state_available(void)
{
	return directory != NULL;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       strchr("-_.:", c) != NULL;
}

/* A file name for a key: its letters, what else as %XX; a hash keeps long ones apart.  Never begins
 * with a dot, so the temporary file's name is nobody's. */
static void file_name(const char *key, char name[NAME_ROOM])
{
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};
	size_t len = 0;
	const char *at;

	for (at = key; *at && len < READABLE_MAX; at++) {
		if (is_plain(*at) && !(*at == '.' && len == 0))
			name[len++] = *at;
		else
			len += (size_t)snprintf(name + len, 4, "%%%02x", (unsigned char)*at);
	}
	name[len] = '\0';
	if (!*at)
		return;
	EVP_Digest(key, strlen(key), digest, NULL, EVP_sha256(), NULL);
	name[len++] = '%';
	for (unsigned i = 0; i < 16; i++)
		len += (size_t)snprintf(name + len, 3, "%02x", digest[i]);
}

static int open_directory(void)
{
	int fd;

	if (!directory)
		return -ENOENT;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static uint32_t checksum(const void *buf, size_t len)
{
	/* the library takes its input as not const */
	return crc32_iscsi((unsigned char *)(uintptr_t)buf, (int)len, ~0u);
}

/* Reads exactly len bytes, or says that the file is too short to be whole. */
static int read_all(int fd, void *buf, size_t len)
{
	uint8_t *at = buf;

	while (len) {
		ssize_t n = read(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_all(int fd, const void *buf, size_t len)
{
	const uint8_t *at = buf;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int state_get(const char *key, void *buf, size_t *len)
{
	CLEANUP_CLOSE int dir = open_directory();
	CLEANUP_CLOSE int fd = -1;
	uint8_t header[HEADER];
	char name[NAME_ROOM];
	size_t room = *len;
	int rc;

	if (dir < 0)
		return dir;
	file_name(key, name);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	rc = read_all(fd, header, sizeof(header));
	if (rc)
		return rc;
	if (get_be32(header) != MAGIC)
		return -EIO;
	*len = get_be32(header + 4);
	if (*len > room)
		return -ENOSPC;
	rc = read_all(fd, buf, *len);
	if (rc)
		return rc;
	return checksum(buf, *len) == get_be32(header + 8) ? 0 : -EIO;
}

static int write_file(int dir, const char *name, const void *buf, size_t len)
{
	CLEANUP_CLOSE int fd =
	    openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	uint8_t header[HEADER];
	int rc;

	if (fd < 0)
		return -errno;
	put_be32(header, MAGIC);
	put_be32(header + 4, (uint32_t)len);
	put_be32(header + 8, checksum(buf, len));
	rc = write_all(fd, header, sizeof(header));
	if (!rc)
		rc = write_all(fd, buf, len);
	if (!rc && fsync(fd) < 0)
		rc = -errno;
	return rc;
}

int state_put(const char *key, const void *buf, size_t len)
{
	CLEANUP_CLOSE int dir = open_directory();
	char name[NAME_ROOM], temporary[NAME_ROOM + 1];
	int rc;

	if (dir < 0)
		return dir;
	if (len > INT32_MAX)
		return -EINVAL;
	file_name(key, name);
	snprintf(temporary, sizeof(temporary), ".%s", name);
	rc = write_file(dir, temporary, buf, len);
	if (!rc && renameat(dir, temporary, dir, name) < 0)
		rc = -errno;
	if (rc) {
		unlinkat(dir, temporary, 0);
		return rc;
	}
	/* the name is on disk only when the directory is */
	return fsync(dir) < 0 ? -errno : 0;
}

int state_remove(const char *key)
{
	CLEANUP_CLOSE int dir = open_directory();
	char name[NAME_ROOM];

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	file_name(key, name);
	if (unlinkat(dir, name, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return fsync(dir) < 0 ? -errno : 0;
}
