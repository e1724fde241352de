/* SPDX-License-Identifier: MIT */
/* A directory of the test's own, gone with it. */
#ifndef TGT_TEST_TEMP_DIR_H
#define TGT_TEST_TEMP_DIR_H

#include <stddef.h>

/* Makes one below $TMPDIR (or /tmp) and removes it, with all in it, at exit.  Static memory; one a
 * process.  Mode 0700. */
const char *temp_dir(void);

/* The path of name in it.  In a ring of 16 static buffers. */
const char *temp_path(const char *name);

/* Makes a sparse file of that size there and returns its path, as temp_path(). */
const char *temp_file(const char *name, size_t size);

/* Copies a file to that path (mode 0644).  Aborts the test when it can't. */
void copy_file(const char *from, const char *to);

#endif
