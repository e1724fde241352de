/* SPDX-License-Identifier: MIT */
/*
 * Finds, checks and registers backing-store modules.  Called at start, before any other thread
 * runs; the lists don't change afterwards, so any thread may read them.  Modules are never
 * unloaded.
 */
#ifndef TGT_STORE_LOADER_H
#define TGT_STORE_LOADER_H

#include <stdatomic.h>
#include <stddef.h>

#include <tgt/backing-store.h>

#include "util/list.h"

/* A module that was loaded. */
struct store_module {
	struct list link;
	char *file;                      /* where it was found */
	struct tgt_bs_module descriptor; /* the host's copy: absent fields are zero */
	struct tgt_bs_option *options;   /* the host's copy, descriptor.nr_options rows */
	atomic_uint nr_luns;             /* LUNs that use it */
};

/* A file that was not, and why. */
struct store_failure {
	struct list link;
	char *file;
	char *reason; /* without the file's name */
};

/*
 * Loads every module (*.so) in dir, in the order of their names.  One that can't be loaded is
 * logged, kept in store_failures() and passed over.  host is handed to each and must live as long
 * as the process.  Returns the number loaded, or -errno if dir itself can't be used (it must be a
 * directory of root's or the caller's that nobody else may write to).
 */
int store_load_directory(const char *dir, const struct tgt_bs_host *host);

/* The module of that name, or NULL. */
struct store_module *store_find(const char *name);

/* struct store_module and struct store_failure by their link members. */
const struct list *store_modules(void);
const struct list *store_failures(void);

/*
 * The name of the store for disks that are made without naming one: "rdwr", loaded or not, until
 * another is set.  Setting it is done at start too.  0, or -EINVAL, and error says what is wrong
 * with the name, and which there are.
 */
#define STORE_DEFAULT_ERROR_SIZE 512
const char *store_default(void);
int store_set_default(const char *name, char *error, size_t error_size);

/* Largest request_size of the modules loaded: bytes of module_data that a request needs. */
size_t store_max_request_size(void);

/* Frees the lists, for leak checkers; modules stay mapped. */
void store_unload_all(void);

/*
 * Parses "name=value" pairs, separated by ';' (or ':' or ',' as long as what follows is a known
 * option's "name="), against the module's options.  On success returns 0 and *values has nr_options
 * rows, to be freed with store_free_values(); else -EINVAL and error says which and why.  text may
 * be NULL.
 */
int store_parse_options(const struct store_module *module, const char *text,
			struct tgt_bs_value **values, char *error, size_t error_size);
void store_free_values(const struct store_module *module, struct tgt_bs_value *values);

#endif
