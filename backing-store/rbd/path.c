/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "rbd.h"

#define DEFAULT_POOL "rbd"

/* The text up to a character that ends it. */
static bool take(char *to, const char *from, size_t length)
{
	if (!length || length >= RBD_NAME_MAX)
		return false;
	memcpy(to, from, length);
	to[length] = '\0';
	return true;
}

/* The last of at most two words before the image's name is the namespace. */
static const char *take_places(const char *path, const char *image, struct rbd_name *name)
{
	const char *slash = strchr(path, '/');

	if (!take(name->pool, path, (size_t)(slash - path)))
		return "the pool's name is empty or too long";
	if (slash + 1 == image)
		return NULL;
	if (memchr(slash + 1, '/', (size_t)(image - 1 - (slash + 1))))
		return "too many slashes: it is [POOL/[NAMESPACE/]]IMAGE[@SNAPSHOT]";
	return take(name->space, slash + 1, (size_t)(image - 1 - (slash + 1)))
		   ? NULL
		   : "the namespace's name is empty or too long";
}

const char *rbd_name_parse(const char *path, struct rbd_name *name)
{
	const char *slash = strrchr(path, '/'), *image = slash ? slash + 1 : path;
	const char *at = strchr(image, '@');
	const char *why = NULL;

	memset(name, 0, sizeof(*name));
	memcpy(name->pool, DEFAULT_POOL, sizeof(DEFAULT_POOL));
	if (slash)
		why = take_places(path, image, name);
	if (!why && !take(name->image, image, at ? (size_t)(at - image) : strlen(image)))
		why = "the image's name is empty or too long";
	if (!why && at && !take(name->snapshot, at + 1, strlen(at + 1)))
		why = "the snapshot's name is empty or too long";
	return why;
}
