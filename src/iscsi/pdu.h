/* SPDX-License-Identifier: MIT */
/* iSCSI PDUs on the wire (RFC 7143 11): opcodes, fields of the basic header segment, digests. */
#ifndef TGT_ISCSI_PDU_H
#define TGT_ISCSI_PDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/bytes.h"

#define BHS_LEN 48u
#define DIGEST_LEN 4u
#define AHS_MAX (255u * 4)
#define TAG_NONE 0xffffffffu /* the reserved tag (11.2.1.8) */
#define DATA_SEGMENT_MAX 0xffffffu

enum iscsi_opcode {
	/* from initiators (11.2.1.2) */
	OP_NOP_OUT = 0x00,
	OP_SCSI_COMMAND = 0x01,
	OP_TASK_MANAGEMENT = 0x02,
	OP_LOGIN = 0x03,
	OP_TEXT = 0x04,
	OP_DATA_OUT = 0x05,
	OP_LOGOUT = 0x06,
	OP_SNACK = 0x10,
	/* from targets */
	OP_NOP_IN = 0x20,
	OP_SCSI_RESPONSE = 0x21,
	OP_TASK_MANAGEMENT_RESPONSE = 0x22,
	OP_LOGIN_RESPONSE = 0x23,
	OP_TEXT_RESPONSE = 0x24,
	OP_DATA_IN = 0x25,
	OP_LOGOUT_RESPONSE = 0x26,
	OP_R2T = 0x31,
	OP_ASYNC_MESSAGE = 0x32,
	OP_REJECT = 0x3f,
};

#define PDU_IMMEDIATE 0x40u /* byte 0 */
#define PDU_FINAL 0x80u     /* byte 1; T in login PDUs */
#define PDU_CONTINUE 0x40u  /* byte 1 of text and login PDUs */

/* SCSI Command (11.3), byte 1 */
#define CMD_READ 0x40u
#define CMD_WRITE 0x20u
#define CMD_ATTR_MASK 0x07u
/* SCSI Response (11.4) and Data-In (11.7), byte 1 */
#define RSP_BIDI_OVERFLOW 0x10u
#define RSP_BIDI_UNDERFLOW 0x08u
#define RSP_OVERFLOW 0x04u
#define RSP_UNDERFLOW 0x02u
#define DATA_IN_STATUS 0x01u

/* Reasons of Reject (11.17.1) */
enum reject_reason {
	REJECT_DATA_DIGEST = 0x02,
	REJECT_SNACK = 0x03,
	REJECT_PROTOCOL_ERROR = 0x04,
	REJECT_NOT_SUPPORTED = 0x05,
	REJECT_TOO_MANY_IMMEDIATE = 0x06,
	REJECT_TASK_IN_PROGRESS = 0x07,
	REJECT_INVALID_FIELD = 0x09,
	REJECT_OUT_OF_RESOURCES = 0x0a,
};

/* Events of Asynchronous Message (11.9.1) */
enum async_event {
	ASYNC_LOGOUT_REQUEST = 1,
	ASYNC_DROP_CONNECTION = 2,
	ASYNC_DROP_SESSION = 3,
};

static inline unsigned pdu_opcode(const uint8_t *bhs)
{
	return bhs[0] & 0x3fu;
}
static inline bool pdu_immediate(const uint8_t *bhs)
{
	return bhs[0] & PDU_IMMEDIATE;
}
static inline bool pdu_final(const uint8_t *bhs)
{
	return bhs[1] & PDU_FINAL;
}
static inline uint32_t pdu_ahs_len(const uint8_t *bhs)
{
	return bhs[4] * 4u;
}
static inline uint32_t pdu_data_len(const uint8_t *bhs)
{
	return get_be24(bhs + 5);
}
static inline uint32_t pdu_itt(const uint8_t *bhs)
{
	return get_be32(bhs + 16);
}
static inline uint32_t pdu_ttt(const uint8_t *bhs)
{
	return get_be32(bhs + 20);
}
static inline uint32_t pdu_cmdsn(const uint8_t *bhs)
{
	return get_be32(bhs + 24);
}
/* Bytes that bring a data segment to a multiple of four (11.2.3). */
static inline uint32_t pdu_padding(uint32_t len)
{
	return -len & 3u;
}

/* Whether a PDU of this opcode carries a CmdSN that counts when it isn't immediate (4.2.2.1). */
bool pdu_has_cmdsn(unsigned opcode);

/* A zeroed header with opcode, flags (byte 1) and initiator task tag. */
void pdu_init(uint8_t *bhs, unsigned opcode, unsigned flags, uint32_t itt);

/* CRC32C (13.1): start with DIGEST_SEED, update with the bytes in order, padding included. */
#define DIGEST_SEED 0xffffffffu
uint32_t digest_update(uint32_t crc, const void *data, size_t len);
/* The digest as it stands on the wire. */
void digest_put(uint8_t *at, uint32_t crc);
bool digest_matches(const uint8_t *at, uint32_t crc);

/*
 * What additional header segments (11.2.2) hold.  cdb gets bytes 16 … of an extended CDB, at most
 * room of them; *extra is how many there are.  False: malformed.
 */
bool pdu_parse_ahs(const uint8_t *ahs, size_t len, uint8_t *cdb, size_t room, size_t *extra,
		   uint32_t *bidi_read_length);

#endif
