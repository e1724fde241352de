/* SPDX-License-Identifier: MIT */
/*
 * Connections, from their first byte: logins, the full feature phase, discovery, several at once,
 * cut off anywhere.  An input is a sequence of records: how to log in, and then what to do, step by
 * step.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "fuzz.h"
#include "iscsi/conn.h"
#include "iscsi/login.h"
#include "iscsi/session.h"
#include "peer.h"
#include "records.h"
#include "util/bytes.h"

#define PEERS 2u
#define STEPS_MAX 200u

/* The first byte */
#define RAW 0x01u /* no login but what the input holds */
#define DIGESTS 0x02u
#define UNSOLICITED 0x04u /* InitialR2T=No */
#define DISCOVERY 0x08u
#define SAME_PORT 0x10u /* both initiators have one ISID: the second reinstates the session */

/* The low bits of a step's first byte; the others are for its kind. */
enum step {
	STEP_PDU_0,
	STEP_PDU_1,
	STEP_PDU_2,
	STEP_RAW,
	STEP_STORE,
	STEP_OTHER,
	STEP_CLOSE,
	STEP_MANAGE
};

/* Of a PDU's second byte, above what peer.h defines. */
#define DONT_RUN 0x20u /* the next one comes with it */

static struct peer peers[PEERS];
static unsigned now;

static void open_peer(unsigned which, uint8_t how)
{
	struct peer_login login = {.digests = how & DIGESTS,
				   .initial_r2t = !(how & UNSOLICITED),
				   .discovery = how & DISCOVERY,
				   .isid = how & SAME_PORT ? 1 : (uint8_t)(which + 1)};

	peer_connect(&peers[which]);
	if (!(how & RAW))
		peer_log_in(&peers[which], &login);
}

static void send_pdu(struct peer *p, struct fuzz_input *in)
{
	uint8_t how = fuzz_byte(in), bhs[BHS_LEN] = {0};
	const uint8_t *data, *from;
	size_t len;

	from = fuzz_bytes(in, BHS_LEN, &len);
	if (len)
		memcpy(bhs, from, len);
	data = fuzz_bytes(in, in->left, &len);
	peer_send_pdu(p, bhs, data, len, how);
	if (how & DONT_RUN)
		return;
	core_run_turns(3);
	peer_receive(p);
}

static void send_raw(struct peer *p, struct fuzz_input *in)
{
	size_t len;
	const uint8_t *data = fuzz_bytes(in, in->left, &len);

	peer_send_raw(p, data, len);
	core_run_turns(2);
	peer_receive(p);
}

/* What an operator may do meanwhile. */
static void manage(uint8_t what)
{
	struct iscsi_target *target = core_start();

	switch (what & 3) {
	case 0:
		if (!list_empty(&target->sessions)) {
			const struct iscsi_session_info *info =
			    list_first(&target->sessions, struct iscsi_session_info, link);

			iscsi_connection_close(target, info->id, info->cid);
		}
		break;
	case 1:
		iscsi_target_set_ready(target, what & 4);
		break;
	case 2:
		iscsi_set_system_ready(what & 4);
		break;
	default:
		login_drop_target(target);
	}
	core_run_turns(2);
}

static void step(struct fuzz_input *in, uint8_t how)
{
	uint8_t head = fuzz_byte(in);
	struct peer *p = &peers[now];

	if (p->fd < 0 && (head & 7) != STEP_OTHER && (head & 7) != STEP_STORE) {
		open_peer(now, how);
		return;
	}
	switch (head & 7) {
	case STEP_RAW:
		send_raw(p, in);
		break;
	case STEP_STORE:
		core_hold(head & 0x08);
		core_fail_next(head & 0x80 ? (head >> 4 & 7) + 2 : 0);
		core_complete(head & 0x10);
		break;
	case STEP_OTHER:
		now = (now + 1) % PEERS;
		break;
	case STEP_CLOSE:
		peer_close(p);
		break;
	case STEP_MANAGE:
		manage(head >> 3);
		break;
	default:
		send_pdu(p, in);
	}
}

/* ---- what an initiator might say next ---- */

static void fresh_command(uint8_t *bhs, uint32_t (*random)(uint32_t below))
{
	static const uint8_t opcodes[] = {0x00, 0x12, 0x28, 0x2a, 0x88,
					  0x8a, 0xa0, 0x5e, 0x5f, 0x15};
	uint8_t *cdb = bhs + 32;

	bhs[1] = (uint8_t)(0x80 | (random(2) ? 0x40 : 0x20) | random(5));
	bhs[9] = (uint8_t)random(FUZZ_LUNS);
	put_be32(bhs + 20, random(2) ? 512 * random(40) : random(3000));
	cdb[0] = opcodes[random(sizeof(opcodes))];
	if (cdb[0] == 0x28 || cdb[0] == 0x2a) {
		put_be16(cdb + 4, (uint16_t)random(5000));
		put_be16(cdb + 7, (uint16_t)random(40));
	} else if (cdb[0] >= 0x88 && cdb[0] <= 0x8a) {
		put_be32(cdb + 6, random(5000));
		put_be32(cdb + 10, random(40));
	} else {
		cdb[4] = cdb[8] = (uint8_t)random(256);
	}
}

/* A PDU whose numbers and lengths are right, on the whole. */
size_t fuzz_fresh_record(uint8_t *out, uint32_t (*random)(uint32_t below))
{
	static const uint8_t opcodes[] = {OP_NOP_OUT,         OP_SCSI_COMMAND, OP_SCSI_COMMAND,
					  OP_TASK_MANAGEMENT, OP_TEXT,         OP_DATA_OUT,
					  OP_DATA_OUT,        OP_LOGOUT,       OP_SNACK};
	static const char text[] = "SendTargets=All\0MaxRecvDataSegmentLength=8192";
	uint8_t *bhs = out + 2;
	size_t data = random(2) * random(FRESH_RECORD_MAX - 60);

	memset(out, 0, FRESH_RECORD_MAX);
	out[0] = STEP_PDU_0;
	out[1] = PEER_FIX_CMDSN | PEER_FIX_LENGTH | (random(4) ? 0 : (uint8_t)random(64));
	bhs[0] = opcodes[random(sizeof(opcodes))];
	bhs[1] = 0x80;
	put_be32(bhs + 16, 0x100 + random(64));
	put_be32(bhs + 20, 0xffffffff);
	if (bhs[0] == OP_SCSI_COMMAND)
		fresh_command(bhs, random);
	else if (bhs[0] == OP_DATA_OUT)
		out[1] |= PEER_ANSWER_R2T;
	else if (bhs[0] == OP_TASK_MANAGEMENT)
		bhs[1] = (uint8_t)(0x80 | random(9));
	if (bhs[0] == OP_TEXT)
		memcpy(bhs + BHS_LEN, text, data = sizeof(text));
	if (random(4) == 0)
		bhs[0] |= PDU_IMMEDIATE;
	return 2 + BHS_LEN + data;
}

/* ---- one input ---- */

static bool nobody_is_left(void)
{
	core_complete(false);
	for (unsigned i = 0; i < PEERS; i++)
		peer_receive(&peers[i]);
	return list_empty(control_conns()) && !sessions_total();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size}, record = {NULL, 0};
	struct iscsi_target *target = core_start();
	uint8_t how;

	fuzz_record(&in, &record);
	how = fuzz_byte(&record);
	for (unsigned i = 0; i < PEERS; i++)
		peers[i].fd = -1;
	now = 0;
	open_peer(0, how);
	for (unsigned i = 0; i < STEPS_MAX && fuzz_record(&in, &record); i++)
		step(&record, how);
	core_hold(false);
	core_fail_next(0);
	for (unsigned i = 0; i < PEERS; i++)
		peer_close(&peers[i]);
	core_run_until(nobody_is_left);
	iscsi_target_set_ready(target, true);
	iscsi_set_system_ready(true);
	core_reset_units();
	return 0;
}
