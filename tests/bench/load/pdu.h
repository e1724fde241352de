/* SPDX-License-Identifier: MIT */
/* PDUs on a session's buffers: RFC 7143 11, with the digests of 11.2.3 and 13.1. */
#ifndef LOAD_PDU_H
#define LOAD_PDU_H

#include "session.h"

enum {
	NOP_OUT = 0x00,
	SCSI_COMMAND = 0x01,
	LOGIN = 0x03,
	DATA_OUT = 0x05,
	NOP_IN = 0x20,
	SCSI_RESPONSE = 0x21,
	LOGIN_RESPONSE = 0x23,
	DATA_IN = 0x25,
	R2T = 0x31,
	ASYNC_MESSAGE = 0x32,
	REJECT = 0x3f,
	IMMEDIATE_BIT = 0x40,
};

struct pdu {
	const uint8_t *bhs;
	const uint8_t *data; /* NULL if it is passed over */
	uint32_t len;
};

/* How much is still free in what is to be sent. */
size_t pdu_room(const struct session *s);

/* Appends one; its DataSegmentLength is filled in.  The caller has seen that there is room. */
void pdu_put(struct session *s, uint8_t bhs[BHS_LEN], const void *data, uint32_t len);

/* Passes over data that aren't wanted; false as long as some are still to come. */
bool pdu_skip(struct session *s, size_t *at);

/* The next PDU from *at on, which moves behind it; false if it isn't there yet. */
bool pdu_take(struct session *s, size_t *at, struct pdu *pdu);

/* Moves what is behind the PDUs that were taken to the front. */
void pdu_taken(struct session *s, size_t at);

/* StatSN and the window of every PDU; answers a NOP-In.  False if it was one that only needed this.
 */
bool pdu_note(struct session *s, const struct pdu *pdu);

/* Data digests that were wrong. */
extern uint64_t digest_errors;

#endif
