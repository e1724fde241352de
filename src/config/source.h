/* SPDX-License-Identifier: MIT */
/*
 * The lines of a configuration file and of the files that it includes, one after the other.  Blocks
 * the caller: worker threads, or before the loops run.
 */
#ifndef TGT_CONFIG_SOURCE_H
#define TGT_CONFIG_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/list.h"

#define CONFIG_FILE_MAX (4u << 20) /* bytes of one file */
#define CONFIG_LINE_MAX 8191       /* bytes of one line, with what continues it */
#define CONFIG_DEPTH_MAX 16        /* files that include one another */
#define CONFIG_FILES_MAX 100000    /* files altogether */
#define CONFIG_ERROR_SIZE 512

/* Files under way, the innermost first; see config_sources_init(). */
struct config_sources {
	struct list stack;
	unsigned files;
	bool closed; /* includes are refused */
};

struct config_line {
	char file[4096];
	unsigned number; /* of its first line, from 1 */
	char text[CONFIG_LINE_MAX + 1];
};

enum config_next { CONFIG_LINE, CONFIG_END, CONFIG_BAD };

void config_sources_init(struct config_sources *sources);
void config_sources_free(struct config_sources *sources);

/* The first file.  It is opened by the first config_next(), which says what is wrong with it.
 * False: out of memory. */
bool config_start_file(struct config_sources *sources, const char *path);
/* A text of len bytes (copied) that stands for a file of that name; it can't include anything.
 * False: out of memory. */
bool config_start_text(struct config_sources *sources, const char *name, const char *text,
		       size_t len);

/*
 * The next line, without white space at its ends; a line that ends with a backslash goes on in the
 * next one.  CONFIG_BAD: error (of CONFIG_ERROR_SIZE) says why, line where; the call may be
 * repeated and goes on behind it.
 */
enum config_next config_next(struct config_sources *sources, struct config_line *line, char *error);

/*
 * The files that pattern (glob(7); relative to the folder of the file that the last line came from)
 * names come next, in the order of their names.  A pattern may match nothing; a name without
 * wildcards may not.  False: error says why; when there are too many, nothing more comes.
 */
bool config_include(struct config_sources *sources, const struct config_line *line,
		    const char *pattern, char *error);

#endif
