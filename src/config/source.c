/* SPDX-License-Identifier: MIT */
#include "config/source.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"

/* One file, or a text instead of it. */
struct source {
	struct list link; /* in config_sources.stack */
	char *name;
	char *text; /* NULL: not read yet */
	size_t len, at;
	unsigned line, depth;
};

void config_sources_init(struct config_sources *s)
{
	list_init(&s->stack);
	s->files = 0;
	s->closed = false;
}

static void source_free(struct source *source)
{
	if (!source)
		return;
	list_del(&source->link);
	if (source->text)
		explicit_bzero(source->text, source->len); /* there may be passwords in it */
	free(source->text);
	free(source->name);
	free(source);
}

void config_sources_free(struct config_sources *s)
{
	list_for_each_safe (source, &s->stack, struct source, link)
		source_free(source);
}

static struct source *push(struct config_sources *s, const char *name, unsigned depth)
{
	struct source *source = calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	list_init(&source->link);
	source->depth = depth;
	source->name = strdup(name);
	if (!source->name) {
		source_free(source);
		return NULL;
	}
	list_add_head(&s->stack, &source->link);
	s->files++;
	return source;
}

bool config_start_file(struct config_sources *s, const char *path)
{
	return push(s, path, 0) != NULL;
}

bool config_start_text(struct config_sources *s, const char *name, const char *text, size_t len)
{
	struct source *source = push(s, name, 0);

	if (!source)
		return false;
	s->closed = true;
	source->len = len;
	source->text = malloc(len + 1);
	if (source->text)
		memcpy(source->text, text, len);
	return source->text != NULL;
}

/* ---- reading; NULL, or why not ---- */

static const char *read_all(int fd, struct source *source, size_t size)
{
	source->text = malloc(size + 1);
	if (!source->text)
		return "out of memory";
	while (source->len < size) {
		ssize_t n = read(fd, source->text + source->len, size - source->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return strerror(errno);
		if (n == 0)
			break;
		source->len += (size_t)n;
	}
	return NULL;
}

static const char *read_file(struct source *source)
{
	/* NONBLOCK: a named pipe must not hang us */
	CLEANUP_CLOSE int fd = open(source->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return strerror(errno);
	if (S_ISDIR(st.st_mode))
		return strerror(EISDIR);
	if (!S_ISREG(st.st_mode))
		return "it is no regular file";
	if (st.st_size > CONFIG_FILE_MAX)
		return "it is larger than 4 MiB";
	return read_all(fd, source, (size_t)st.st_size);
}

/* ---- lines ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts white space at both ends; returns the length. */
static size_t trim(char *text, size_t len)
{
	size_t start = 0;

	while (len && is_blank(text[len - 1]))
		len--;
	while (start < len && is_blank(text[start]))
		start++;
	memmove(text, text + start, len - start);
	text[len - start] = '\0';
	return len - start;
}

/* Appends the next physical line to what line holds.  False: it has no room. */
static bool append_line(struct source *source, struct config_line *line, size_t *used)
{
	const char *start = source->text + source->at;
	size_t left = source->len - source->at;
	const char *newline = memchr(start, '\n', left);
	size_t len = newline ? (size_t)(newline - start) : left;
	bool fits = len <= CONFIG_LINE_MAX - *used;

	source->at += newline ? len + 1 : len;
	source->line++;
	if (!fits)
		return false;
	memcpy(line->text + *used, start, len);
	*used += len;
	while (*used && line->text[*used - 1] == '\r')
		(*used)--;
	line->text[*used] = '\0';
	return true;
}

static enum config_next take_line(struct source *source, struct config_line *line, char *error)
{
	size_t used = 0;
	bool fits = true, more = true;

	line->number = source->line + 1;
	while (more && source->at < source->len) {
		fits &= append_line(source, line, &used);
		more = fits && used && line->text[used - 1] == '\\';
		if (more)
			line->text[used - 1] = ' ';
	}
	if (!fits) {
		snprintf(error, CONFIG_ERROR_SIZE, "the line is longer than %d bytes",
			 CONFIG_LINE_MAX);
		return CONFIG_BAD;
	}
	if (memchr(line->text, '\0', used)) {
		snprintf(error, CONFIG_ERROR_SIZE, "there is a byte 0 in the line");
		return CONFIG_BAD;
	}
	trim(line->text, used);
	return CONFIG_LINE;
}

enum config_next config_next(struct config_sources *s, struct config_line *line, char *error)
{
	while (!list_empty(&s->stack)) {
		struct source *source = list_first(&s->stack, struct source, link);
		const char *why = source->text ? NULL : read_file(source);

		snprintf(line->file, sizeof(line->file), "%s", source->name);
		if (why) {
			line->number = 0;
			snprintf(error, CONFIG_ERROR_SIZE, "%s", why);
			source_free(source);
			return CONFIG_BAD;
		}
		if (source->at < source->len)
			return take_line(source, line, error);
		source_free(source);
	}
	return CONFIG_END;
}

/* ---- include ---- */

/* The pattern as seen from the folder of the file; false: too long. */
static bool from_folder(const char *file, const char *pattern, char *out, size_t size)
{
	const char *slash = strrchr(file, '/');
	int folder = *pattern != '/' && slash ? (int)(slash - file + 1) : 0;

	return snprintf(out, size, "%.*s%s", folder, file, pattern) < (int)size;
}

static bool push_all(struct config_sources *s, const glob_t *found, unsigned depth)
{
	/* the last one pushed is read first */
	for (size_t i = found->gl_pathc; i > 0; i--) {
		if (s->files >= CONFIG_FILES_MAX || !push(s, found->gl_pathv[i - 1], depth))
			return false;
	}
	return true;
}

bool config_include(struct config_sources *s, const struct config_line *line, const char *pattern,
		    char *error)
{
	struct source *top =
	    list_empty(&s->stack) ? NULL : list_first(&s->stack, struct source, link);
	char full[4096];
	glob_t found;
	int rc;
	bool pushed;

	if (s->closed || !top) {
		snprintf(error, CONFIG_ERROR_SIZE, "nothing can be included here");
		return false;
	}
	if (top->depth + 1 >= CONFIG_DEPTH_MAX) {
		snprintf(error, CONFIG_ERROR_SIZE, "more than %d files include one another",
			 CONFIG_DEPTH_MAX);
		config_sources_free(s); /* or all of them would be tried, again and again */
		return false;
	}
	if (!from_folder(line->file, pattern, full, sizeof(full))) {
		snprintf(error, CONFIG_ERROR_SIZE, "the name is too long");
		return false;
	}
	rc = glob(full, 0, NULL, &found);
	if (rc == GLOB_NOMATCH && strpbrk(full, "*?["))
		return true;
	if (rc) {
		snprintf(error, CONFIG_ERROR_SIZE, "include %.400s: %s", full,
			 rc == GLOB_NOMATCH ? strerror(ENOENT) : "it can't be searched");
		return false;
	}
	pushed = push_all(s, &found, top->depth + 1);
	globfree(&found);
	if (!pushed) {
		snprintf(error, CONFIG_ERROR_SIZE, "too many files are included");
		config_sources_free(s);
	}
	return pushed;
}
