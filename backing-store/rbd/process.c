/* SPDX-License-Identifier: MIT */
/*
 * Which process a daemon is, for others on the same machine: boot, PID namespace, process id and
 * its start.  Who sees another boot or namespace (another machine, or a container) knows nothing of
 * it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "state.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

struct process {
	char boot[40], space[32];
	long pid;
	unsigned long long start; /* clock ticks after the boot */
};

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

/* Field 22 of its stat; the second, a name, may contain anything.  0: it isn't there. */
static unsigned long long start_of(long pid)
{
	char path[48], line[512];
	unsigned long long start;
	const char *at;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	if (!read_line(path, line, sizeof(line)))
		return 0;
	at = strrchr(line, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, " %llu", &start) == 1 ? start : 0;
}

static bool this_process(struct process *p)
{
	ssize_t length = readlink("/proc/self/ns/pid", p->space, sizeof(p->space) - 1);

	if (length < 0 || !read_line(BOOT_ID, p->boot, sizeof(p->boot)))
		return false;
	p->space[length] = '\0';
	p->pid = getpid();
	p->start = start_of(p->pid);
	return p->start;
}

void process_name(char to[PROCESS_ROOM])
{
	struct process p;

	to[0] = '\0';
	if (this_process(&p))
		snprintf(to, PROCESS_ROOM, "%s/%s/%ld/%llu", p.boot, p.space, p.pid, p.start);
}

static bool parse(const char *name, struct process *p)
{
	return sscanf(name, "%39[^/]/%31[^/]/%ld/%llu", p->boot, p->space, &p->pid, &p->start) == 4;
}

bool process_has_ended(const char *name)
{
	struct process own, other;

	if (!parse(name, &other) || !this_process(&own) || strcmp(own.boot, other.boot) != 0 ||
	    strcmp(own.space, other.space) != 0)
		return false;
	return start_of(other.pid) != other.start;
}
