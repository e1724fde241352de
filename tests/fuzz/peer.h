/* SPDX-License-Identifier: MIT */
/* An initiator in the fuzzer's process, at the other end of a socket pair. */
#ifndef TGT_TESTS_FUZZ_PEER_H
#define TGT_TESTS_FUZZ_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_BUFFER (512u << 10)

/* The SCSI commands that were sent, as far as the peer knows. */
#define PEER_COMMANDS 256u
struct peer_command {
	uint32_t itt, expected;
	bool answered, twice; /* its task tag was used again: nothing can be said of it */
};

struct peer {
	int fd; /* -1: there is no connection */
	bool header_digest, data_digest;
	bool logged_in;
	uint32_t cmdsn;
	/* the last R2T */
	uint32_t itt, ttt, offset, length;
	uint8_t *in;
	size_t in_len;
	bool knows; /* everything sent was whole PDUs, so commands can be matched with answers */
	struct peer_command commands[PEER_COMMANDS];
	unsigned nr_commands;
};

/* Connects; no PDU is sent. */
void peer_connect(struct peer *p);
void peer_close(struct peer *p);

struct peer_login {
	bool digests, initial_r2t, discovery;
	uint8_t isid; /* its last byte */
};
/* Logs in by one request; p->logged_in says whether that worked. */
void peer_log_in(struct peer *p, const struct peer_login *login);

/* What of a PDU is made right before it is sent. */
#define PEER_FIX_CMDSN 0x01u
#define PEER_FIX_LENGTH 0x02u
#define PEER_ANSWER_R2T 0x04u
#define PEER_BAD_DIGEST 0x08u
#define PEER_NO_PADDING 0x10u
void peer_send_pdu(struct peer *p, const uint8_t *bhs, const uint8_t *data, size_t len,
		   unsigned how);
/* Bytes that may be anything. */
void peer_send_raw(struct peer *p, const void *data, size_t len);
/* Takes what the target has sent, and checks that it is PDUs of a target. */
void peer_receive(struct peer *p);

#endif
