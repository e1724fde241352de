/* SPDX-License-Identifier: MIT */
/* A session of one connection: login, buffers, and commands while nothing else goes on. */
#ifndef LOAD_SESSION_H
#define LOAD_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"

#define BHS_LEN 48
#define DIGEST_LEN 4
#define IN_SIZE (1u << 20)
#define MAX_RECV_DATA (256u << 10) /* what we declare: a whole PDU fits into the buffer */
#define LARGE_SEGMENT (16u << 10)
/* a longer send() keeps the CPU from another load for a millisecond */
#define SEND_MAX (128u << 10)
#define MAX_BURST (1u << 20)
#define FIRST_BURST (64u << 10)
#define IMMEDIATE 8192u
/* the commands of a whole queue with their immediate data, and the answer to an R2T */
#define OUT_SIZE (MAX_DEPTH * (IMMEDIATE + BHS_LEN + 2 * DIGEST_LEN) + (4u << 20))

/* One I/O in flight; its number is its Initiator Task Tag. */
struct request {
	uint64_t due;    /* when it started, or should have */
	uint64_t offset; /* bytes on the medium */
	uint64_t generation;
	uint32_t got;  /* bytes that came */
	uint8_t *data; /* when they are verified */
	bool busy, write;
};

struct session {
	int fd;
	unsigned number;
	uint32_t cmdsn, expstatsn, maxcmdsn;
	uint8_t *in;
	size_t in_len, skip; /* skip: bytes of a data segment still to be passed over */
	int wake_at;         /* SO_RCVLOWAT; 0: never set */
	bool whole;          /* PDUs are wanted with their data, instead of passing over these */
	bool stalled;        /* an R2T waits for room in what is to be sent */
	/* the command whose last Data-In is being passed over: its tag is the target's until all of
	 * that came */
	bool ending, ending_good;
	unsigned ending_tag;
	uint8_t *out;
	size_t out_len, out_sent;
	struct request requests[MAX_DEPTH];
	unsigned free_tags[MAX_DEPTH], nr_free;
	uint64_t next; /* sequential position */
	/* as negotiated */
	bool header_digest, data_digest, immediate;
	uint32_t max_send, first_burst;
};

uint64_t now_ns(void);

/* Connects, logs in, and takes the unit attentions, as many at a time as the options say. */
void sessions_open(struct session *sessions, unsigned count);

/* Sends what can be sent, and takes what came; false if nothing did. */
void session_flush(struct session *s);
bool session_receive(struct session *s);
/* Before a sleep: amid a long data segment that is passed over, only its end is worth waking up
 * for, as for an initiator in a kernel, which copies while it is interrupted. */
void session_wake_at(struct session *s);
/* Both, until all is sent, or something came. */
void session_wait(struct session *s);

/* The byte of CDB fields of 16 bytes and the LUN of a SCSI Command PDU. */
void session_put_lun(uint8_t *bhs);

/*
 * A command while nothing else goes on: up to len bytes of data come, or are sent if out is set.
 * Returns its status.
 */
uint8_t session_command(struct session *s, const uint8_t cdb[16], uint8_t *data, uint32_t len,
			bool out);

/* The same; ends the program unless the status is GOOD. */
void session_must(struct session *s, const uint8_t cdb[16], uint8_t *data, uint32_t len, bool out);

#endif
