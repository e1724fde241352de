/* SPDX-License-Identifier: MIT */
#include "store/loader.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/descriptor.h"
#include "store/elf_note.h"
#include "util/cleanup.h"
#include "util/log.h"

#define REASON_SIZE 512
#define DEFAULT_STORE "rdwr"

static struct list modules = LIST_INIT(modules);
static struct list failures = LIST_INIT(failures);
static const char *default_store = DEFAULT_STORE;

static int __attribute__((format(printf, 2, 3))) reject(char *reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, REASON_SIZE, format, args);
	va_end(args);
	return -1;
}

/* Whoever may write a module, or its directory, runs code as the daemon's user. */
static int check_trusted(const struct stat *st, const char *what, char *reason)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return reject(reason, "%s belongs to user %u, who is neither root nor tgtd's own",
			      what, (unsigned int)st->st_uid);
	if (st->st_mode & S_IWOTH)
		return reject(reason, "%s may be written by everybody (mode %04o)", what,
			      (unsigned int)st->st_mode & 07777);
	if (st->st_mode & S_IWGRP)
		return reject(reason, "%s may be written by its group (mode %04o)", what,
			      (unsigned int)st->st_mode & 07777);
	return 0;
}

static int check_file(int fd, struct stat *st, char *reason)
{
	if (fstat(fd, st) < 0)
		return reject(reason, "%s", strerror(errno));
	if (!S_ISREG(st->st_mode))
		return reject(reason, "not a regular file");
	return check_trusted(st, "the file", reason);
}

/* A symbolic link may lead to a directory that was never looked at. */
static int check_real_directory(const char *real_path, char *reason)
{
	CLEANUP_FREE char *dir = strdup(real_path);
	char *slash = dir ? strrchr(dir, '/') : NULL;
	struct stat st;

	if (!slash)
		return reject(reason, "out of memory");
	slash[slash == dir] = '\0';
	if (stat(dir, &st) < 0)
		return reject(reason, "%s: %s", dir, strerror(errno));
	return check_trusted(&st, "its directory", reason);
}

static int check_note(int fd, char *reason)
{
	struct tgt_bs_note note;

	if (elf_note_read(fd, &note, reason, REASON_SIZE))
		return -1;
	if (note.abi_major != TGT_BS_ABI_MAJOR)
		return reject(reason, "built for backing-store ABI %u.%u, this tgtd has %u.%u",
			      note.abi_major, note.abi_minor, TGT_BS_ABI_MAJOR, TGT_BS_ABI_MINOR);
	return 0;
}

/* dlerror() names the file first, and so do we. */
static const char *why_not_loaded(const char *path)
{
	const char *why = dlerror();
	size_t len = strlen(path);

	if (!why)
		return "unknown error of the dynamic linker";
	return strncmp(why, path, len) == 0 && strncmp(why + len, ": ", 2) == 0 ? why + len + 2
										: why;
}

/* Maps the file that st describes; the path is what the dynamic linker and debuggers know it by. */
static void *map_module(const char *path, const struct stat *st, char *reason)
{
	struct stat now;
	void *handle;

	if (stat(path, &now) < 0 || now.st_dev != st->st_dev || now.st_ino != st->st_ino) {
		reject(reason, "it was replaced while it was checked");
		return NULL;
	}
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		reject(reason, "%s", why_not_loaded(path));
	return handle;
}

static const struct tgt_bs_module *call_entry(void *handle, const struct tgt_bs_host *host,
					      char *reason)
{
	const struct tgt_bs_module *descriptor;
	tgt_bs_module_fn entry;

	/* POSIX dlsym() RATIONALE: the way to get a function out of a data pointer in C */
	*(void **)&entry = dlsym(handle, TGT_BS_ENTRY);
	if (!entry) {
		reject(reason, "it doesn't export %s()", TGT_BS_ENTRY);
		return NULL;
	}
	descriptor = entry(host);
	if (!descriptor)
		reject(reason, "its %s() returned no descriptor", TGT_BS_ENTRY);
	return descriptor;
}

static int register_module(const char *file, const struct tgt_bs_module *theirs, char *reason)
{
	CLEANUP_FREE struct store_module *module = calloc(1, sizeof(*module));
	const struct store_module *other;

	if (!module)
		return reject(reason, "out of memory");
	if (descriptor_take(theirs, &module->descriptor, &module->options, reason, REASON_SIZE))
		return -1;
	other = store_find(module->descriptor.name);
	if (other) {
		free(module->options);
		return reject(reason, "the name \"%s\" is taken by %s", module->descriptor.name,
			      other->file);
	}
	module->file = strdup(file);
	if (!module->file) {
		free(module->options);
		return reject(reason, "out of memory");
	}
	atomic_init(&module->nr_luns, 0);
	list_add_tail(&modules, &module->link);
	log_info("backing store %s %s loaded from %s (ABI %u.%u)", module->descriptor.name,
		 module->descriptor.version, file, module->descriptor.abi_major,
		 module->descriptor.abi_minor);
	module = NULL;
	return 0;
}

static int load_checked(int fd, const char *file, const struct tgt_bs_host *host, char *reason)
{
	CLEANUP_FREE char *real_path = NULL;
	const struct tgt_bs_module *descriptor;
	struct stat st;
	void *handle;

	if (check_file(fd, &st, reason))
		return -1;
	real_path = realpath(file, NULL);
	if (!real_path)
		return reject(reason, "%s", strerror(errno));
	if (check_real_directory(real_path, reason) || check_note(fd, reason))
		return -1;
	handle = map_module(real_path, &st, reason);
	if (!handle)
		return -1;
	/* from here on its code may have left threads or pointers behind: it stays mapped, rejected
	 * or not */
	descriptor = call_entry(handle, host, reason);
	return descriptor ? register_module(file, descriptor, reason) : -1;
}

static void note_failure(const char *file, const char *reason)
{
	struct store_failure *failure = calloc(1, sizeof(*failure));

	log_err("backing store %s not loaded: %s", file, reason);
	if (!failure)
		return;
	failure->file = strdup(file);
	failure->reason = strdup(reason);
	list_add_tail(&failures, &failure->link);
	if (!failure->file || !failure->reason) {
		list_del(&failure->link);
		free(failure->file);
		free(failure->reason);
		free(failure);
	}
}

static bool load_file(int dir_fd, const char *dir, const char *name, const struct tgt_bs_host *host)
{
	CLEANUP_FREE char *file = NULL;
	CLEANUP_CLOSE int fd = -1;
	char reason[REASON_SIZE];

	if (asprintf(&file, "%s/%s", dir, name) < 0) {
		file = NULL;
		note_failure(name, "out of memory");
		return false;
	}
	/* O_NONBLOCK: a FIFO of that name must not stop the daemon */
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		note_failure(file, strerror(errno));
		return false;
	}
	if (load_checked(fd, file, host, reason) == 0)
		return true;
	note_failure(file, reason);
	return false;
}

static int is_module_name(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 3 && strcmp(entry->d_name + len - 3, ".so") == 0;
}

/* Not alphasort(): the order, which decides between two of the same name, must not depend on the
 * locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int open_directory(const char *dir)
{
	CLEANUP_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char reason[REASON_SIZE];
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0) {
		rc = -errno;
		log_err("backing store directory %s: %s", dir, strerror(-rc));
		return rc;
	}
	if (check_trusted(&st, "it", reason)) {
		log_err("backing store directory %s is not used: %s", dir, reason);
		return -EPERM;
	}
	rc = fd;
	fd = -1;
	return rc;
}

int store_load_directory(const char *dir, const struct tgt_bs_host *host)
{
	CLEANUP_CLOSE int fd = open_directory(dir);
	struct dirent **entries;
	int found, loaded = 0;

	if (fd < 0)
		return fd;
	found = scandirat(fd, ".", &entries, is_module_name, by_name);
	if (found < 0) {
		int rc = -errno;
		log_err("backing store directory %s: %s", dir, strerror(-rc));
		return rc;
	}
	for (int i = 0; i < found; i++) {
		loaded += load_file(fd, dir, entries[i]->d_name, host);
		free(entries[i]);
	}
	free(entries);
	return loaded;
}

struct store_module *store_find(const char *name)
{
	list_for_each (module, &modules, struct store_module, link) {
		if (strcmp(module->descriptor.name, name) == 0)
			return module;
	}
	return NULL;
}

const struct list *store_modules(void)
{
	return &modules;
}

const struct list *store_failures(void)
{
	return &failures;
}

const char *store_default(void)
{
	return default_store;
}

/* Names, as "a, b", or "none"; as many as there is room for. */
static void name_disk_stores(char *text, size_t size)
{
	size_t used = 0;

	snprintf(text, size, "none");
	list_for_each (module, &modules, struct store_module, link) {
		int len;

		if (module->descriptor.kind != TGT_BS_BLOCK)
			continue;
		len = snprintf(text + used, size - used, "%s%s", used ? ", " : "",
			       module->descriptor.name);
		if (len < 0 || (size_t)len >= size - used)
			return;
		used += (size_t)len;
	}
}

int store_set_default(const char *name, char *error, size_t error_size)
{
	const struct store_module *module = store_find(name);
	char names[STORE_DEFAULT_ERROR_SIZE];

	if (module && module->descriptor.kind == TGT_BS_BLOCK) {
		default_store = module->descriptor.name;
		return 0;
	}
	name_disk_stores(names, sizeof(names));
	snprintf(error, error_size, "%s; for disks there are %s",
		 module ? "it is no store for disks" : "no such backing store is loaded", names);
	return -EINVAL;
}

size_t store_max_request_size(void)
{
	size_t max = 0;

	list_for_each (module, &modules, struct store_module, link) {
		if (module->descriptor.request_size > max)
			max = module->descriptor.request_size;
	}
	return max;
}

void store_unload_all(void)
{
	default_store = DEFAULT_STORE;
	list_for_each_safe (module, &modules, struct store_module, link) {
		list_del(&module->link);
		free(module->options);
		free(module->file);
		free(module);
	}
	list_for_each_safe (failure, &failures, struct store_failure, link) {
		list_del(&failure->link);
		free(failure->reason);
		free(failure->file);
		free(failure);
	}
}
