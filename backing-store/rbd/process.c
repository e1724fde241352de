/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static bool read_line(const char *path, char *to, int size)
{
	FILE *file = fopen(path, "re");
	bool good = file && fgets(to, size, file);

	if (file)
		fclose(file);
	if (good)
		to[strcspn(to, "\n")] = '\0';
	return good;
}

/* Clock ticks after the boot: field 22 of its stat; the second, a name, may contain anything.  0:
 * it isn't there. */
static unsigned long long start_of(long pid)
{
	char path[48], line[512];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	if (!read_line(path, line, sizeof(line)))
		return 0;
	at = strrchr(line, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

/* BOOT/NAMESPACE/, within which a process id means the same. */
static bool own_world(char *to, size_t size)
{
	char boot[40], space[32];
	ssize_t length = readlink("/proc/self/ns/pid", space, sizeof(space) - 1);

	if (length < 0 || !read_line(BOOT_ID, boot, sizeof(boot)))
		return false;
	space[length] = '\0';
	snprintf(to, size, "%s/%s/", boot, space);
	return true;
}

void process_name(char to[PROCESS_ROOM])
{
	char world[80];

	to[0] = '\0';
	if (own_world(world, sizeof(world)))
		snprintf(to, PROCESS_ROOM, "%s%ld/%llu", world, (long)getpid(), start_of(getpid()));
}

bool process_has_ended(const char *name)
{
	char world[80], *end;
	unsigned long long start;
	long pid;

	if (!own_world(world, sizeof(world)) || strncmp(name, world, strlen(world)) != 0)
		return false;
	pid = strtol(name + strlen(world), &end, 10);
	if (pid <= 0 || *end != '/')
		return false;
	start = strtoull(end + 1, &end, 10);
	return start && !*end && start_of(pid) != start;
}
