/* SPDX-License-Identifier: MIT */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define SECOND 1000000000ull /* ns */
#define MAX_DEPTH 256
#define MAX_SESSIONS 1024
#define MAX_IO_SIZE (16u << 20)

struct options {
	char host[256], port[8], target[256];
	const char *initiator;
	unsigned lun, size, depth, sessions;
	unsigned mix; /* reads, in percent */
	uint64_t range, count, length_ns;
	unsigned at_once; /* logins */
	unsigned rate;    /* I/Os a second of all sessions; 0: as many as go */
	bool sequential, tape, idle, batch, spin, verify, header_digest, data_digest;
};

extern struct options opt;

/* Ends the program if they are wrong. */
void options_parse(int argc, char **argv);

/* Ends the program with a message; errno's, if with_errno. */
_Noreturn void die(const char *what);
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
