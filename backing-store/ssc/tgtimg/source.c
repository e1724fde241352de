/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct source_format *const formats[] = {&source_stgt, &source_tap};

int source_fail(struct source *source, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(source->error, sizeof(source->error), format, args);
	va_end(args);
	return -1;
}

int source_read(struct source *source, void *buf, size_t length, uint64_t offset)
{
	size_t done = 0;

	if (offset > source->size || length > source->size - offset)
		return source_fail(source, "offset %llu: the file ends within an object",
				   (unsigned long long)offset);
	while (done < length) {
		ssize_t n =
		    pread(source->fd, (char *)buf + done, length - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return source_fail(source, "offset %llu: %s",
					   (unsigned long long)(offset + done),
					   n ? strerror(errno) : "the file has become shorter");
		done += (size_t)n;
	}
	return 0;
}

static int open_file(struct source *source, const char *path)
{
	struct stat st;

	source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (source->fd < 0 || fstat(source->fd, &st))
		return source_fail(source, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return source_fail(source, "not a regular file");
	source->size = (uint64_t)st.st_size;
	source->data = malloc(SOURCE_RECORD_MAX);
	return source->data ? 0 : source_fail(source, "out of memory");
}

static int begin(struct source *source, const struct source_format *format)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		int is = format && format != formats[i] ? 0 : formats[i]->begin(source);

		if (is)
			source->format = formats[i];
		if (is)
			return is < 0 ? -1 : 0;
	}
	return source_fail(source, format ? "not a tape of format %s" : "of no format known here",
			   format ? format->name : "");
}

int source_open(struct source *source, const char *path, const struct source_format *format)
{
	memset(source, 0, sizeof(*source));
	source->wanted = format != NULL;
	if (open_file(source, path) == 0 && begin(source, format) == 0)
		return 0;
	source_close(source);
	return -1;
}

int source_next(struct source *source)
{
	return source->format->next(source);
}

void source_close(struct source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	source->fd = -1;
	free(source->data);
	source->data = NULL;
}
